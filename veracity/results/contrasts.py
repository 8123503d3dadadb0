"""Table ``contrasts``: tests of the comparisons that were declared before the run; all other results are descriptive."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConfigError, hint
from ..jobs.seeds import rng_for
from ..labels import SING, direction_title
from .over_songs import MIN_SONGS_TEST, Estimate, estimate, interval_words, sign_flip_tests
from .pooling import in_paper_order
from .study import BOUNDS, PANEL, by_song, named

LOWER_IS_BETTER = ("excess_k",)
RANDOM = "random"  # name of the expectation for a random ranking
COLUMNS = [*PANEL, "score", "explainer", "against", "n_songs", "difference", "low", "high"]
COLUMNS += ["p", "p_adjusted", "verdict"]


def wanted(name: str, fill: str) -> tuple[str, str]:
    """Parse the configured name of an explainer into explainer and fill.

    ``shapley`` refers to the default fill `fill`, and ``shapley:clean`` to the fill "clean".
    """
    explainer, _, given = name.partition(":")
    return explainer, given or fill


def table(
    scores: pd.DataFrame, *, score: str, tested: Sequence[str], against: Sequence[str], fill: str, margin: float, seed: int
) -> pd.DataFrame:
    """Test explainers against others in all panels, paired by song.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    score : str
        Name of the score, one of `veracity.games.scoring.SCORES`.
    tested, against : sequence of str
        Names of explainers in the form of `wanted`. In `against`, "random" is the expectation for a random ranking.
    fill : str
        Default fill, the paper's.
    margin : float
        Equivalence margin: the verdict is "no difference" if the test is not significant and the interval is within the margin.
    seed : int
        Seed of bootstrap and tests.

    Returns
    -------
    DataFrame
        ``difference`` is the mean difference over songs with both scores, with an interval. ``p`` is the p-value of a sign-flip
        test, adjusted for all rows by step-down min-P in ``p_adjusted``. ``verdict`` summarises the result.

    Raises
    ------
    ConfigError
        If an explainer has no scores.
    """
    if scores.empty:
        return pd.DataFrame(columns=COLUMNS)
    songs = by_song(scores[~scores.explainer.isin(BOUNDS)], score)
    expected = by_song(scores, f"chance_{score}").drop_duplicates([*PANEL, "song"])
    means = {RANDOM: expected.set_index([*PANEL, "song"])[f"chance_{score}"].sort_index()}
    titles = {RANDOM: RANDOM}
    for name in dict.fromkeys([*tested, *against]):
        if name != RANDOM:
            of_name = of_explainer(songs, name, fill)
            titles[name] = named(of_name.explainer.iloc[0], of_name.fill.iloc[0])
            means[name] = of_name.set_index([*PANEL, "song"])[score].sort_index()
    rows, differences = [], []
    everyone = sorted(scores.song.unique())
    for panel in dict.fromkeys(scores[PANEL].itertuples(index=False, name=None)):
        for first in tested:
            for second in against:
                if first == second:
                    continue
                difference = (means[first] - means[second]).get(panel, pd.Series(dtype=float)).reindex(everyone).to_numpy()
                rng = rng_for(seed, "contrasts", *panel, first, second)
                mean = estimate(difference, rng)
                names = {"explainer": titles[first], "against": titles[second]}
                rows.append({**dict(zip(PANEL, panel, strict=True)), "score": score, **names, **_numbers(mean)})
                differences.append(difference)
    tests = sign_flip_tests(np.array(differences), rng_for(seed, "contrasts", "tests"))
    done = pd.DataFrame(rows).assign(p=tests.p, p_adjusted=tests.p_adjusted)
    done["verdict"] = [_verdict(row, margin, lower_is_better=score in LOWER_IS_BETTER) for row in done.itertuples()]
    return in_paper_order(done[COLUMNS])


def of_explainer(songs: pd.DataFrame, name: str, fill: str) -> pd.DataFrame:
    """Return the rows of one explainer.

    Parameters
    ----------
    songs : DataFrame
        Rows with the columns ``explainer`` and ``fill``.
    name : str
        Name of the explainer in the form of `wanted`.
    fill : str
        Default fill.

    Returns
    -------
    DataFrame
        Rows with the fill in the name, or with the default fill. If there are none for the default fill, rows with any fill.

    Raises
    ------
    ConfigError
        If the explainer has no scores.
    """
    explainer, wanted_fill = wanted(name, fill)
    rows = songs[(songs.explainer == explainer) & songs.fill.isin(["", wanted_fill])]
    if ":" not in name and rows.empty:  # the explainer used a fill other than the default
        rows = songs[songs.explainer == explainer]
    if rows.empty:
        near = hint(explainer, songs.explainer.unique())
        raise ConfigError(f"truth: the explainer has no scores, got '{name}'. Add it to explainers{near}.")
    return rows


def _numbers(mean: Estimate) -> dict[str, float]:
    return {"n_songs": mean.n, "difference": mean.mean, "low": mean.low, "high": mean.high}


def _verdict(row: Any, margin: float, *, lower_is_better: bool) -> str:
    low, high, p = row.low, row.high, row.p_adjusted
    if np.isnan(low):  # all songs agree
        low = high = row.difference
    if np.isnan(p):
        return f"not tested: fewer than {MIN_SONGS_TEST} songs have both scores"
    words = "better" if (row.difference > 0) != lower_is_better else "worse"
    if p <= 0.05:
        return words
    if -margin <= low and high <= margin:
        return f"no difference (within {margin:g})"
    return "not settled"


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    rows = rows.assign(**{"95 % interval": interval_words(rows)})
    shown = rows.assign(panel=[f"{r.domain}, {direction_title(r.original, label_name)}" for r in rows.itertuples()])
    columns = ["panel", "explainer", "against", "n_songs", "difference", "95 % interval", "p", "p_adjusted", "verdict"]
    return shown[columns].rename(columns={"n_songs": "songs", "p_adjusted": "adjusted p (min-P)"})
