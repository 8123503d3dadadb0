"""Table ``audits``: the largest difference of any tabulated value from direct evaluation."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def table(artefacts: Iterable[tuple[str, str, str, object]]) -> pd.DataFrame:
    """Summarise the audits: (stage, song, domain, artefact) to the largest difference from direct evaluation."""
    rows = []
    for stage, song, domain, item in artefacts:
        values = getattr(getattr(item, "sets", item), "audit", None)  # of flips, where all sets are known
        if values is not None:
            values = np.atleast_1d(values)[~np.isnan(np.atleast_1d(values))]
            row = {"stage": stage, "domain": domain, "song": song, "n_games": values.size}
            rows.append({**row, "largest_difference": float(values.max()) if values.size else 0.0})
    return pd.DataFrame(rows)


def page(audits: pd.DataFrame) -> pd.DataFrame:
    """Pool `table` over songs: games audited and the largest difference for each stage and domain."""
    pooled = audits.groupby(["stage", "domain"], sort=False)
    return pooled.agg(n_games=("n_games", "sum"), largest_difference=("largest_difference", "max")).reset_index()
