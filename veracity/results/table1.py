"""Table 1: label flips with three segments."""

from typing import get_args

import pandas as pd

from ..errors import one_of
from ..games.game import Fill
from ..labels import SING, direction_title
from .pooling import SELECTIONS, as_paper_table, in_paper_order, judged

TITLES = {"lime": "LIME", "lime_exact": "LIME, exact", "norm": "norm", "best": "best 3", "random": "random 3"}
TITLES |= {"best_found": "best 3 found", "random_sampled": "random 3 (sampled)"}


def table(rates: pd.DataFrame, *, fill: str, k: int = 3, label_name: str = SING) -> pd.DataFrame:
    """Return Table 1: flips with the top k segments of LIME (sampled and exact) and of other explainers, with bounds.

    Parameters
    ----------
    rates : DataFrame
        Result of `veracity.results.flip_rates.table`.
    fill : {"mean", "zero", "min"}
        Fill of LIME.
    k : int
        Number of segments, 3 by default.
    label_name : str
        Display name of "sing".

    Returns
    -------
    DataFrame
        One row per panel and selection.
    """
    one_of(fill, get_args(Fill), "fill")
    shown = [*SELECTIONS, *judged(rates.selection, SELECTIONS)]
    kept = rates[(rates.k == k) & rates.selection.isin(shown) & rates.fill.isin(["", fill])]
    return in_paper_order(kept.assign(direction=[direction_title(original, label_name) for original in kept.original]))


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Format `table` as in the paper."""
    return as_paper_table(rows, TITLES | {name: name for name in judged(rows.selection, SELECTIONS)})
