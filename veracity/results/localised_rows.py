"""Table ``localised_rows``: localised perturbations in long format, the source of Figures 3 and 4 and ``localisation``."""

import numpy as np
import pandas as pd

from ..experiments.localised import Localised
from ..experiments.localised_attributions import LocalisedAttributions
from .pooling import Keyed


def table(localised: Keyed, attributions: Keyed = ()) -> pd.DataFrame:
    """Tabulate the localised perturbations of songs in long format, one row per method, excerpt and k.

    Parameters
    ----------
    localised : iterable of (song, domain, Localised)
        Results of sampled and exact LIME.
    attributions : iterable of (song, domain, LocalisedAttributions)
        Results of other explainers, whose names are the methods. They have no fidelity.

    Returns
    -------
    DataFrame
        Columns ``song, domain, method, excerpt, original, k, n_found, found_flips, n_needed, needed_found, fidelity``.
    """
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
    for song, domain, item in attributions:
        assert isinstance(item, LocalisedAttributions)
        columns = {name: getattr(item, name) for name in ("excerpt", "original", "k", "n_found", "found_flips")}
        needed = {"n_needed": item.n_needed, "needed_found": item.needed_found, "fidelity": np.nan}
        parts.append(pd.DataFrame({"song": song, "domain": domain, "method": item.explainer, **columns, **needed}))
    return pd.concat(parts, ignore_index=True).dropna(subset="n_found").astype({"n_found": int})
