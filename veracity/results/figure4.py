"""Figure 4: fidelity of explanations that identify the perturbed segment, and of others; table and plot."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .panels import counted
from .pooling import METHODS

MIN_VALUES_BOX = 10  # with fewer values, a group has points and no box


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
    figure, axes = new_figure(1, len(DOMAINS), (7.2, 3.6), sharey=True)
    rng = np.random.default_rng(0)  # only for the horizontal jitter of the dots
    for ax, domain in zip(axes[0], DOMAINS, strict=True):
        part = fidelity[(fidelity.domain == domain) & (fidelity.method == "sampled")]
        groups = [part[part.correct == correct] for correct in (True, False)]
        names = [f"{name}\n({counted(len(g), g.song.nunique())})" for name, g in zip(("correct", "wrong"), groups, strict=True)]
        for place, group in enumerate(groups, start=1):
            if len(group) >= MIN_VALUES_BOX:
                look = {"widths": 0.5, "showfliers": False, "medianprops": {"color": PALETTE[3], "lw": 1.6}}
                ax.boxplot([group.fidelity], positions=[place], **look)
            x = place + rng.uniform(-0.12, 0.12, len(group))
            ax.plot(x, group.fidelity, "o", ms=3 if len(group) >= MIN_VALUES_BOX else 4.5, alpha=0.6, color=PALETTE[0], mew=0)
        ax.set_xticks([1, 2], names, fontsize=8)
        ax.set_xlim(0.5, 2.5)
        ax.set_title(domain)
        if not len(part):
            say_empty(ax, "no single segment flipped a label")
    axes[0, 0].set_ylabel("fidelity (weighted $R^2$)")
    axes[0, 0].set_ylim(0, 1)
    put_footnote(
        figure,
        f"{footnote}. Points: excerpts. Boxes: quartiles and median, whiskers to the last value within 1.5 interquartile "
        f"ranges; no box for fewer than {MIN_VALUES_BOX} values.",
    )
    return figure
