"""Table and figure ``gap``: why the paper's LIME falls short of the best ranking, as parts that add up to all of it.

From the paper's LIME one step leads to exact LIME (no sampling). From there three things are changed: the *surrogate* (LIME's
weighted ridge to Shapley values), the *scale* (probability to logit) and the *question* (the fill game to the perturbation
game, whose flipping sets are the truth). What each is worth depends on what was changed before it, so a part is the mean over
all six orders: its Shapley value. What then remains to the best ranking is what no such weights tell.
"""

import itertools
from collections.abc import Iterator
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..jobs.seeds import rng_for
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import estimate, interval_words
from .pooling import in_paper_order
from .study import CLEAN, EMPTY, PANEL

CHANGED = ("surrogate", "scale", "question")
#: Explainers by what is changed: Shapley instead of LIME, logit instead of probability.
EXACT = {
    (False, False): "lime_exact",
    (True, False): "shapley",
    (False, True): "lime_logit",
    (True, True): "shapley_logit",
}
PARTS = ("sampling", *CHANGED, "remains")
TITLES = {
    "sampling": "sampling",
    "surrogate": "surrogate: Shapley for LIME",
    "scale": "scale: logit for probability",
    "question": "question: the perturbation",
    "remains": "what remains",
    "gap": "the whole gap",
}
#: Single changes from exact LIME that the parts do not hold: explainer and fill (None: the paper's).
INSTEAD = {
    "surrogate: Banzhaf values": ("banzhaf", None),
    "question: fill mean": ("lime_exact", "mean"),
    "question: fill zero": ("lime_exact", "zero"),
    "question: fill min": ("lime_exact", "min"),
    "question: less the clean excerpt's": ("lime_exact_difference", None),
    "question: smallest set of the fill game": ("smallest_set", None),
}
COLUMNS = [*PANEL, "kind", "part", "n_songs", "n", "mean", "low", "high", "largest"]
SCORE = "aufc_normalised"


def table(scores: pd.DataFrame, *, fill: str, seed: int) -> pd.DataFrame:
    """Decompose the gap in normalised area under the flip curve, excerpt by excerpt; means and intervals over songs.

    Parameters
    ----------
    scores : DataFrame
        Of `veracity.results.scores.table`.
    fill : str
        The paper's.
    seed : int

    Returns
    -------
    DataFrame
        For each panel rows of kind "part", which add up to the row of kind "gap", and of kind "instead": what one change of
        exact LIME that is no part would bring. ``largest`` marks the largest part.
    """
    rows: list[dict[str, object]] = []
    for panel, part in scores.groupby(PANEL, sort=False) if len(scores) else ():
        cells = part.set_index(["song", "excerpt", "explainer", "fill"])[SCORE].unstack(["explainer", "fill"])
        found = [_row("part", name, values) for name, values in _parts(cells, fill).items()]
        found.append(_row("gap", "gap", 1 - cells["lime", fill]))
        for name, (explainer, other) in INSTEAD.items():
            if other == fill:
                continue  # the paper's own is no change
            if (explainer, other or fill) in cells:
                found.append(_row("instead", name, cells[explainer, other or fill] - cells["lime_exact", fill]))
        for row in found:
            rng = rng_for(seed, "gap", *panel, str(row["part"]))
            values = row.pop("values")
            assert isinstance(values, pd.Series)
            mean = estimate(values.groupby("song").mean().to_numpy(), rng)
            row |= dict(zip(PANEL, panel, strict=True)) | {"n_songs": mean.n, "n": int(values.notna().sum())}
            row |= {"mean": mean.mean, "low": mean.low, "high": mean.high}
        parts = [row for row in found if row["kind"] == "part"]
        most = max((row["mean"] for row in parts if not np.isnan(row["mean"])), default=np.nan)  # type: ignore[type-var, call-overload]
        rows += [{**row, "largest": row["kind"] == "part" and row["mean"] == most} for row in found]
    return in_paper_order(pd.DataFrame(rows, columns=COLUMNS))


def _row(kind: str, name: str, values: pd.Series) -> dict[str, object]:
    return {"kind": kind, "part": name, "values": values}


def _parts(cells: pd.DataFrame, fill: str) -> dict[str, pd.Series]:
    def value(surrogate: bool, scale: bool, question: bool) -> pd.Series:
        return cells[EXACT[surrogate, scale], CLEAN if question else fill]

    parts = {"sampling": cells["lime_exact", fill] - cells["lime", fill]}
    for name in CHANGED:
        parts[name] = sum((value(**after) - value(**before)) / factorial(len(CHANGED)) for before, after in _steps(name))
    parts["remains"] = 1 - value(surrogate=True, scale=True, question=True)
    return parts


def _steps(name: str) -> Iterator[tuple[dict[str, bool], dict[str, bool]]]:
    """Yield what was changed before and after one change, in each order of changes."""
    for order in itertools.permutations(CHANGED):
        earlier = order[: order.index(name)]
        yield {one: one in earlier for one in CHANGED}, {one: one in (*earlier, name) for one in CHANGED}


def page(rows: pd.DataFrame, called: str = SING) -> pd.DataFrame:
    """Arrange `table` to be read."""
    shown = {
        "panel": [f"{row.domain}, {direction_title(row.original, called)}" for row in rows.itertuples()],
        "what": [f"instead: {row.part}" if row.kind == "instead" else TITLES[row.part] for row in rows.itertuples()],
        "songs": rows.n_songs,
        "excerpts": rows.n,
        "normalised AUFC": rows["mean"],
        "95 %": interval_words(rows),
        "largest part": np.where(rows.largest.astype(bool), "yes", ""),
    }
    return pd.DataFrame(shown)


def plot(rows: pd.DataFrame, *, footnote: str, called: str = SING) -> Figure:
    """Show the parts of each panel as steps from the paper's LIME up to the best ranking, with intervals."""
    panels = [(domain, original) for original in LABELS for domain in ("waveform", "spectrogram")]
    figure, axes = new_figure(2, 2, (8.2, 5.6), sharex=True, sharey=True)
    for ax, (domain, original) in zip(axes.ravel(), panels, strict=True):
        part = rows[(rows.domain == domain) & (rows.original == original)].set_index("part")
        ax.set_title(f"{domain}, {in_figure(direction_title(original, called))}", fontsize=9)
        if part.empty or np.isnan(part["mean"].get("gap", np.nan)):
            say_empty(ax, EMPTY)
            continue
        start = 1 - part["mean"]["gap"]
        places = list(range(len(PARTS) + 1))
        ax.barh(0, start, color="0.75", height=0.6)
        ax.text(
            0.01,
            0,
            f"the paper's LIME: {start:.2f} ({part.n['gap']:.0f} excerpts of {part.n_songs['gap']:.0f} songs)",
            va="center",
            fontsize=7,
        )
        for y, name in enumerate(PARTS, start=1):
            one = part.loc[name]
            ax.barh(y, one["mean"], left=start, color=PALETTE[y - 1], height=0.6)
            end = start + one["mean"]
            if not np.isnan(one.low):
                ax.plot([start + one.low, start + one.high], [y, y], color="0.2", lw=1)
            ax.text(max(start, end, start + np.nan_to_num(one.high)) + 0.015, y, f"{one['mean']:+.2f}", va="center", fontsize=7)
            start = end
        ax.axvline(1, color="0.4", lw=0.8, ls="--")
        ax.axvline(0, color="0.4", lw=0.8)
        ax.set_yticks(places, ["", *(TITLES[name] for name in PARTS)], fontsize=8)
    axes[0, 0].invert_yaxis()
    for ax in axes[-1]:
        ax.set_xlabel("normalised AUFC", fontsize=8)
    put_footnote(
        figure, f"{footnote}. Area under the flip curve, 0: a random ranking, 1: the best ranking. Lines: 95 % over songs."
    )
    return figure
