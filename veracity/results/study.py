"""What the tables and figures of the truth study share: how explainers are named and grouped, and what bounds them."""

import pandas as pd

PANEL = ["domain", "original"]
EXPLAINER = ["explainer", "fill", "privileged", "budget"]
CLEAN = "clean"  # the fill of the perturbation game
#: What an explainer may read of the model for an excerpt, from the least on; explainers are compared within one group.
BUDGETS = {"nothing": 0, "a few passes": 10, "a row a segment": 50, "512 rows": 512, "2048 rows": 2048, "8192 rows": 16384}
ALL_MASKS = "all masks"
#: What no explainer can be: the best ranking, and the best, an expected random and the worst set of each k.
BOUNDS = ("best_ranking", "best_set", "random_set", "worst_set")


def budget_of(rows: int) -> str:
    """Return the group of budgets that some rows belong to."""
    return next((name for name, most in BUDGETS.items() if rows <= most), ALL_MASKS)


def named(explainer: str, fill: str) -> str:
    """Return what an explainer of a game is called."""
    return f"{explainer} ({fill})" if fill else explainer


def by_song(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the mean of a score over the excerpts of each song, a row for each panel, explainer and song."""
    keys = [*PANEL, *EXPLAINER, "song"]
    return scores.groupby(keys, sort=False)[name].mean().reset_index()
