"""Table 2: label flips with all segments of positive weight."""

from typing import get_args

import pandas as pd

from ..errors import one_of
from ..explainers.settings import AS_MANY, POSITIVE
from ..games.game import Fill
from ..labels import SING, direction_title
from .pooling import as_paper_table, in_paper_order

TITLES = {"lime_positive": "LIME", "norm_as_many": "norm"}


def table(rates: pd.DataFrame, *, fill: str, label_name: str = SING) -> pd.DataFrame:
    """Return Table 2: flips with all segments of positive weight, and with the same number of segments by norm.

    Parameters
    ----------
    rates : DataFrame
        Result of `veracity.results.flip_rates.table`.
    fill : {"mean", "zero", "min"}
        Fill of LIME.
    label_name : str
        Display name of "sing".

    Returns
    -------
    DataFrame
        One row per panel and selection.
    """
    one_of(fill, get_args(Fill), "fill")
    paper = (rates.fill == fill) & rates.selection.isin(TITLES)
    kept = rates[(rates.k == 0) & (paper | (rates.fill == ""))]  # rows of explainers other than LIME have no fill
    return in_paper_order(kept.assign(direction=[direction_title(original, label_name) for original in kept.original]))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Format `table` as in the paper."""
    names = [name.removesuffix(POSITIVE) for name in dict.fromkeys(rows.selection) if name.endswith(POSITIVE)]
    others = [name for name in names if f"{name}{AS_MANY}" in set(rows.selection)]
    positive = {f"{name}{POSITIVE}": name for name in others}
    as_many = {f"{name}{AS_MANY}": f"norm, same number as {name}" for name in others}
    return as_paper_table(rows, TITLES | positive | as_many)
