"""Table and figure ``controls``: scores of explainers where the correct result, or chance, is known by construction.

`expected_of` states the expectation for each control before the measurement. Intervals over songs then show whether it holds.
At a nominal 95 %, up to one in 20 correct expectations appears to fail by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..attacks.settings import DOMAINS
from ..experiments.controlled import CONTROLS, KNOWN_CAUSE, SHORTCUT, Controlled, stream_of
from ..jobs.seeds import rng_for
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import INTERVALS, MIN_SONGS_BOOTSTRAP, Estimate, estimate, interval_words
from .panels import counted
from .pooling import Keyed
from .study import CLEAN, named

BLIND = ("constant", "random_order")
CHANCE, ABOVE, ONE, ZERO, NONE = "chance", "above chance", "1", "0", ""
AREA, RECALL = "normalised AUFC", "recall of the cause"
OUTSIDE, QUESTION = "largest difference outside", "Shapley: perturbation game minus fill game"
HOLDS, FAILS, UNDETERMINED, LEFT_OUT = "as expected", "not as expected", "undetermined", "left out"
FEWEST_THAT_AGREE = 5  # smallest number of songs whose identical score replaces an interval
BOUNDS = {RECALL: (0.0, 1.0), AREA: (-np.inf, 1.0), QUESTION: (-np.inf, np.inf)}
COLUMNS = [
    *("control", "domain", "explainer", "fill", "privileged", "score", "expected", "chance", "mean", "low", "high"),
    *("n_songs", "n", "n_tried", "verdict", "why"),
]
IDENTITY = ["explainer", "fill", "privileged"]
TITLES = {
    "confined": "attacks confined\nto segments",
    "shortcut": "shortcut:\na planted tone",
    "random_weights": "random weights,\nflip sets of the study",
}


def expected_of(control: str, explainer: str, fill: str, *, privileged: bool, reads_model: bool) -> str:
    """Return the expected score of an explainer in a control.

    - All controls: explainers that use neither the model nor the excerpt are at chance.
    - Confined attacks: the norm of the perturbation finds the attacked segments, and explainers of the perturbation game find
      them more often than chance. There is no expectation for the others.
    - Shortcut: explainers that use the model find the tone more often than chance, and so does the norm.
    - Random weights: explainers that use the model and have no access to the perturbation are at chance.

    Parameters
    ----------
    control : str
        Name of the control.
    explainer : str
        Name of the explainer.
    fill : str
        Fill of the explained game.
    privileged : bool
        Whether the explainer has access to the clean excerpt.
    reads_model : bool
        Whether the explainer uses the model.

    Returns
    -------
    str
        "chance", "above chance", "1", or "" if there is no expectation.
    """
    if explainer in BLIND:
        return CHANCE
    if control == "confined":
        return ONE if explainer == "norm" else ABOVE if fill == CLEAN else NONE
    if control == SHORTCUT:
        return ABOVE if reads_model or explainer == "norm" else NONE
    return CHANCE if control == "random_weights" and reads_model and not privileged else NONE


def scores(controlled: Keyed) -> pd.DataFrame:
    """Tabulate the scores of controls, one row per control, domain, song, excerpt and explainer.

    Parameters
    ----------
    controlled : iterable of (song, domain, Controlled)
        Results of the controls.

    Returns
    -------
    DataFrame
        ``value`` is the recall: the share of the segments with the cause among the same number of top segments. Without a known
        cause it is the normalised area under the flip curve. ``chance`` is the expected recall of a random ranking, 0 without a
        known cause. ``outside`` is the largest change outside the segments with the cause.
    """
    parts = []
    for song, domain, item in controlled:
        assert isinstance(item, Controlled)
        scored = item.recall if item.control in KNOWN_CAUSE else item.aufc_normalised
        n = len(item.original)
        of_excerpts = {"excerpt": np.arange(n), "outside": item.outside, "chance": item.cause.mean(axis=1)}
        known = {"control": item.control, "domain": domain, "song": song, "n_tried": item.n_tried}
        for i, name in enumerate(item.explainers):
            identity = {"explainer": str(name), "fill": str(item.fills[i]), "privileged": bool(item.privileged[i])}
            # A song without excerpts gets a row without a value, which retains the explainers and the number of trials.
            part = pd.DataFrame({**of_excerpts, "value": scored[i]}).reindex(range(max(1, n)))
            parts.append(part.assign(**known, **identity, reads_model=bool(item.reads_model[i])))
    columns = ["control", "domain", "song", "n_tried", "outside", "excerpt", "chance", *IDENTITY, "reads_model", "value"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def table(measured: pd.DataFrame, *, seed: int, margin: float, left_out: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Estimate the score of each explainer in each control over songs and compare it with the expectation.

    Parameters
    ----------
    measured : DataFrame
        Result of `scores`.
    seed : int
        Seed of the bootstrap.
    margin : float
        Margin around chance within which an interval counts as chance.
    left_out : mapping of str to str, optional
        Reason for each omitted control.

    Returns
    -------
    DataFrame
        One row per control, domain and explainer, over both directions. Controls with a known cause have an additional row
        for changes outside the segments with the cause. Other grids have an additional row for the score of exact Shapley
        values of the perturbation game minus that of the fill game.
    """
    rows: list[dict[str, object]] = []
    for (control, domain), part in measured.groupby(["control", "domain"], sort=False):
        rows += _rows(str(control), str(domain), part, seed, margin)
    rows += [{"control": name, "explainer": "", "verdict": LEFT_OUT, "why": why} for name, why in (left_out or {}).items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(control: str, domain: str, measured: pd.DataFrame, seed: int, margin: float) -> Iterator[dict[str, object]]:
    tried = measured.drop_duplicates("song").n_tried.sum()
    known = {"control": control, "domain": domain, "n_tried": int(tried)}
    score = RECALL if control in KNOWN_CAUSE else AREA
    chance = float(measured.chance.mean()) if control in KNOWN_CAUSE else 0.0
    for identity, part in measured.groupby(IDENTITY, sort=False):
        named_by = dict(zip(IDENTITY, identity, strict=True))
        reads, privileged = bool(part.reads_model.iloc[0]), bool(named_by["privileged"])
        expected = expected_of(control, str(identity[0]), str(identity[1]), privileged=privileged, reads_model=reads)
        rng = rng_for(seed, "controls", stream_of(control), domain, *map(str, identity))
        yield {**known, **named_by, **_estimated(part, score, expected, chance, margin, rng)}
    blank = {**known, "explainer": "", "fill": "", "privileged": False}
    if control in KNOWN_CAUSE:
        outside = measured.drop_duplicates(["song", "excerpt"]).outside.dropna()
        expected = ZERO if control == "confined" else NONE
        verdict = NONE if expected == NONE else UNDETERMINED if outside.empty else HOLDS if (outside == 0).all() else FAILS
        counts = {"n_songs": measured[measured.outside.notna()].song.nunique(), "n": len(outside), "verdict": verdict}
        yield {**blank, "score": OUTSIDE, "expected": expected, "mean": outside.max(), **counts}
    if control not in CONTROLS:
        shapley = measured[measured.explainer == "shapley"].set_index(["song", "excerpt"])
        difference = shapley.value[shapley.fill == CLEAN] - shapley.value[shapley.fill != CLEAN]
        rng = rng_for(seed, "controls", stream_of(control), domain, "question")
        yield {**blank, **_estimated(difference.reset_index(), QUESTION, ABOVE, 0.0, margin, rng)}


def _estimated(
    part: pd.DataFrame, score: str, expected: str, chance: float, margin: float, rng: np.random.Generator
) -> dict[str, object]:
    over_songs = estimate(part.groupby("song").value.mean().to_numpy(), rng, bounds=BOUNDS[score])
    measured = {"mean": over_songs.mean, "low": over_songs.low, "high": over_songs.high, "n_songs": over_songs.n}
    counted = {"n": int(part.value.notna().sum()), "verdict": verdict_of(over_songs, expected, chance, margin)}
    return {"score": score, "expected": expected, "chance": chance, **measured, **counted}


def verdict_of(measured: Estimate, expected: str, chance: float, margin: float) -> str:
    """Return whether an estimate agrees with the expectation.

    If all songs agree, there is no interval. Their common value replaces it for at least `FEWEST_THAT_AGREE` songs.

    Parameters
    ----------
    measured : Estimate
        Estimate over songs.
    expected : str
        Expectation from `expected_of`.
    chance : float
        Score of a random ranking.
    margin : float
        Margin around chance within which an interval counts as chance.

    Returns
    -------
    str
        "as expected", "not as expected", "undetermined" if the interval is inconclusive, or "" without an expectation.
    """
    low, high = measured.low, measured.high
    if np.isnan(low) and measured.n >= FEWEST_THAT_AGREE:
        low = high = measured.mean
    if expected == NONE:
        return NONE
    if expected == ONE:
        return UNDETERMINED if np.isnan(measured.mean) else HOLDS if measured.mean == 1 else FAILS
    if np.isnan(low) or np.isnan(chance):
        return UNDETERMINED
    slack = 1e-9  # for rounding: an interval that ends at chance contains it
    if expected == ABOVE:
        return HOLDS if low > chance + slack else FAILS if high <= chance + slack else UNDETERMINED
    within = chance - margin <= low + slack and high - slack <= chance + margin
    return HOLDS if within else UNDETERMINED if low - slack <= chance <= high + slack else FAILS


def summary(rows: pd.DataFrame) -> str:
    """Return the number of each verdict as text."""
    verdicts = rows.verdict[rows.verdict.isin([HOLDS, FAILS, UNDETERMINED])]
    counted = ", ".join(f"{(verdicts == verdict).sum()} {verdict}" for verdict in (HOLDS, FAILS, UNDETERMINED))
    return f"{len(verdicts)} expectations: {counted}"


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Format `table` for display."""
    words = rows[["explainer", "fill", "domain", "score", "expected"]].astype(object).fillna("")
    star = ["*" if row.privileged is True else "" for row in rows.itertuples()]
    explainers = [f"{named(row.explainer, row.fill)}{mark}" for row, mark in zip(words.itertuples(), star, strict=True)]
    counted = [f"{row.n:.0f} ({row.n_tried:.0f})" if row.verdict != LEFT_OUT else "" for row in rows.itertuples()]
    verdict = [f"{row.verdict}: {row.why}" if row.verdict == LEFT_OUT else row.verdict for row in rows.itertuples()]
    return pd.DataFrame(
        {
            "control": rows.control,
            "domain": words.domain,
            "explainer (*: privileged)": explainers,
            "score": words.score,
            "expected": words.expected.replace(NONE, "no expectation"),
            "chance": rows.chance,
            "measured": rows["mean"],
            "95 % interval": interval_words(rows),
            "songs": rows.n_songs,
            "excerpts (tried)": counted,
            "verdict": verdict,
        }
    )


def plot(rows: pd.DataFrame, measured: pd.DataFrame, *, margin: float, footnote: str) -> Figure:
    """Plot scores and intervals by control, with markers for the verdict, a dashed line at chance and the margin as a band.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    measured : DataFrame
        Result of `scores`. Single songs are shown as dots if there are few.
    margin : float
        Margin around chance within which an interval counts as chance.
    footnote : str
        Text at the foot of the figure.

    Returns
    -------
    Figure
        One panel per control and domain, and one for other grids.
    """
    each = rows[(rows.explainer != "") & rows.domain.notna()]
    panels = [(name, domain) for name in CONTROLS for domain in DOMAINS]
    panels = [panel for panel in panels if ((each.control == panel[0]) & (each.domain == panel[1])).any()]
    order = list(dict.fromkeys(each[each.control.isin(CONTROLS)][IDENTITY].itertuples(index=False, name=None)))
    n = max(len(panels), 1) + 1
    figure, axes = new_figure(1, n, (1.8 + 2.0 * n, max(3.4, 1.9 + 0.18 * len(order))))
    for ax, panel in zip(axes[0], panels, strict=False):
        part = each[(each.control == panel[0]) & (each.domain == panel[1])]
        ax.set_title(f"{TITLES[panel[0]]}\n({panel[1]})\n{counted(part.n.max(), part.n_songs.max())}", fontsize=8)
        places = [order.index(explainer) for explainer in part[IDENTITY].itertuples(index=False, name=None)]
        _draw(ax, part, places, measured, margin)
        names = [f"{named(name, fill)}{'*' if seen else ''}" for name, fill, seen in order] if ax is axes[0, 0] else []
        _label(ax, names or [""] * len(order), RECALL if panel[0] in KNOWN_CAUSE else AREA)
    if not panels:
        say_empty(axes[0, 0], "no controls except grids")
    _plot_grids(axes[0, -1], rows[rows.score == QUESTION])
    if handles := _legend(margin if panels else None):
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=7.5)
    missing = "".join(f" Omitted: {row.control} ({row.why})." for row in rows[rows.verdict == LEFT_OUT].itertuples())
    put_footnote(
        figure,
        f"{footnote}. {summary(rows)}. Lines: {INTERVALS}. *: privileged, has access to the clean excerpt.{missing}",
    )
    return figure


MARKS = {
    HOLDS: ("o", PALETTE[2], "as expected"),
    FAILS: ("X", PALETTE[3], "not as expected"),
    "": ("D", "0.55", "no expectation"),
    UNDETERMINED: ("s", PALETTE[1], "undetermined"),
}
BAND: dict[str, Any] = {"color": "0.9", "lw": 0, "zorder": 0}


def _legend(margin: float | None) -> list[Artist]:
    """Return the handles of the legend; without a margin, those of the verdicts alone."""
    marks: list[Artist] = [
        Line2D([], [], marker=marker, ls="", color=colour, ms=4, label=words) for marker, colour, words in MARKS.values()
    ]
    if margin is None:
        return marks
    chance = Line2D([], [], color="0.4", lw=0.8, ls="--", label="chance")
    return [*marks, chance, Patch(**BAND, label=f"chance ± {margin:g}: intervals inside count as chance")]


def _label(ax: Axes, names: Sequence[str], below: str) -> None:
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(below, fontsize=7.5)
    ax.tick_params(axis="x", labelsize=7)


def _plot_grids(ax: Axes, grids: pd.DataFrame) -> None:
    ax.set_title("other grids:\nperturbation game\nminus fill game", fontsize=8)
    if grids.empty:
        say_empty(ax, "no other grid")
        return
    _draw(ax, grids, list(range(len(grids))))
    names = [
        f"{row.control.removeprefix('grid_')}\n{row.domain}\n({counted(row.n, row.n_songs)})" for row in grids.itertuples()
    ]
    _label(ax, names, f"difference in\n{AREA}")


def _draw(
    ax: Axes, part: pd.DataFrame, places: Sequence[int], measured: pd.DataFrame | None = None, margin: float | None = None
) -> None:
    """Draw one row per explainer or grid, and chance with its margin."""
    middle = part[["mean", "low", "high", "chance"]].stack().agg(["min", "max"]).mean()
    for y, row in zip(places, part.itertuples(), strict=True):
        marker, colour, _ = MARKS[row.verdict]
        if measured is not None and row.n_songs < MIN_SONGS_BOOTSTRAP:
            same = [measured[name] == getattr(row, name) for name in ("control", "domain", *IDENTITY)]
            songs = measured[np.logical_and.reduce(same)].groupby("song").value.mean()
            ax.plot(songs, [y] * len(songs), ".", color=colour, ms=2.5, alpha=0.6)
        ax.plot([row.low, row.high], [y, y], color=colour, lw=1)
        ax.plot(row.mean, y, marker, color=colour, ms=3.5)
        if np.isnan(row.low) and row.n_songs:
            aside, align = (5, "left") if row.mean <= middle else (-5, "right")
            words = "all songs agree" if row.n_songs > 1 else "one song"
            ax.annotate(words, (row.mean, y), (aside, 0), textcoords="offset points", fontsize=6, ha=align, va="center")
    chance = part.chance.dropna()
    if len(chance):
        ax.axvline(float(chance.iloc[0]), color="0.4", lw=0.8, ls="--")
        if margin is not None:
            ax.axvspan(float(chance.iloc[0]) - margin, float(chance.iloc[0]) + margin, **BAND)
