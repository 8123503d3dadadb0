"""Table 1: label flips with three segments."""

from typing import get_args

import pandas as pd

from ..errors import one_of
from ..games.game import Fill
from ..labels import SING, direction_title
from .pooling import SELECTIONS, as_paper_table, in_paper_order, judged

TITLES = {"lime": "LIME", "lime_exact": "LIME, exact", "norm": "norm", "best": "best 3", "random": "random 3"}
TITLES |= {"best_found": "best 3 found", "random_sampled": "sampled 3"}


def table(rates: pd.DataFrame, *, fill: str, k: int = 3, called: str = SING) -> pd.DataFrame:
    """Return Table 1: flips with the k most relevant segments by LIME (sampled and exact), by other explainers, and bounds."""
    one_of(fill, get_args(Fill), "fill")
    shown = [*SELECTIONS, *judged(rates.selection, SELECTIONS)]
    kept = rates[(rates.k == k) & rates.selection.isin(shown) & rates.fill.isin(["", fill])]
    return in_paper_order(kept.assign(direction=[direction_title(original, called) for original in kept.original]))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` as the paper prints it."""
    return as_paper_table(rows, TITLES | {name: name for name in judged(rows.selection, SELECTIONS)})
