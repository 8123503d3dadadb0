"""Table ``leaderboard``: scores of each explainer against the ground truth, over songs, with chance levels."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..games.scoring import SCORES
from ..jobs.seeds import rng_for
from ..labels import SING, direction_title
from .over_songs import estimate
from .pooling import in_paper_order
from .study import BOUNDS, BUDGETS, EXPLAINER, PANEL, named

COLUMNS = [*PANEL, *EXPLAINER, "n_queries", "score", "n_songs", "n", "mean", "low", "high", "chance"]
#: Log-odds of the adversarial label: gain from the top three segments alone, and loss without them.
LOG_ODDS = ("sufficiency_log_odds", "comprehensiveness_log_odds")
ESTIMATED = (*SCORES, *LOG_ODDS, "own_game_tau")
SHOWN = ("aufc_normalised", "excess_k", "sufficiency", "comprehensiveness", "best_match_recall", "pointing", "own_game_tau")
BOUNDED = {"excess_k": (0.0, np.inf), **dict.fromkeys(LOG_ODDS, (-np.inf, np.inf)), "own_game_tau": (-1.0, 1.0)}
BOUNDED["aufc_normalised"] = (-np.inf, 1.0)


def table(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Estimate every score of every explainer in each panel (domain and direction).

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        One row per panel, explainer and score in `ESTIMATED`. ``n_songs`` and ``n`` are the numbers of songs and excerpts that
        have the score. ``low`` and ``high`` are its 95 % interval over songs (`veracity.results.over_songs.estimate`), NaN for
        a single song or if all songs agree.
    """
    judged = scores[~scores.explainer.isin(BOUNDS)] if len(scores) else scores
    rows = pd.DataFrame(list(_rows(judged, seed)) if len(judged) else [], columns=COLUMNS)
    return in_paper_order(rows)


def _rows(scores: pd.DataFrame, seed: int) -> Iterator[dict[str, object]]:
    for panel, part in scores.groupby(PANEL, sort=False):
        for explainer, of_one in part.groupby(EXPLAINER, sort=False):
            keys = dict(zip([*PANEL, *EXPLAINER], (*panel, *explainer), strict=True))
            grouped = of_one.groupby("song", sort=True)
            for name in ESTIMATED:
                known = of_one[name].notna()
                rng = rng_for(seed, "leaderboard", *map(str, (*panel, *explainer)), name)
                over_songs = estimate(grouped[name].mean().to_numpy(), rng, bounds=BOUNDED.get(name, (0.0, 1.0)))
                chance = _chance(of_one[known], name)
                yield {
                    **keys,
                    "n_queries": of_one["n_queries"].mean(),
                    "score": name,
                    "n_songs": over_songs.n,
                    "n": int(known.sum()),
                    "mean": over_songs.mean,
                    "low": over_songs.low,
                    "high": over_songs.high,
                    "chance": chance,
                }


def _chance(rows: pd.DataFrame, name: str) -> float:
    if f"chance_{name}" in rows:
        return float(rows.groupby("song")[f"chance_{name}"].mean().mean()) if len(rows) else np.nan
    return 0.0 if name == "own_game_tau" else np.nan


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display: explainers by panel and query budget, the best first, with selected scores as columns."""
    shown = []
    for (domain, original), panel in rows.groupby(PANEL, sort=False):
        first = {"panel": f"{domain}, {direction_title(original, label_name)}"}
        for budget in BUDGETS:
            here = panel[panel.budget == budget]
            entries = [
                {"score": part[part.score == SHOWN[0]]["mean"].iloc[0], "line": _line(first, explainer, part)}
                for explainer, part in here.groupby(EXPLAINER, sort=False)
            ]
            shown += [entry["line"] for entry in sorted(entries, key=lambda entry: -np.nan_to_num(entry["score"], nan=-9))]
    return pd.DataFrame(shown)


def _line(first: dict[str, str], explainer: tuple, part: pd.DataFrame) -> dict[str, object]:
    name, fill, privileged, budget = explainer
    cells = {score: _cell(part[part.score == score].iloc[0]) for score in SHOWN}
    known = part[part.score == SHOWN[0]].iloc[0]
    words = {
        "explainer": named(name, fill),
        "access to the clean excerpt": "yes" if privileged else "no",
        "model queries": budget,
    }
    return {**first, **words, "songs": int(known.n_songs), "excerpts": int(known.n), **cells}


def _cell(row: pd.Series) -> str:
    if np.isnan(row["mean"]):
        return "none"
    agree = "one song" if row.n_songs == 1 else f"all {row.n_songs} songs"
    interval = agree if np.isnan(row.low) else f"{row.low:.2f} to {row.high:.2f}"
    beside = "" if np.isnan(row.chance) else f"; chance {row.chance:.2f}"
    return f"{row['mean']:.2f} ({interval}{beside})"
