"""Figure 4: fidelity of explanations that identify the perturbed segment, and of others; table and plot."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .pooling import METHODS


def table(long: pd.DataFrame) -> pd.DataFrame:
    """Return the data of Figure 4: fidelity of each explanation for k = 1, and whether it identifies the segment."""
    kept = long[(long.k == 1) & long.method.isin(METHODS)]  # other explainers have no surrogate
    return kept.assign(correct=kept.n_found == 1)[["song", "domain", "original", "method", "excerpt", "correct", "fidelity"]]


def plot(fidelity: pd.DataFrame, *, footnote: str) -> Figure:
    """Plot the fidelity of explanations that identify the single perturbed segment, and of others (paper Figure 4).

    Parameters
    ----------
    fidelity : DataFrame
        Result of `table`. Only sampled LIME is shown.
    footnote : str
        Text at the foot of the figure.

    Returns
    -------
    Figure
        One panel per domain.
    """
    figure, axes = new_figure(1, len(DOMAINS), (6.4, 3.4), sharey=True)
    rng = np.random.default_rng(0)  # only for the horizontal jitter of the dots
    for ax, domain in zip(axes[0], DOMAINS, strict=True):
        part = fidelity[(fidelity.domain == domain) & (fidelity.method == "sampled")]
        groups = [part[part.correct == correct].fidelity.to_numpy() for correct in (True, False)]
        names = [f"{name}\n(n = {len(group)})" for name, group in zip(("correct", "wrong"), groups, strict=True)]
        shown = [group if len(group) else [np.nan] for group in groups]
        ax.boxplot(shown, widths=0.5, showfliers=False, medianprops={"color": PALETTE[3], "lw": 1.6})
        for place, group in enumerate(groups, start=1):
            ax.plot(place + rng.uniform(-0.12, 0.12, len(group)), group, "o", ms=3, alpha=0.6, color=PALETTE[0], mew=0)
        ax.set_xticks([1, 2], names)
        ax.set_title(domain)
        if not len(part):
            say_empty(ax, "no single segment flipped a label")
    axes[0, 0].set_ylabel("fidelity (weighted $R^2$)")
    axes[0, 0].set_ylim(0, 1)
    put_footnote(figure, footnote)
    return figure
