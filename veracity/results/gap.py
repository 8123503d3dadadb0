"""Table and figure ``gap``: the gap between the paper's LIME and the best ranking, decomposed into additive parts.

The first part, *sampling*, is the difference between sampled and exact LIME. Up to five changes to exact LIME follow:

- *surrogate*: from LIME's weighted ridge regression to Shapley values,
- *scale*: from probability to logit,
- *locality*: from all masks to switching off one segment at a time (occlusion, whose ranking does not depend on surrogate or
  scale),
- *privilege*: access to the clean excerpt, by subtracting its weights from those of the adversarial excerpt, both in the fill
  game,
- *question*: from the fill game to the perturbation game, whose flip sets are the ground truth; it requires privilege.

The effect of a change depends on the changes before it. A part is therefore the mean effect over all orders in which privilege
precedes the question (a Shapley value under precedence constraints). The last part, *remains*, is the remainder of the gap to
the best ranking.

If a run has no scores for locality or privilege, that part is omitted. Without privilege, the question includes it.

References
----------
U. Faigle and W. Kern, "The Shapley value for cooperative games under precedence constraints", International Journal of Game
Theory 21, 1992.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..jobs.seeds import rng_for
from ..labels import SING, direction_title
from .canvas import PALETTE, new_figure, put_footnote, signed
from .over_songs import INTERVALS, NO_INTERVAL, estimate, interval_words
from .panels import panels
from .pooling import in_paper_order
from .study import CLEAN, PANEL

CHANGED = ("locality", "surrogate", "scale", "privilege", "question")
#: Explainers that use all masks, by two changes: Shapley values instead of LIME, and logit instead of probability.
EXACT = {
    (False, False): "lime_exact",
    (True, False): "shapley",
    (False, True): "lime_logit",
    (True, True): "shapley_logit",
}
TITLES = {
    "sampling": "sampling",
    "locality": "locality: one segment at a time",
    "surrogate": "surrogate: Shapley values, not LIME",
    "scale": "scale: logit, not probability",
    "privilege": "privilege: access to the clean excerpt",
    "question": "question: perturbation game, not fill game",
    "remains": "remainder",
    "gap": "the whole gap",
}
#: Single changes to exact LIME that are not parts: explainer and fill (None: the default fill).
INSTEAD = {
    "surrogate: Banzhaf values": ("banzhaf", None),
    "locality: occlusion": ("occlusion", None),
    "question: fill mean": ("lime_exact", "mean"),
    "question: fill zero": ("lime_exact", "zero"),
    "question: fill min": ("lime_exact", "min"),
    "privilege: less the clean excerpt's": ("lime_exact_difference", None),
    "privilege: norm of the perturbation": ("norm", ""),
    "question: smallest set of the fill game": ("smallest_set", None),
    "question: the perturbation": ("lime_exact", CLEAN),
}
COLUMNS = [*PANEL, "kind", "part", "n_songs", "n", "mean", "low", "high", "largest"]
SCORE = "aufc_normalised"


def table(scores: pd.DataFrame, *, fill: str, seed: int) -> pd.DataFrame:
    """Decompose the gap in normalised area under the flip curve for each excerpt, and estimate means over songs.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    fill : str
        Default fill, the paper's.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        For each panel, rows of kind "part" that add up to the row of kind "gap". The row of kind "sum" is the sum of privilege
        and question. Rows of kind "instead" are the effects of single changes to exact LIME that are not parts. ``largest``
        marks the largest part.
    """
    rows: list[dict[str, object]] = []
    for panel, part in scores.groupby(PANEL, sort=False) if len(scores) else ():
        cells = by_excerpt(part, SCORE)
        parts = parts_of(cells, fill)
        of_panel = [_row("part", name, values) for name, values in parts.items()]
        if "privilege" in parts:
            of_panel.append(_row("sum", "privilege and question", parts["privilege"] + parts["question"]))
        of_panel.append(_row("gap", "gap", 1 - cells["lime", fill]))
        for name, (explainer, given) in INSTEAD.items():
            other = fill if given is None else given
            # The default fill is not a change.
            if (explainer, other) in cells and (explainer, other) != ("lime_exact", fill):
                of_panel.append(_row("instead", name, cells[explainer, other] - cells["lime_exact", fill]))
        for row in of_panel:
            rng = rng_for(seed, "gap", *panel, str(row["part"]))
            values = row.pop("values")
            assert isinstance(values, pd.Series)
            mean = estimate(values.groupby("song").mean().to_numpy(), rng)
            row |= dict(zip(PANEL, panel, strict=True)) | {"n_songs": mean.n, "n": int(values.notna().sum())}
            row |= {"mean": mean.mean, "low": mean.low, "high": mean.high}
        most = max((row["mean"] for row in of_panel if row["kind"] == "part" and not np.isnan(row["mean"])), default=np.nan)  # type: ignore[type-var, call-overload]
        rows += [{**row, "largest": row["kind"] == "part" and row["mean"] == most} for row in of_panel]
    return in_paper_order(pd.DataFrame(rows, columns=COLUMNS))


def _row(kind: str, name: str, values: pd.Series) -> dict[str, object]:
    return {"kind": kind, "part": name, "values": values}


def by_excerpt(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a score with one row per song and excerpt and one column per explainer and fill."""
    return scores.set_index(["song", "excerpt", "explainer", "fill"])[name].unstack(["explainer", "fill"])


def parts_of(cells: pd.DataFrame, fill: str, best: pd.Series | float = 1.0) -> dict[str, pd.Series]:
    """Decompose the gap of each excerpt.

    Parameters
    ----------
    cells : DataFrame
        Result of `by_excerpt` for a score that is linear in the area under the flip curve.
    fill : str
        Default fill, the paper's.
    best : Series or float
        The same score for the best ranking, 1 by default.

    Returns
    -------
    dict of str to Series
        Parts in the order of the figure, which add up to `best` minus the score of the paper's LIME.
    """
    factors = _factors(cells, fill)
    orders = [order for order in itertools.permutations(factors) if _allowed(order)]
    parts = {"sampling": cells["lime_exact", fill] - cells["lime", fill]}
    parts |= {name: pd.Series(0.0, cells.index) for name in factors}
    for order in orders:
        for i, name in enumerate(order):
            before, after = (cells[explainer_of(order[:k], fill)] for k in (i, i + 1))
            parts[name] += (after - before) / len(orders)
    return parts | {"remains": best - cells[explainer_of(factors, fill)]}


def explainer_of(changed: Sequence[str], fill: str) -> tuple[str, str]:
    """Return the explainer and the fill that result from applying the given changes to exact LIME."""
    local = "locality" in changed
    name = "occlusion" if local else EXACT["surrogate" in changed, "scale" in changed]
    if "question" in changed:
        return f"{name}_perturbation" if local else name, CLEAN
    return f"{name}_difference" if "privilege" in changed else name, fill


def _factors(cells: pd.DataFrame, fill: str) -> tuple[str, ...]:
    """Return the largest set of changes whose allowed combinations all have scores."""
    for left_out in ((), ("privilege",), ("locality",), ("locality", "privilege")):
        factors = tuple(name for name in CHANGED if name not in left_out)
        if all(explainer_of(some, fill) in cells for some in _combinations(factors)):
            return factors
    raise ValueError("scores: rows of exact explainers are missing. Compute the scores with veracity.results.scores.")


def _combinations(factors: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for order in itertools.permutations(factors):
        if _allowed(order):
            yield from (order[:k] for k in range(len(order) + 1))


def _allowed(order: Sequence[str]) -> bool:
    """Return whether privilege, if included, precedes the question."""
    return "privilege" not in order or order.index("privilege") < order.index("question")


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    shown = {
        "panel": [f"{row.domain}, {direction_title(row.original, label_name)}" for row in rows.itertuples()],
        "what": [
            f"instead: {row.part}" if row.kind == "instead" else TITLES.get(row.part, row.part) for row in rows.itertuples()
        ],
        "songs": rows.n_songs,
        "excerpts": rows.n,
        "normalised AUFC": rows["mean"],
        "95 % interval": interval_words(rows),
        "largest part": np.where(rows.largest.astype(bool), "yes", ""),
    }
    return pd.DataFrame(shown)


def plot(rows: pd.DataFrame, *, footnote: str, label_name: str = SING) -> Figure:
    """Plot the score of the paper's LIME as a bar, and the parts of the gap around 0, with intervals.

    Parameters
    ----------
    rows : DataFrame
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
    shown = rows[rows.kind.isin(["part", "gap"]) & rows["mean"].notna()]
    names = [name for name in TITLES if (shown.part == name).any()]
    figure, axes = new_figure(2, 2, (9.6, 2.4 + 0.42 * len(names)), sharex=True, sharey=True)
    for ax, part in panels(axes, shown, label_name=label_name):
        _draw(ax, part.set_index("part"), names)
    if names:
        words = ["score of the paper's LIME", *(TITLES[name] for name in names)]
        axes[0, 0].set_yticks(range(len(words)), words)
        axes[0, 0].set_ylim(len(names) + 0.6, -0.6)
    for ax in axes.ravel():
        ax.tick_params(labelsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("normalised AUFC", fontsize=8)
    if handles := next((ax.get_legend_handles_labels() for ax in axes.ravel() if ax.lines), None):
        figure.legend(*handles, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    put_footnote(
        figure,
        f"{footnote}. Area under the flip curve, 0: a random ranking, 1: the best ranking. The gap, 1 minus LIME's score, "
        f"is the sum of the parts. Lines and brackets: {INTERVALS}; {NO_INTERVAL}.",
    )
    return figure


def _draw(ax: Axes, part: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the bar of LIME and a marker with an interval for each part; numbers are beside the axes, to avoid overlap."""
    gap = part.loc["gap"]
    beside: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": 7}
    ax.axvline(0, color="0.4", lw=0.8)
    ax.axvline(1, color="0.4", lw=0.8, ls="--")
    ax.axhline(len(names) - 0.5, color="0.85", lw=0.6)
    ax.axhline(0.5, color="0.85", lw=0.6)
    ax.barh(0, 1 - gap["mean"], color="0.8", height=0.6, label="score of the paper's LIME")
    ax.plot([1 - gap.high, 1 - gap.low], [0, 0], color="0.2", lw=1.2)
    ax.text(1.02, 0, _words(1 - gap["mean"], 1 - gap.high, 1 - gap.low, gap.n_songs, "{:.2f}".format), **beside)
    ax.plot([], [], "D", color="0.2", ms=5, label="the whole gap")
    ax.plot([], [], "s", color=PALETTE[3], ms=5.5, label="largest part")
    ax.plot([], [], "o", mfc="white", color=PALETTE[0], ms=5, label="other part")
    for y, name in enumerate(names, start=1):
        if name not in part.index:
            continue
        row = part.loc[name]
        look = ("D", "0.2", "0.2") if name == "gap" else ("o", PALETTE[0], "white")
        marker, colour, face = ("s", PALETTE[3], PALETTE[3]) if row.largest else look
        ax.plot([row.low, row.high], [y, y], color=colour, lw=1.2)
        ax.plot(row["mean"], y, marker, color=colour, mfc=face, ms=5)
        ax.text(1.02, y, _words(row["mean"], row.low, row.high, row.n_songs, signed), **beside)


def _words(mean: float, low: float, high: float, n_songs: float, shown: Callable[[float], str]) -> str:
    """Return a number with its interval as text, or the reason why there is none."""
    if not np.isnan(low):
        return f"{shown(mean)} ({shown(low)} to {shown(high)})"
    return f"{shown(mean)} ({'all songs agree' if n_songs > 1 else 'one song'})"
