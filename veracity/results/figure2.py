"""Figure 2: label flips by number of segments; table and plot."""

from typing import Any, get_args

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ..errors import one_of
from ..games.game import Fill
from ..labels import SING
from .canvas import PALETTE, looks, new_figure, put_footnote
from .panels import panels
from .pooling import judged


def table(rates: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return the data of Figure 2: flips for k = 1, 2, ... segments, with one fill for LIME."""
    one_of(fill, get_args(Fill), "fill")
    return rates[(rates.k >= 1) & rates.fill.isin(["", fill])]


#: Selections of Figure 2 in drawing order: title, colour, line style, marker. The first two are in the paper.
CURVES = {
    "lime": ("LIME", PALETTE[0], "-", "^"),
    "norm": ("norm of the perturbation", PALETTE[1], "-", "o"),
    "lime_exact": ("LIME, exact (all masks)", PALETTE[0], ":", None),
    "best": ("best k segments", PALETTE[2], "--", None),
    "random": ("random k segments (expectation)", "0.45", "--", None),
    "best_found": ("best k segments found (search)", PALETTE[2], "-.", None),
    "random_sampled": ("random k segments (sampled)", "0.45", "-.", None),
    "worst": ("worst k segments", PALETTE[3], ":", None),
}


def _others(rates: pd.DataFrame) -> dict[str, tuple[str, Any, str, str | None]]:
    """Return a distinct line for each explainer other than LIME."""
    names = judged(rates.selection, CURVES)
    return {name: (name, *look) for name, look in zip(names, looks(len(names)), strict=True)}


def plot(rates: pd.DataFrame, *, footnote: str, label_name: str = SING) -> Figure:
    """Plot the percentage of flips by number of segments (paper Figure 2), with bounds and chance.

    Parameters
    ----------
    rates : DataFrame
        Result of `table`.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain.
    """
    figure, axes = new_figure(2, 2, (7.2, 5.6), sharex=True, sharey=True)
    handles: dict[str, Artist] = {}
    for ax, part in panels(axes, rates, label_name=label_name, empty="no excerpt flipped"):
        for selection, (title, colour, style, marker) in (CURVES | _others(rates)).items():
            curve = part[part.selection == selection].sort_values("k")
            if len(curve):
                width = 1.3 if marker else 1.0
                if selection in ("lime", "norm"):  # the two curves of the paper, with the intervals of the table
                    ax.fill_between(curve.k, curve.percent_low, curve.percent_high, color=colour, alpha=0.12, lw=0)
                (handle,) = ax.plot(curve.k, curve.percent, style, color=colour, marker=marker, ms=4, lw=width)
                handles.setdefault(title, handle)
    n_segments = int(rates.k.max()) if len(rates) else 20
    for ax in axes[-1]:
        ax.set_xlabel("number of segments k")
        ax.set_xticks([1, *range(5, n_segments + 1, 5)])
    for ax in axes[:, 0]:
        ax.set_ylabel("label flips [%]")
        ax.set_ylim(-3, 103)
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    put_footnote(figure, f"{footnote}. Bands: 95 % intervals of LIME and the norm over excerpts (Wilson)")
    return figure
