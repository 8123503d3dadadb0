"""Table ``localised_rows``: localised perturbations, a row each; Figures 3 and 4 and ``localisation`` are read off it."""

import numpy as np
import pandas as pd

from ..experiments.localised import Localised
from .pooling import Keyed


def table(localised: Keyed) -> pd.DataFrame:
    """Spread the localised perturbations of songs: one row for each method, excerpt and k."""
    parts = []
    for song, domain, item in localised:
        assert isinstance(item, Localised)
        for m, method in enumerate(item.methods):
            parts.append(
                pd.DataFrame(
                    {
                        "song": song,
                        "domain": domain,
                        "method": method,
                        "excerpt": item.excerpt,
                        "original": item.original,
                        "k": item.k,
                        "n_found": item.n_found[m],
                        "found_flips": item.found_flips[m],
                        "n_needed": np.nan if item.n_needed is None else item.n_needed,
                        "needed_found": np.nan if item.needed_found is None else item.needed_found[m],
                        "fidelity": item.fidelity[m],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True).dropna(subset="n_found").astype({"n_found": int})
