"""Figure 3: number of the k perturbed segments that LIME identifies; table and plot."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, looks, new_figure, put_footnote, say_empty
from .pooling import METHODS, judged


def table(long: pd.DataFrame, *, k_tried: Sequence[int], n_segments: int) -> pd.DataFrame:
    """Count the excerpts of Figure 3 by the number of identified segments, with the counts expected by chance.

    Parameters
    ----------
    long : DataFrame
        Result of `veracity.results.localised_rows.table`.
    k_tried : sequence of int
        Numbers of perturbed segments.
    n_segments : int
        Number of segments of the grid, which determines chance.

    Returns
    -------
    DataFrame
        One row per panel, method, k and number of identified segments.
    """
    from scipy.stats import hypergeom

    rows = []
    for original in LABELS:
        for domain in DOMAINS:
            for method in long.method.unique() if len(long) else ["sampled"]:
                for k in k_tried:
                    part = long[(long.original == original) & (long.domain == domain) & (long.k == k) & (long.method == method)]
                    for n_found in range(k, -1, -1):
                        row = {"original": original, "domain": domain, "method": method, "k": k, "n_found": n_found}
                        chance = float(hypergeom.pmf(n_found, n_segments, k, k))
                        count = int((part.n_found == n_found).sum())
                        rows.append({**row, "excerpts": count, "n": len(part), "expected_by_chance": chance * len(part)})
    return pd.DataFrame(rows)


def plot(counts: pd.DataFrame, *, footnote: str, label_name: str = SING) -> Figure:
    """Plot the number of the k perturbed segments that LIME identifies (paper Figure 3), with the counts expected by chance.

    Parameters
    ----------
    counts : DataFrame
        Result of `table`.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One row per original label and domain, one column per k.
    """
    ks = sorted(counts.k.unique())
    settings = [(original, domain) for original in LABELS for domain in DOMAINS]
    figure, axes = new_figure(len(settings), len(ks), (7.2, 8.0))
    for line, (original, domain) in zip(axes, settings, strict=True):
        for ax, k in zip(line, ks, strict=True):
            part = counts[(counts.original == original) & (counts.domain == domain) & (counts.k == k)]
            sampled = part[part.method == "sampled"]
            place = np.arange(len(sampled))
            ax.bar(place, sampled.excerpts, color=PALETTE[0], width=0.7, label="LIME")
            exact = part[part.method == "exact"]
            ax.plot(place, sampled.expected_by_chance, "_", color="black", ms=18, mew=1.4, label="expected by chance")
            if len(exact) == len(sampled):
                ax.plot(place, exact.excerpts, "D", color=PALETTE[1], ms=4, label="exact LIME")
            others = judged(counts.method, METHODS)
            aside = np.linspace(-0.3, 0.3, len(others)) if len(others) > 1 else np.zeros(len(others))
            for name, dx, (colour, _, marker) in zip(others, aside, looks(len(others)), strict=True):
                of_method = part[part.method == name]
                ax.plot(place + dx, of_method.excerpts, marker or "o", color=colour, ms=3.5, ls="", label=name)
            # Counts are below the bars, where they cannot be confused with the markers.
            counted = zip(sampled.n_found, sampled.excerpts, strict=True)
            ax.set_xticks(place, [f"{n_found}\n({count:.0f})" for n_found, count in counted])
            n = int(sampled.n.max()) if len(sampled) else 0
            if not n:
                say_empty(ax, "none flipped")
            ax.set_title(f"k = {k} (n = {n})", fontsize=8)
            ax.set_ylim(0, max(1.0, 1.1 * max(part.excerpts.max(), part.expected_by_chance.max())))
            ax.yaxis.get_major_locator().set_params(integer=True)
        line[0].set_ylabel(f"{domain}\n{in_figure(direction_title(original, label_name))}\nexcerpts", fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("segments correctly identified\n(number of excerpts, LIME)", fontsize=8)
    handles, labels = axes[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    put_footnote(figure, footnote)
    return figure
