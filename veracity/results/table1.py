"""Table 1: label flips with three segments."""

import pandas as pd

from ..labels import direction_title
from .pooling import SELECTIONS, as_paper_table, in_paper_order

TITLES = {"lime": "LIME", "lime_exact": "LIME, exact", "norm": "norm", "best": "best 3", "random": "random 3"}
TITLES |= {"best_sampled": "best of sampled 3", "random_sampled": "sampled 3"}


def table(rates: pd.DataFrame, *, fill: str, k: int = 3) -> pd.DataFrame:
    """Return Table 1: flips with LIME's k most relevant segments; sampled LIME and, where known, exact LIME, and bounds."""
    kept = rates[(rates.k == k) & rates.selection.isin(SELECTIONS) & rates.fill.isin(["", fill])]
    return in_paper_order(kept.assign(direction=kept.original.map(direction_title)))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` as the paper prints it."""
    return as_paper_table(rows, TITLES)
