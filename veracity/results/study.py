"""Names, groups and bounds of explainers, shared by the tables and figures of the truth study."""

import pandas as pd

from ..attacks.settings import DOMAINS, Domain
from ..explainers.settings import BOUNDS as BOUNDS  # names of reference curves, which are not explainers
from ..explainers.settings import CLEAN as CLEAN
from ..labels import LABELS, Label

PANEL = ["domain", "original"]
Panel = tuple[Domain, Label]
#: Attack and original label of each panel, in the order of figures.
PANELS: tuple[Panel, ...] = tuple((domain, original) for original in LABELS for domain in DOMAINS)
EXPLAINER = ["explainer", "fill", "privileged", "budget"]
#: Largest number of model queries per excerpt in each group of explainers; explainers are compared within a group.
LIMITS = {"none": 0, "up to 10": 10, "up to 50": 50, "up to 512": 512, "up to 2048": 2048, "up to 16384": 16384}
MORE, ALL_MASKS, STORED = "more", "all masks", "unknown (stored)"
EMPTY = "no excerpt flipped,\nor not all masks known"  # text in an empty panel
BUDGETS = (*LIMITS, MORE, ALL_MASKS, STORED)
#: Kinds of explainers, by the game that they explain and by access to the clean excerpt.
KINDS = ("fill game", "fill game, privileged", "perturbation game")
PRIVILEGED = "privileged: has access to the clean excerpt"  # in legends and footnotes of figures


def budget_of(rows: int, n_segments: int) -> str:
    """Return the budget group for a number of queries in a game with the given number of segments."""
    if rows >= 1 << n_segments:
        return ALL_MASKS
    return next((name for name, most in LIMITS.items() if rows <= most), MORE)


def named(explainer: str, fill: str) -> str:
    """Return the display name of an explainer of a game."""
    return f"{explainer} ({fill})" if fill else explainer


def kind_of(fill: str, *, privileged: bool) -> str:
    """Return the element of `KINDS` to which an explainer belongs."""
    return KINDS[2] if fill == CLEAN else KINDS[int(privileged)]


def with_fill(rows: pd.DataFrame, fill: str) -> pd.DataFrame:
    """Keep only one fill and the perturbation game for explainers that have either, and all rows of other explainers."""
    if rows.empty:
        return rows
    shown = rows.fill.isin(["", fill, CLEAN])
    return rows[shown | ~rows.explainer.isin(rows.explainer[shown].unique())]


def by_song(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the mean of a score over the excerpts of each song, one row per panel, explainer and song."""
    keys = [*PANEL, *EXPLAINER, "song"]
    return scores.groupby(keys, sort=False)[name].mean().reset_index()
