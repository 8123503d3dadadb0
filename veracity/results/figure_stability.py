"""Figure ``figure_stability``: differences between sampled and exact LIME."""

import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from .canvas import PALETTE, new_figure, put_footnote, say_empty


def plot(table: pd.DataFrame, *, n_segments: int, paper_n_samples: int, footnote: str) -> Figure:
    """Plot the difference between sampled and exact LIME by number of samples.

    Parameters
    ----------
    table : DataFrame
        Result of `veracity.results.sampling_error.table`.
    n_segments : int
        Number of segments, which determines the chance lines.
    paper_n_samples : int
        Number of samples in the paper, marked by a vertical line.
    footnote : str
        Text at the foot of the figure.

    Returns
    -------
    Figure
        Three panels: error of the weights, overlap of the top three segments, and agreement of the top segment.
    """
    figure, axes = new_figure(1, 3, (8.8, 3.0))
    error, overlap, top = axes[0]
    for domain, colour, marker in zip(DOMAINS, (PALETTE[0], PALETTE[1]), "^o", strict=True):
        part = table[table.domain == domain]
        style = {"color": colour, "marker": marker, "ms": 4, "lw": 1.2, "label": domain}
        error.plot(part.n_samples, part.weight_error, **style)
        error.fill_between(part.n_samples, part.weight_error_p05, part.weight_error_p95, color=colour, alpha=0.18, lw=0)
        overlap.plot(part.n_samples, part.top3_overlap, **style)
        top.plot(part.n_samples, part.top1_right_percent, **style)
    overlap.axhline(9 / n_segments, color="0.45", ls="--", lw=1)
    top.axhline(100 / n_segments, color="0.45", ls="--", lw=1, label="chance")
    for ax in axes[0]:
        if not len(table):
            say_empty(ax)
            ax.set(xlim=(paper_n_samples / 8, paper_n_samples * 8), ylim=(0.01, 1))  # a logarithmic axis needs a positive range
        ax.set_xscale("log", base=2)
        ax.axvline(paper_n_samples, color="0.7", lw=1, zorder=0)
        ax.set_xlabel("number of samples $N_s$")
    error.set_yscale("log")
    error.set_ylabel("relative error of the weights\n(mean, 5-95 % of fits)")
    overlap.set_ylabel("segments shared with\nexact LIME's top 3")
    overlap.set_ylim(0, 3.1)
    top.set_ylabel("same top segment [%]")
    top.set_ylim(0, 104)
    top.legend(frameon=False, fontsize=7, loc="center right", bbox_to_anchor=(1.0, 0.3))
    put_footnote(figure, f"{footnote}; vertical line: {paper_n_samples} samples")
    return figure
