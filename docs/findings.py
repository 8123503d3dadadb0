"""Write docs/findings.md, and the findings in README, from the tables of docs/truth: python docs/findings.py.

The text is in docs/findings.in and docs/findings_readme.in. Its numbers are placeholders, which this script replaces:

- ``{gap kind=part part=sampling}``: the matching rows of gap.csv, in the order of panels, as mean with interval;
  ``show=value`` omits the interval, ``show=range`` gives the range of the rows, ``column=`` and ``digits=`` select column and
  digits,
- ``{= name}``: the result of a function in `NUMBERS`,
- ``{holds name}``: nothing; the claim of this sentence or heading is a condition in `CLAIMS`; if it fails, nothing is written,
- ``{defined}``: nothing; the sentence is a definition or a citation and makes no claim about the tables.

A sentence with a typed digit or one of `QUANTIFIERS` needs ``{holds}`` or ``{defined}``.
"""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from veracity.attacks.settings import DOMAINS
from veracity.results.fidelity_vs_correctness import ANSWERABLE
from veracity.results.pooling import read_table
from veracity.results.study import BOUNDS, CLEAN, PANELS

PAGE = Path(__file__).with_suffix(".md")
README = PAGE.parents[1] / "README.md"
VALUES = ("mean", "difference", "auc", "truth", "percent", "rank_correlation")
QUANTIFIERS = (
    *("all", "always", "any", "at least", "at most", "each", "enough", "every", "everyone", "half", "least", "most", "nearly"),
    *("never", "no", "nobody", "none", "nothing", "only", "whole"),
)
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
DECLARED = ("holds", "defined")
MEAN = "mean"  # the paper's fill
READING = "those that read the model"


class Tables:
    """Tables in a folder, each of which is read once."""

    def __init__(self, folder: Path = PAGE.parent / "truth") -> None:
        self.folder, self.known = folder, {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.known:
            path = self.folder / f"{name}.csv"
            self.known[name] = in_panels(read_table(path if path.is_file() else path.with_suffix(".csv.gz")))
        return self.known[name]

    def rows(self, name: str, **wanted: object) -> pd.DataFrame:
        """Return the rows of a table with the given values in its columns."""
        table = self[name]
        for column, value in wanted.items():
            table = table[table[column].astype(str) == str(value)]
        if table.empty:
            raise SystemExit(f"{name}: no row has {wanted}. Correct docs/findings.in.")
        return table

    def values(self, name: str, *, column: str = "mean", **wanted: object) -> np.ndarray:
        """Return a column of these rows."""
        return self.rows(name, **wanted)[column].to_numpy()

    def scored(self, explainer: str, fill: str = MEAN, column: str = "mean") -> np.ndarray:
        """Return an explainer's normalised area under the flip curve in each panel."""
        return self.values("figure_leaderboard", explainer=explainer, fill=fill, column=column)

    def unprivileged(self) -> pd.DataFrame:
        """Return the rows of `figure_leaderboard` of explainers without access to the clean excerpt."""
        rows = self["figure_leaderboard"]
        return rows[~rows.privileged.astype(bool) & ~rows.explainer.isin(BOUNDS)]


def in_panels(table: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows of a table by panel, in the order of the page."""
    if not {"domain", "original"} <= set(table) or not set(zip(table.domain, table.original, strict=True)) <= set(PANELS):
        return table
    place = [PANELS.index(panel) for panel in zip(table.domain, table.original, strict=True)]
    return table.assign(_place=place).sort_values("_place", kind="stable").drop(columns="_place").reset_index(drop=True)


def listed(words: list[str]) -> str:
    """Join words with commas and "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def number(value: float, digits: int | str) -> str:
    """Format a number with the given decimal places ("g": all significant ones), without a minus sign before zero."""
    text = f"{value:g}" if digits == "g" else f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def at_most(value: float, digits: int) -> str:
    """Format a value, rounded up to the given decimal places."""
    return number(np.ceil(value * 10**digits - 1e-9) / 10**digits, digits)


def at_least(value: float, digits: int) -> str:
    """Format a value, rounded down to the given decimal places."""
    return number(np.floor(value * 10**digits + 1e-9) / 10**digits, digits)


def read(tables: Tables, words: str) -> str:
    """Return the text that replaces a placeholder of a table."""
    name, *given = shlex.split(words)
    wanted = dict(one.split("=", 1) for one in given)
    show, digits = wanted.pop("show", "interval"), wanted.pop("digits", "2")
    column = wanted.pop("column", None)
    rows = tables.rows(name, **wanted)
    column = column or next(value for value in VALUES if value in rows)
    low, high = (
        ("low", "high") if "low" in rows and column in (*VALUES[:3], VALUES[-1]) else (f"{column}_low", f"{column}_high")
    )
    values = rows[column].to_numpy()
    if show == "range":
        ends = [number(value, digits) for value in (values.min(), values.max())]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    shown = [number(value, digits) for value in values]
    if show == "interval":
        ends = zip(rows[low], rows[high], strict=True)
        intervals = [f" ({number(a, digits)} to {number(b, digits)})" if np.isfinite(a) else "" for a, b in ends]
        shown = [value + interval for value, interval in zip(shown, intervals, strict=True)]
    elif show != "value":
        raise SystemExit(f"{words}: unknown show, got {show}. Choose interval, value or range.")
    return listed(shown)


def significant(rows: pd.DataFrame) -> np.ndarray:
    """Return whether contrasts are significant after adjustment."""
    return (rows.p_adjusted <= 0.05).to_numpy()


def adjusted(tables: Tables, **wanted: object) -> pd.Series:
    """Return the adjusted p of contrasts."""
    rows = tables.rows("contrasts", **wanted)
    return rows.p_adjusted


def best_unprivileged(tables: Tables) -> pd.DataFrame:
    """Return the best explainer without access to the clean excerpt in each panel."""
    rows = tables.unprivileged()
    best = [rows[(rows.domain == domain) & (rows.original == original)].nlargest(1, "mean") for domain, original in PANELS]
    return pd.concat(best)


def verdicts(tables: Tables, **wanted: object) -> pd.Series:
    """Return the verdicts of controls with an expectation."""
    found = tables.rows("controls", **wanted).verdict
    return found[found.isin(["as expected", "not as expected", "undetermined"])]


def counted(tables: Tables, control: str) -> str:
    """Return the number of expectations of a control that hold, and their total number."""
    found = verdicts(tables, control=control)
    return f"{(found == 'as expected').sum()} of {len(found)}"


def blind(tables: Tables) -> pd.DataFrame:
    """Return the rows of controls of explainers that do not use the model and are expected at chance."""
    rows = tables["controls"]
    return rows[rows.explainer.isin(["constant", "random_order"]) & (rows.expected == "chance")]


def holds_chance(rows: pd.DataFrame, chance: float | pd.Series = 0.0) -> pd.Series:
    """Return whether the interval of each row includes chance."""
    return (rows.low <= chance) & (chance <= rows.high)


def failed(tables: Tables) -> str:
    """Name the expectations that failed, with their numbers."""
    rows = tables.rows("controls", verdict="not as expected")
    return listed(
        [
            f"`{row.explainer}` with {number(row.mean, 2)} ({number(row.low, 2)} to {number(row.high, 2)}) on the {row.domain}"
            for row in rows.itertuples()
        ]
    )


#: Texts that are computed from several rows, by name.
NUMBERS: dict[str, Callable[[Tables], str]] = {
    "panels: excerpts": lambda t: listed([f"{n:.0f}" for n in t.rows("gap", kind="gap").n]),
    "panels: songs": lambda t: listed([f"{n:.0f}" for n in t.rows("gap", kind="gap").n_songs]),
    "excerpts": lambda t: f"{t.rows('attacks', original='all').n_picked.sum():.0f}",
    "excerpts with a score": lambda t: f"{t.rows('gap', kind='gap').n.sum():.0f}",
    "turned to sing": lambda t: listed([f"{n:.0f}" for n in t.rows("attacks", original="nosing").n_picked]),
    "turned to no sing": lambda t: listed([f"{n:.0f}" for n in t.rows("attacks", original="sing").n_picked]),
    "tests": lambda t: f"{len(t['contrasts'])}",
    "remains, furthest": lambda t: number(t.rows("gap", kind="part", part="remains").high.max(), 2),
    "occlusion against LIME, p": lambda t: at_least(adjusted(t, explainer="occlusion (mean)", against="lime (mean)").min(), 3),
    "best unprivileged": lambda t: listed(
        [
            f"{number(r.mean, 2)} (`{r.explainer}`, {r.fill})"
            for r in best_unprivileged(t)[["mean", "explainer", "fill"]].itertuples()
        ]
    ),
    "worst of the perturbation": lambda t: _named(t.rows("figure_leaderboard", fill=CLEAN).nsmallest(1, "mean").iloc[0]),
    "greedy against the norm, p": lambda t: at_most(adjusted(t, explainer="greedy_forward (clean)", against="norm").max(), 3),
    "correlated": lambda t: listed([f"{n}" for n in _correlated(t)]),
    "fewest minimal": lambda t: f"{t.values('truths', what='n_minimal', column='least').min():.0f}",
    "most minimal": lambda t: f"{t.values('truths', what='n_minimal', column='most').max():.0f}",
    "pairs of a panel": lambda t: _range(_panels_of_fidelity(t).pairs, 0),
    "expectations": lambda t: f"{len(verdicts(t))}",
    **{
        f"verdicts: {verdict}": lambda t, verdict=verdict: f"{(verdicts(t) == verdict).sum()}"
        for verdict in ("as expected", "not as expected", "undetermined")
    },
    **{f"control {name}": lambda t, name=name: counted(t, name) for name in ("confined", "shortcut", "random_weights")},
    "control grids": lambda t: (
        f"{sum((verdicts(t, control=name) == 'as expected').sum() for name in _grids(t))} of "
        f"{sum(len(verdicts(t, control=name)) for name in _grids(t))}"
    ),
    "grids": lambda t: listed(
        [
            _estimate(t.rows("controls", control=name, domain=domain, score=QUESTION).iloc[0])
            for name in _grids(t)
            for domain in DOMAINS
        ]
    ),
    "random weights, undetermined": lambda t: f"{(verdicts(t, control='random_weights') == 'undetermined').sum()}",
    "random weights, failed": lambda t: f"{(verdicts(t, control='random_weights') == 'not as expected').sum()}",
    "failed": failed,
    "blind rows": lambda t: f"{len(blind(t))}",
    "blind rows that miss": lambda t: f"{(blind(t).verdict == 'not as expected').sum()}",
    "LIME against the norm, p": lambda t: at_least(adjusted(t, explainer="lime (mean)", against="norm").min(), 3),
    "gradient range": lambda t: _range(t.scored("gradient_x_perturbation", CLEAN), 2),
    "poor gradients": lambda t: _share_below(t, 0.5),
    "gradient as ratio of sums": lambda t: listed(
        [
            _estimate(row)
            for _, row in in_panels(t.rows("sensitivity", what="gradient_x_perturbation (clean)", method="ratio of sums"))
            .iloc[1:3]
            .iterrows()
        ]
    ),
    "pairs of a panel, minimum": lambda t: _range(_panels_of_fidelity(t, "min").pairs, 0),
    "worse than the norm": lambda t: _worse_than_the_norm(t),
    "best unprivileged scores": lambda t: listed([number(value, 2) for value in best_unprivileged(t)["mean"]]),
    "occlusion, upper limit": lambda t: number(t.scored("occlusion", column="high")[0], 2),
    "medians of smallest": lambda t: _range(t.values("truths", what="smallest_size", column="median"), "g"),
    "medians of minimal": lambda t: _range(t.values("truths", what="n_minimal", column="median"), "g"),
    "wrong": lambda t: f"{_fidelity(t).n_wrong.iloc[0]}",
    "unanswerable wrong": lambda t: f"{_fidelity(t).n_wrong_unanswerable.iloc[0]}",
    "cpu hours": lambda t: f"{t['costs'].cpu_seconds.sum() / 3600:.1f}",
    **{
        f"cpu minutes: {stage}": lambda t, stage=stage: f"{t.values('costs', stage=stage, column='cpu_seconds')[0] / 60:.0f}"
        for stage in ("perturbations", "attributions", "controlled", "explanations")
    },
}
QUESTION = "Shapley: perturbation game minus fill game"


def _part(tables: Tables, name: str, column: str = "mean") -> np.ndarray:
    return tables.values("gap", kind="part", part=name, column=column)


def _share_below(tables: Tables, score: float) -> str:
    """Return how many excerpts score below a value with the gradient times the perturbation, and how many have a score."""
    rows = tables.rows("scores", explainer="gradient_x_perturbation").aufc_normalised.dropna()
    return f"{(rows < score).sum()} of {len(rows)}"


def _poor_are_in_two_panels(tables: Tables) -> bool:
    """Return whether the gradient's scores below 0.5 are in the second and third panel."""
    rows = tables.rows("scores", explainer="gradient_x_perturbation")
    poor = rows[rows.aufc_normalised < 0.5]
    return set(zip(poor.domain, poor.original, strict=True)) == set(PANELS[1:3])


def _worse_than_the_norm(tables: Tables) -> str:
    """Return the explainers that are significantly below the norm, with their panels."""
    rows = tables.rows("contrasts", against="norm", verdict="worse")
    panels = [str(PANELS.index(panel) + 1) for panel in zip(rows.domain, rows.original, strict=True)]
    named = rows.explainer.str.replace(r" \(.*", "", regex=True)
    found = pd.Series(panels).groupby(named.to_numpy(), sort=False).agg(list)
    words = [f"`{name}` (panel{'s' if len(which) > 1 else ''} {listed(which)})" for name, which in found.items()]
    return f"{listed(words)}, with p at most {at_most(rows.p_adjusted.max(), 3)}"


def _is_perfect(tables: Tables) -> bool:
    """Return whether greedy search reaches the best ranking in every excerpt."""
    scores = tables.rows("scores", explainer="greedy_forward").aufc_normalised.dropna()
    return bool((scores > 1 - 1e-9).all())


def _both_are_largest(tables: Tables) -> bool:
    """Return whether privilege and question are the two largest parts in each panel."""
    parts = tables.rows("gap", kind="part")
    largest = [
        set(parts[(parts.domain == domain) & (parts.original == original)].nlargest(2, "mean").part)
        for domain, original in PANELS
    ]
    return largest == [{"privilege", "question"}] * len(PANELS)


def _larger_part_depends(tables: Tables) -> bool:
    """Return whether the larger of privilege and question differs between panels, and between methods in the first."""
    by_panel = _part(tables, "question") > _part(tables, "privilege")
    first = tables.rows("sensitivity", kind="part of the gap", domain=PANELS[0][0], original=PANELS[0][1])
    means = first.set_index(["what", "method"])["mean"]
    by_method = means["question"] > means["privilege"]
    return 0 < by_panel.sum() < len(PANELS) and 0 < by_method.sum() < len(by_method)


def _some_panels_are_above_chance(tables: Tables) -> bool:
    """Return whether intervals of the AUC of LIME's fidelity are above chance in the named panels only, and below in none."""
    above = []
    for fill in (MEAN, "min"):
        rows = _panels_of_fidelity(tables, fill)
        above.append((rows.low > 0.5).tolist())
        if (rows.high < 0.5).any():
            return False
    return above == [[False, True, False, False], [True, False, False, True]]


def _signs_hold(tables: Tables) -> bool:
    """Return whether every method has intervals above 0: for the question in each panel, for privilege in the last three."""
    question, privilege = (tables.rows("sensitivity", kind="part of the gap", what=name) for name in ("question", "privilege"))
    first = (privilege.domain == PANELS[0][0]) & (privilege.original == PANELS[0][1])
    return bool((question.low > 0).all() and (privilege[~first].low > 0).all())


def _agreement(tables: Tables, among: str) -> pd.DataFrame:
    return tables.rows("faithfulness_to_own_game_agreement", fill=MEAN, among=among)


def _fidelity(tables: Tables, fill: str = MEAN, among: str = "all") -> pd.DataFrame:
    """Return the row on LIME's fidelity in all panels."""
    return tables.rows("fidelity_vs_correctness", domain="all", explainer="lime", predictor="fidelity", fill=fill, among=among)


def _range(values: np.ndarray | pd.Series, digits: int | str) -> str:
    return f"{number(min(values), digits)} to {number(max(values), digits)}"


def _grids(tables: Tables) -> list[str]:
    return [name for name in dict.fromkeys(tables["controls"].control) if name.startswith("grid_")]


def _estimate(row: pd.Series) -> str:
    return f"{number(row['mean'], 2)} ({number(row.low, 2)} to {number(row.high, 2)})"


def _named(row: pd.Series) -> str:
    return f"`{row.explainer}`, with {_estimate(row)} in panel {PANELS.index((row.domain, row.original)) + 1}"


def _privileged_of_a_fill(tables: Tables) -> pd.DataFrame:
    rows = tables["figure_leaderboard"]
    return rows[rows.privileged.astype(bool) & ~rows.fill.isin(["", CLEAN])]


def _correlated(tables: Tables) -> list[int]:
    rows = tables.rows("faithfulness_to_own_game", privileged=False, fill=MEAN)
    return [int(((rows.domain == domain) & (rows.original == original)).sum()) for domain, original in PANELS]


def _nobody_closes_half(tables: Tables) -> bool:
    """Return whether no explainer of a fill game without access to the clean excerpt closes half of the gap in any panel."""
    lime, rows = tables.scored("lime"), tables.unprivileged()
    best = [rows["mean"][(rows.domain == domain) & (rows.original == original)].max() for domain, original in PANELS]
    return bool((np.array(best) - lime < (1 - lime) / 2).all())


def _shortcut_is_found(tables: Tables) -> bool:
    rows = tables.rows("controls", control="shortcut", expected="above chance")
    return bool((rows["mean"] == 1).all())


def _exact_is_not_the_best(tables: Tables) -> bool:
    rows = tables.unprivileged()
    best = rows[rows.fill == MEAN].groupby(["domain", "original"])["mean"].max().loc[list(PANELS)].to_numpy()
    return bool((tables.scored("shapley") < best).all())


def _panels_of_fidelity(tables: Tables, fill: str = MEAN) -> pd.DataFrame:
    rows = tables.rows("fidelity_vs_correctness", explainer="lime", predictor="fidelity", fill=fill, among="all")
    return in_panels(rows[rows.domain != "all"])


#: Claims of sentences and headings beyond the numbers in them, by name.
CLAIMS: dict[str, Callable[[Tables], bool]] = {
    "both are the largest parts": _both_are_largest,
    "question is above 0": lambda t: bool((_part(t, "question", "low") > 0).all()),
    "privilege is above 0 in three panels": lambda t: (_part(t, "privilege", "low") > 0).tolist() == [False, True, True, True],
    "larger part depends": _larger_part_depends,
    "signs hold in sensitivity": _signs_hold,
    "occlusion is not settled": lambda t: (
        not significant(t.rows("contrasts", explainer="occlusion (mean)", against="lime (mean)")).any()
    ),
    "nobody closes half of the gap": _nobody_closes_half,
    "zero changes nothing": lambda t: bool(holds_chance(t.rows("gap", kind="instead", part="question: fill zero")).all()),
    "minimum costs": lambda t: bool((t.rows("gap", kind="instead", part="question: fill min").high < 0).all()),
    "two passes": lambda t: (t.rows("figure_leaderboard", explainer="gradient_x_perturbation")["n_queries"] == 2).all(),
    "nobody reaches 0.9": lambda t: bool((t.unprivileged()["mean"] < 0.9).all()),
    "LIME is above random but in the second panel": lambda t: (
        significant(t.rows("contrasts", explainer="lime (mean)", against="random")).tolist() == [True, False, True, True]
    ),
    "greedy is perfect": _is_perfect,
    "poor gradients are in two panels": _poor_are_in_two_panels,
    "norm is higher in the fourth panel": lambda t: bool(
        t.scored("norm", "")[3] > _privileged_of_a_fill(t).query("domain == 'spectrogram' and original == 'sing'")["mean"].max()
    ),
    "sampling costs differences in two panels": lambda t: (
        (t.scored("lime_difference") < t.scored("lime_exact_difference") - 0.01).tolist() == [False, True, False, True]
    ),
    "best privileged of a fill": lambda t: (
        _privileged_of_a_fill(t).groupby("explainer")["mean"].mean().idxmax() == "shapley_logit_difference"
    ),
    "sampling is within the margin": lambda t: bool(
        (t.rows("contrasts", explainer="lime_exact (mean)", against="lime (mean)")[["low", "high"]].abs() < 0.05).all().all()
    ),
    "norm is not the truth": lambda t: bool((t.scored("norm", "", "high") < 1).all()),
    "greedy beats the norm": lambda t: bool(
        significant(rows := t.rows("contrasts", explainer="greedy_forward (clean)", against="norm")).all()
        and (rows.difference > 0).all()
    ),
    "greedy reads 210 rows": lambda t: (t.rows("figure_leaderboard", explainer="greedy_forward")["n_queries"] == 210).all(),
    "LIME is below the norm, not significantly": lambda t: bool(
        (t.rows("contrasts", explainer="lime (mean)", against="norm").high < 0).tolist() == [False, True, False, True]
        and not significant(t.rows("contrasts", explainer="lime (mean)", against="norm")).any()
    ),
    "half have many": lambda t: bool((t.values("truths", what="n_minimal", column="median") > 1).all()),
    "the exact solution is not the best": _exact_is_not_the_best,
    "occlusion is above Shapley but in the second panel": lambda t: (
        (t.scored("occlusion") > t.scored("shapley")).tolist() == [True, False, True, True]
    ),
    "correlation is negative over all fills": lambda t: (
        t.values("faithfulness_to_own_game_agreement", fill="all", among=READING, column="high")[0] < 0
    ),
    "correlation is open in two panels": lambda t: holds_chance(_agreement(t, READING)).tolist() == [True, True, False, False],
    "fidelity is no evidence": lambda t: bool(
        _fidelity(t)["auc"].iloc[0] < 0.5 and holds_chance(_fidelity(t, among=ANSWERABLE), 0.5).all()
    ),
    "fidelity is below chance for sampled LIME": lambda t: bool(
        _fidelity(t).high.iloc[0] < 0.5
        and holds_chance(
            t.rows(
                "fidelity_vs_correctness",
                domain="all",
                explainer="lime_exact",
                predictor="fidelity",
                fill=MEAN,
                among="all",
            ),
            0.5,
        ).all()
    ),
    "other fills are open": lambda t: all(holds_chance(_fidelity(t, fill), 0.5).all() for fill in ("zero", "min")),
    "the minimum scores least": lambda t: bool(
        (t.scored("lime", "min") < np.minimum(t.scored("lime"), t.scored("lime", "zero"))).all()
    ),
    "most wrong answers have no right one": lambda t: bool(
        _fidelity(t).n_wrong_unanswerable.iloc[0] > _fidelity(t).n_wrong.iloc[0] / 2
    ),
    "some panels are above chance": _some_panels_are_above_chance,
    "nothing differs outside": lambda t: t.values("controls", control="confined", score="largest difference outside")[0] == 0,
    "norm finds all": lambda t: t.values("controls", control="confined", explainer="norm")[0] == 1,
    "the shortcut is found": _shortcut_is_found,
    "energy misses the shortcut": lambda t: t.values("controls", control="shortcut", explainer="energy")[0] == 0,
    "blind rows of the study hold chance": lambda t: bool(
        pd.concat([holds_chance(t.rows("figure_leaderboard", explainer=one)) for one in ("constant", "random_order")]).all()
    ),
    "two fail with random weights": lambda t: (
        t.rows("controls", control="random_weights", verdict="not as expected").domain.tolist() == ["spectrogram"] * 2
        and (t.rows("controls", control="random_weights", verdict="not as expected").low > 0).all()
    ),
    "grids agree": lambda t: all((verdicts(t, control=name) == "as expected").all() for name in _grids(t)),
    "LIME is at chance with random weights": lambda t: bool(
        holds_chance(t.rows("controls", control="random_weights", explainer="lime")).all()
    ),
}


def render(template: str, tables: Tables) -> str:
    """Return the text with its numbers.

    Raises
    ------
    SystemExit
        If a claim does not hold, or a sentence with a typed number or a quantifier has no ``{holds}`` or ``{defined}``.
    """
    if loose := unbound(template):
        raise SystemExit(f"{loose[0]!r}: bound to no row. Read its number from a table, or add {{holds}} or {{defined}}.")

    def value(match: re.Match) -> str:
        first, _, rest = match[1].partition(" ")
        if first == "defined":
            return ""
        if first == "holds":
            if not CLAIMS[rest](tables):
                raise SystemExit(f"{rest}: does not hold in {tables.folder}. Correct the sentence in docs/findings.in.")
            return ""
        return NUMBERS[rest](tables) if first == "=" else read(tables, match[1])

    return re.sub(r"[ ]*\{(?:holds [^{}]+|defined)\}", value_of_marker(value), PLACEHOLDER_OF_NUMBERS.sub(value, template))


def value_of_marker(value: Callable[[re.Match], str]) -> Callable[[re.Match], str]:
    """Return a replacement function that also removes the blanks before a marker."""
    return lambda match: value(PLACEHOLDER.search(match[0]))  # type: ignore[arg-type]


PLACEHOLDER_OF_NUMBERS = re.compile(r"\{(?!holds |defined\})([^{}]+)\}")


def unbound(template: str) -> list[str]:
    """Return the sentences and headings with a typed number or a quantifier but without ``{holds}`` or ``{defined}``."""
    found = []
    text = template.partition("\n## References")[0]
    text = re.sub(r"```.*?```|!\[[^]]*\]\([^)]*\)|\]\([^)]*\)|`[^`{}]*`|<!--.*?-->", " ", text, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=[-#|])", text):
        for sentence in re.split(r"(?<=[.:?])\s+(?=[A-Z*\[{])", re.sub(r"^#+ (\d+\.)?", "", block.strip())):
            said = PLACEHOLDER.sub(" ", sentence)
            counts = re.search(r"\d", said) or re.search(rf"\b({'|'.join(QUANTIFIERS)})\b", said, re.IGNORECASE)
            declared = [one.split(" ")[0] for one in PLACEHOLDER.findall(sentence)]
            bound = any(one in DECLARED for one in declared) if counts else True
            if not bound:
                found.append(" ".join(sentence.split()))
    return found


def pages(tables: Tables) -> dict[Path, str]:
    """Return the contents of the page and of README."""
    readme = README.read_text(encoding="utf-8")
    parts = re.split(r"^=== (\w+)\n", (PAGE.parent / "findings_readme.in").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for name, template in zip(parts[::2], parts[1::2], strict=True):
        begins, ends = f"<!-- findings: {name} -->\n", "<!-- end of findings -->"
        if readme.count(begins) != 1:
            raise SystemExit(f"README.md: must contain {begins.strip()} once, got {readme.count(begins)} times. Correct it.")
        before, rest = readme.split(begins)
        after = rest.partition(ends)[2]
        readme = f"{before}{begins}{render(template, tables).strip()}\n{ends}{after}"
    return {PAGE: render(PAGE.with_suffix(".in").read_text(encoding="utf-8"), tables), README: readme}


if __name__ == "__main__":
    for path, text in pages(Tables(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE.parent / "truth")).items():
        path.write_text(text, encoding="utf-8")
