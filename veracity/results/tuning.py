"""Table ``tuning``: success of the attacks by setting."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..attacks.settings import DOMAINS
from ..errors import ArtefactError


def read_run(path: str | os.PathLike) -> dict[str, object]:
    """Read an attack run written by the rule ``tuning_runs``, or raise ArtefactError if it is damaged."""
    try:
        row = json.loads(Path(path).read_text(encoding="utf-8"))
        if not 0 <= row["flipped"] <= row["n"]:
            raise ValueError
        return {name: row[name] for name in ("domain", "eps", "eta", "alpha", "song", "n", "flipped", "snr_db")}
    except (OSError, ValueError, KeyError, TypeError):
        raise ArtefactError(f"{path}: is damaged. Delete it, and run snakemake again.") from None


def table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Pool attack runs over songs, one row per domain and setting, in order of decreasing number of flipped excerpts.

    Parameters
    ----------
    rows : sequence of mapping
        Values of ``domain, eps, eta, alpha, song, n, flipped, snr_db`` for each run.

    Returns
    -------
    DataFrame
        Pooled runs. ``best`` marks the setting of each domain that flips the most excerpts.
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
