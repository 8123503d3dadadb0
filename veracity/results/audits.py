"""Table ``audits``: largest differences between values of the evaluator and direct evaluation."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def table(artefacts: Iterable[tuple[str, str, str, object]]) -> pd.DataFrame:
    """Tabulate the audits of artefacts.

    Parameters
    ----------
    artefacts : iterable of (stage, song, domain, artefact)
        Artefacts; those without an audit are omitted.

    Returns
    -------
    DataFrame
        Number of audited games and largest difference in probability, one row per artefact.
    """
    rows = []
    for stage, song, domain, item in artefacts:
        values = getattr(getattr(item, "sets", item), "audit", None)  # `Flips` has audits if all masks were evaluated
        if values is not None:
            values = np.atleast_1d(values)[~np.isnan(np.atleast_1d(values))]
            row = {"stage": stage, "domain": domain, "song": song, "n_games": values.size}
            rows.append({**row, "largest_difference": float(values.max()) if values.size else 0.0})
    return pd.DataFrame(rows)


def page(audits: pd.DataFrame) -> pd.DataFrame:
    """Pool `table` over songs: audited games and largest difference for each stage and domain."""
    pooled = audits.groupby(["stage", "domain"], sort=False)
    return pooled.agg(n_games=("n_games", "sum"), largest_difference=("largest_difference", "max")).reset_index()
