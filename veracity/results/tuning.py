"""Table ``tuning``: which setting of the attacks flips most."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ..attacks.settings import DOMAINS


def table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Pool attack runs over songs: one row for each domain and setting, most flipped excerpts first.

    Parameters
    ----------
    rows : sequence of mapping
        ``domain, eps, eta, alpha, song, n, flipped, snr_db`` of each run.
    """
    keys = ["domain", "eps", "eta", "alpha"]
    pooled = pd.DataFrame(rows).groupby(keys, sort=False)
    table = pooled.agg(n_songs=("song", "size"), flipped=("flipped", "sum"), n=("n", "sum"), mean_snr_db=("snr_db", "mean"))
    table = table.reset_index().assign(percent=lambda t: 100 * t.flipped / t.n)
    order = table.assign(_d=table.domain.map(DOMAINS.index)).sort_values(
        ["_d", "flipped"], ascending=[True, False], kind="stable"
    )
    best = order.groupby("domain", sort=False).cumcount() == 0
    return order.drop(columns="_d").assign(best=best).reset_index(drop=True)
