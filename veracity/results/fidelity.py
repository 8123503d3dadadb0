"""Table ``fidelity``: fidelity of LIME's surrogates by fill."""

import numpy as np
import pandas as pd

from ..experiments.explanations import Explanations
from .pooling import Keyed


def table(explanations: Keyed) -> pd.DataFrame:
    """Return mean and standard deviation of LIME's fidelity by domain, input, fill and method."""
    rows = []
    for song, domain, item in explanations:
        assert isinstance(item, Explanations)
        for (i, f, m, e), value in np.ndenumerate(item.fidelity):
            names = {"input": item.inputs[i], "fill": item.fills[f], "method": item.methods[m]}
            rows.append({"song": song, "domain": domain, **names, "original": item.original[e], "fidelity": value})
    keys = ["domain", "input", "fill", "method"]
    long = pd.DataFrame(rows, columns=["song", *keys, "original", "fidelity"]).dropna(subset="fidelity")
    columns = {"n": ("fidelity", "size"), "mean_fidelity": ("fidelity", "mean"), "std_fidelity": ("fidelity", "std")}
    return long.groupby(keys, sort=False).agg(**columns).reset_index()
