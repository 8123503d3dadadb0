"""Table 2: label flips with all segments of positive weight."""

from typing import get_args

import pandas as pd

from ..errors import one_of
from ..explainers.settings import AS_MANY, POSITIVE
from ..games.game import Fill
from ..labels import SING, direction_title
from .pooling import as_paper_table, in_paper_order

TITLES = {"lime_positive": "LIME", "norm_as_many": "norm"}


def table(rates: pd.DataFrame, *, fill: str, called: str = SING) -> pd.DataFrame:
    """Return Table 2: flips with all segments of positive weight, and with as many chosen by norm."""
    one_of(fill, get_args(Fill), "fill")
    paper = (rates.fill == fill) & rates.selection.isin(TITLES)
    kept = rates[(rates.k == 0) & (paper | (rates.fill == ""))]  # the explainers beside LIME have no choice of fills
    return in_paper_order(kept.assign(direction=[direction_title(original, called) for original in kept.original]))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` as the paper prints it."""
    names = [name.removesuffix(POSITIVE) for name in dict.fromkeys(rows.selection) if name.endswith(POSITIVE)]
    others = [name for name in names if f"{name}{AS_MANY}" in set(rows.selection)]
    positive = {f"{name}{POSITIVE}": name for name in others}
    as_many = {f"{name}{AS_MANY}": f"norm, as many as {name}" for name in others}
    return as_paper_table(rows, TITLES | positive | as_many)
