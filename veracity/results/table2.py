"""Table 2: label flips with all segments of positive weight."""

import pandas as pd

from ..labels import direction_title
from .pooling import as_paper_table, in_paper_order

TITLES = {"lime_positive": "LIME", "norm_as_many": "norm"}


def table(rates: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return Table 2: flips with all segments of positive weight, and with as many chosen by norm."""
    kept = rates[(rates.k == 0) & (rates.fill == fill) & rates.selection.isin(TITLES)]
    return in_paper_order(kept.assign(direction=kept.original.map(direction_title)))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` as the paper prints it."""
    return as_paper_table(rows, TITLES)
