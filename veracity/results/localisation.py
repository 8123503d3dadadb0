"""Table ``localisation``: segments of localised perturbations that explainers identify, and ground truth."""

import pandas as pd

from .pooling import in_paper_order


def table(long: pd.DataFrame) -> pd.DataFrame:
    """Summarise identified segments, and the share of segments identified among those that are necessary."""
    keys = ["domain", "original", "k", "method"]
    columns = {
        "n": ("n_found", "size"),
        "mean_found": ("n_found", "mean"),
        "found_flips_percent": ("found_flips", lambda x: 100 * x.mean()),
        "mean_needed": ("n_needed", "mean"),
        "needed_found_percent": ("needed_found", lambda x: 100 * x.mean()),
    }
    return in_paper_order(long.groupby(keys).agg(**columns).reset_index())
