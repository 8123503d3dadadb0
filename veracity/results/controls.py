"""Table and figure ``controls``: what explainers answer where the right answer, or chance, is known by construction.

Expectations are stated before the measurement, control by control (`expected_of`); an interval over songs then says whether
they hold. At a nominal 95 % one in twenty that does hold will seem not to.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from ..experiments.controlled import CLEAN, CONTROLS, Controlled
from ..jobs.seeds import rng_for
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import estimate, interval_words
from .pooling import Keyed
from .study import named

BLIND = ("constant", "random_order")
CHANCE, ABOVE, ONE, ZERO, NONE = "chance", "above chance", "1", "0", ""
PLANTED = ("confined", "cue")
AREA, RECALL = "normalised AUFC", "planted segments among as many first"
OUTSIDE, QUESTION = "largest difference outside", "Shapley of the perturbation less of the fill game"
HOLDS, FAILS, UNDETERMINED = "as expected", "not as expected", "undetermined"
ALPHA = 0.05  # of a test that takes the place of an interval where all songs agree
COLUMNS = [
    *("control", "domain", "explainer", "fill", "privileged", "score", "expected", "chance", "mean", "low", "high"),
    *("n_songs", "n", "n_tried", "verdict"),
]
TITLES = {
    "confined": "attacks confined\nto segments",
    "cue": "a planted tone\ndecides",
    "random_weights": "random weights,\nthe study's truth",
}


def expected_of(control: str, explainer: str, fill: str, *, privileged: bool, reads_model: bool) -> str:
    """Return what is expected of an explainer in a control; "" where nothing is.

    Confined attacks: whoever measures the perturbation finds its place, and whoever is asked about it does so more often than
    by chance; an explainer that knows the adversarial excerpt alone may not. A planted tone: whoever reads the model finds it
    more often than by chance. Random weights: whoever reads the model and not the perturbation is at chance.
    """
    if explainer in BLIND:
        return CHANCE
    if control == "confined":
        return ONE if explainer == "norm" else ABOVE if fill == CLEAN else NONE
    if control == "cue":
        return ABOVE if reads_model or explainer == "norm" else NONE
    return CHANCE if control == "random_weights" and reads_model and not privileged else NONE


def table(controlled: Keyed, *, seed: int) -> pd.DataFrame:
    """Estimate every explainer's score in every control, over songs, beside what was expected.

    Parameters
    ----------
    controlled : iterable of (song, domain, Controlled)
    seed : int

    Returns
    -------
    DataFrame
        A row for each control, domain and explainer; for confined attacks one more for what differs elsewhere, and for grids
        one for the study's question (exact Shapley values of the perturbation game against those of the fill game).
    """
    groups: dict[tuple[str, str], list[tuple[str, Controlled]]] = {}
    for song, domain, item in controlled:
        assert isinstance(item, Controlled)
        groups.setdefault((item.control, domain), []).append((song, item))
    rows = [row for (control, domain), items in groups.items() for row in _rows(control, domain, items, seed)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(control: str, domain: str, items: Sequence[tuple[str, Controlled]], seed: int) -> list[dict[str, object]]:
    tried = sum(item.n_tried for _, item in items)
    known = {"control": control, "domain": domain, "n_tried": tried}
    n_planted = np.concatenate([item.planted.mean(axis=1) for _, item in items])
    chance = float(n_planted.mean()) if control in PLANTED and len(n_planted) else 0.0
    found = []
    scores = _scores(items)
    for (explainer, fill, privileged), part in scores.groupby(["explainer", "fill", "privileged"], sort=False):
        reads = bool(part.reads_model.any())
        expected = expected_of(control, str(explainer), str(fill), privileged=bool(privileged), reads_model=reads)
        who = {"explainer": explainer, "fill": fill, "privileged": privileged}
        score = RECALL if control in PLANTED else AREA
        found.append(
            {**known, **who, **_estimated(part, score, expected, chance, rng_for(seed, control, domain, *who.values()))}
        )
    blank = {**known, "explainer": "", "fill": "", "privileged": False}
    if control == "confined":
        outside = np.concatenate([item.outside for _, item in items])
        largest = float(outside.max()) if len(outside) else np.nan
        verdict = UNDETERMINED if np.isnan(largest) else HOLDS if largest == 0 else FAILS
        counts = {"n_songs": sum(len(item.outside) > 0 for _, item in items), "n": len(outside)}
        found.append(
            {**blank, "score": OUTSIDE, "expected": ZERO, "chance": np.nan, "mean": largest, "low": np.nan, "high": np.nan}
            | counts
            | {"verdict": verdict}
        )
    if control not in CONTROLS:
        shapley = scores[scores.explainer == "shapley"].set_index(["song", "excerpt"])
        asked = shapley.value[shapley.fill == CLEAN] - shapley.value[shapley.fill != CLEAN]
        found.append(
            {**blank, **_estimated(asked.reset_index(), QUESTION, ABOVE, 0.0, rng_for(seed, control, domain, "question"))}
        )
    return found


def _scores(items: Sequence[tuple[str, Controlled]]) -> pd.DataFrame:
    """Return a row for each song, excerpt and explainer."""
    parts = []
    for song, item in items:
        values = item.recall if item.control in PLANTED else item.aufc_normalised
        for i, name in enumerate(item.explainers):
            who = {"explainer": str(name), "fill": str(item.fills[i]), "privileged": bool(item.privileged[i])}
            numbers = {"reads_model": bool(item.rows[i] > 0), "value": values[i], "excerpt": np.arange(len(values[i]))}
            parts.append(pd.DataFrame({"song": song, **who, **numbers}))
    return pd.concat(parts, ignore_index=True)


def _estimated(part: pd.DataFrame, score: str, expected: str, chance: float, rng: np.random.Generator) -> dict[str, object]:
    found = estimate(part.groupby("song").value.mean().to_numpy(), rng)
    agree = np.isnan(found.low) and found.n > 1  # all songs: there is no interval
    low, high = (found.mean if agree else bound for bound in (found.low, found.high))
    holds = {
        CHANCE: low - 1e-9 <= chance <= high + 1e-9 or (agree and _may_be_chance(part.value.dropna(), chance)),
        ABOVE: low > chance + 1e-9,
        ONE: found.mean == 1,
        NONE: True,
    }[expected]
    verdict = "" if expected == NONE else UNDETERMINED if np.isnan(low) else HOLDS if holds else FAILS
    counts = {"n_songs": found.n, "n": int(part.value.notna().sum()), "verdict": verdict}
    return {
        "score": score,
        "expected": expected,
        "chance": chance,
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
    } | counts


def _may_be_chance(values: pd.Series, chance: float) -> bool:
    """Tell whether all of some excerpts may find the same by chance, where there is something to find."""
    from scipy.stats import binomtest

    hit = float(values.iloc[0])
    return chance > 0 and hit in (0, 1) and binomtest(int(hit) * len(values), len(values), chance).pvalue > ALPHA


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` to be read."""
    who = [f"{named(row.explainer, row.fill)}{'*' if row.privileged else ''}" for row in rows.itertuples()]
    return pd.DataFrame(
        {
            "control": rows.control,
            "domain": rows.domain,
            "explainer (*: sees the clean excerpt)": who,
            "score": rows.score,
            "expected": rows.expected.replace(NONE, "nothing"),
            "chance": rows.chance,
            "measured": rows["mean"],
            "95 %": interval_words(rows),
            "songs": rows.n_songs,
            "excerpts (tried)": [f"{row.n} ({row.n_tried})" for row in rows.itertuples()],
            "verdict": rows.verdict,
        }
    )


def plot(rows: pd.DataFrame, *, footnote: str) -> Figure:
    """Show measured scores and intervals by control; the marker says whether they are as expected, a dashed line is chance."""
    panels = [(name, domain) for name in CONTROLS for domain in DOMAINS]
    panels = [panel for panel in panels if ((rows.control == panel[0]) & (rows.domain == panel[1])).any()]
    each = rows[rows.explainer != ""]
    order = list(dict.fromkeys(zip(each.explainer, each.fill, each.privileged, strict=True)))
    grids = rows[rows.score == QUESTION]
    n = max(len(panels), 1) + 1
    height = max(3.0, 1.5 + 0.17 * len(order))
    figure, axes = new_figure(1, n, (1.6 + 1.75 * n, height))
    for ax, panel in zip(axes[0], panels, strict=False):
        part = each[(each.control == panel[0]) & (each.domain == panel[1])]
        title = TITLES[panel[0]]
        ax.set_title(f"{title}\n({panel[1]}, n = {int(part.n.max())})", fontsize=8)
        _draw(ax, part, [order.index(key) for key in zip(part.explainer, part.fill, part.privileged, strict=True)])
        ax.set_ylim(len(order) - 0.4, -0.6)
        names = [f"{named(name, fill)}{'*' if seen else ''}" for name, fill, seen in order] if ax is axes[0, 0] else []
        ax.set_yticks(range(len(order)), names or [""] * len(order), fontsize=6.5)
        ax.set_xlabel("recall of planted segments" if panel[0] in PLANTED else AREA, fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
    if not panels:
        say_empty(axes[0, 0], "no control but grids")
    last = axes[0, -1]
    last.set_title("other grids: what the\nquestion is worth", fontsize=8)
    if grids.empty:
        say_empty(last, "no other grid")
    else:
        _draw(last, grids, list(range(len(grids))))
        shown = [f"{row.control.removeprefix('grid_')}\n{row.domain}" for row in grids.itertuples()]
        last.set_yticks(range(len(grids)), shown, fontsize=6.5)
        last.set_ylim(len(grids) - 0.4, -0.6)
        last.set_xlabel("normalised AUFC,\nperturbation less fill game", fontsize=7)
        last.tick_params(axis="x", labelsize=7)
    for marker, colour, words in MARKS.values():
        last.plot([], [], marker, color=colour, ms=4, label=words)
    figure.legend(*last.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=7)
    put_footnote(figure, f"{footnote}. Dashed: chance. Lines: 95 % over songs. *: sees the clean excerpt.")
    return figure


MARKS = {
    HOLDS: ("o", PALETTE[2], "as expected"),
    FAILS: ("X", PALETTE[3], "not as expected"),
    "": ("D", "0.55", "nothing expected"),
    UNDETERMINED: ("s", PALETTE[1], "undetermined"),
}


def _draw(ax: object, part: pd.DataFrame, places: Sequence[int]) -> None:
    for y, row in zip(places, part.itertuples(), strict=True):
        marker, colour, _ = MARKS[row.verdict]
        if not np.isnan(row.low):
            ax.plot([row.low, row.high], [y, y], color=colour, lw=1)  # type: ignore[attr-defined]
        ax.plot(row.mean, y, marker, color=colour, ms=3.5)  # type: ignore[attr-defined]
    chance = part.chance.dropna()
    if len(chance):
        ax.axvline(float(chance.iloc[0]), color="0.4", lw=0.8, ls="--")  # type: ignore[attr-defined]
