"""Table ``sampling_error``: difference between sampled and exact LIME by number of samples."""

import numpy as np
import pandas as pd

from ..experiments.stability import Stability
from .pooling import Keyed


def table(studies: Keyed) -> pd.DataFrame:
    """Summarise the sampling error by number of samples, pooled over songs and excerpts.

    Parameters
    ----------
    studies : iterable of (song, domain, Stability)
        Results of the stability study.

    Returns
    -------
    DataFrame
        One row per domain and number of samples: mean relative error of the weights with its 5 % and 95 % quantiles over
        excerpts and repeats, mean overlap of the top three segments, and percentage of fits with the same top segment as exact
        LIME.
    """
    parts = []
    for _, domain, item in studies:
        assert isinstance(item, Stability)
        excerpt, size, repeat = np.indices(item.weight_error.shape)
        part = {name: getattr(item, name).ravel() for name in ("weight_error", "top_right", "top_overlap", "fidelity")}
        gap = item.fidelity - item.fidelity_exact[:, None, None]
        parts.append(pd.DataFrame({"domain": domain, "n_samples": item.n_samples[size.ravel()], **part, "gap": gap.ravel()}))
        del excerpt, repeat
    long = pd.concat(parts, ignore_index=True)
    columns = {
        "n_fits": ("weight_error", "size"),
        "weight_error": ("weight_error", "mean"),
        "weight_error_p05": ("weight_error", lambda x: x.quantile(0.05)),
        "weight_error_p95": ("weight_error", lambda x: x.quantile(0.95)),
        "top3_overlap": ("top_overlap", "mean"),
        "top1_right_percent": ("top_right", lambda x: 100 * x.mean()),
        "fidelity_gap": ("gap", "mean"),
    }
    return long.groupby(["domain", "n_samples"], sort=False).agg(**columns).reset_index()
