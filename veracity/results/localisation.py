"""Table ``localisation``: segments of localised perturbations, and those needed to flip, that explainers identify."""

import pandas as pd

from .pooling import in_paper_order


def table(long: pd.DataFrame) -> pd.DataFrame:
    """Summarise the segments of localised perturbations that explainers identify.

    Parameters
    ----------
    long : DataFrame
        Result of `veracity.results.localised_rows.table`.

    Returns
    -------
    DataFrame
        One row per panel, k and method. ``mean_found`` is the mean number of the k segments among the top k. ``mean_needed`` is
        the mean size of the smallest flip sets within the k segments. ``needed_found_percent`` is the mean percentage of
        the best-matching one of these sets among the top k.
    """
    keys = ["domain", "original", "k", "method"]
    columns = {
        "n": ("n_found", "size"),
        "mean_found": ("n_found", "mean"),
        "found_flips_percent": ("found_flips", lambda x: 100 * x.mean()),
        "mean_needed": ("n_needed", "mean"),
        "needed_found_percent": ("needed_found", lambda x: 100 * x.mean()),
    }
    return in_paper_order(long.groupby(keys).agg(**columns).reset_index())
