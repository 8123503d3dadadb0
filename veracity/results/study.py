"""What the tables and figures of the truth study share: how explainers are named and grouped, and what bounds them."""

import pandas as pd

from ..explainers.settings import BOUNDS as BOUNDS  # what no explainer can be
from ..explainers.settings import CLEAN as CLEAN

PANEL = ["domain", "original"]
EXPLAINER = ["explainer", "fill", "privileged", "budget"]
#: What an explainer may read of the model for an excerpt, from the least on; explainers are compared within one group.
LIMITS = {"nothing": 0, "a few passes": 10, "a row a segment": 50, "512 rows": 512, "2048 rows": 2048, "8192 rows": 16384}
MORE, ALL_MASKS, STORED = "more rows", "all masks", "unknown (stored)"
EMPTY = "no excerpt flipped,\nor not all masks known"  # in a panel that shows nothing
BUDGETS = (*LIMITS, MORE, ALL_MASKS, STORED)


def budget_of(rows: int, n_segments: int) -> str:
    """Return the group of budgets that some rows belong to, of a game of so many segments."""
    if rows >= 1 << n_segments:
        return ALL_MASKS
    return next((name for name, most in LIMITS.items() if rows <= most), MORE)


def named(explainer: str, fill: str) -> str:
    """Return what an explainer of a game is called."""
    return f"{explainer} ({fill})" if fill else explainer


def by_song(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the mean of a score over the excerpts of each song, a row for each panel, explainer and song."""
    keys = [*PANEL, *EXPLAINER, "song"]
    return scores.groupby(keys, sort=False)[name].mean().reset_index()
