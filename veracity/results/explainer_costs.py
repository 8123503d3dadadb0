"""Table ``explainer_costs``: what each explainer reads of the model, and how long its jobs took."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ..explainers.settings import ASKED, BOUNDS, READ_OFF
from .study import named

ELSEWHERE = "read off games of the stages explanations and flips"
COLUMNS = ["explainer", "fill", "privileged", "budget", "rows", "n", "jobs", "seconds", "seconds_per_excerpt"]


def table(scores: pd.DataFrame, results: str | os.PathLike) -> pd.DataFrame:
    """Gather rows from the scores and seconds from what Snakemake has measured of the jobs of the stage ``attributions``.

    Parameters
    ----------
    scores : DataFrame
        Of `veracity.results.scores.table`.
    results : path-like
        The folder of the run.

    Returns
    -------
    DataFrame
        ``rows`` per excerpt; ``seconds`` of wall time of all jobs, start-up included. Without jobs of its own an explainer is
        read off games that other stages have evaluated.
    """
    keys = ["explainer", "fill", "privileged", "budget"]
    found = scores.groupby(keys, sort=False)["rows"].agg(["mean", "size"]).reset_index() if len(scores) else pd.DataFrame()
    rows = []
    for one in found.itertuples():
        own = one.explainer not in (*READ_OFF, *BOUNDS)
        folder = Path(results, "benchmarks", "attributions", one.explainer.removesuffix(ASKED))
        measured = [_seconds(path) for path in sorted(folder.rglob("*.tsv"))] if own else []
        seconds = float(np.sum(measured)) if measured else np.nan
        costs = {"jobs": len(measured), "seconds": seconds, "seconds_per_excerpt": seconds / one.size}
        rows.append({**{key: getattr(one, key) for key in keys}, "rows": one.mean, "n": one.size, **costs})
    return pd.DataFrame(rows, columns=COLUMNS)


def _seconds(path: Path) -> float:
    return float(pd.read_csv(path, sep="\t")["s"].sum())


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` to be read."""
    shown = {
        "explainer": [named(row.explainer, row.fill) for row in rows.itertuples()],
        "sees the clean excerpt": np.where(rows.privileged.astype(bool), "yes", "no"),
        "rows of an excerpt": [f"{value:.0f}" for value in rows["rows"]],
        "excerpts": rows.n,
        "jobs": rows.jobs,
        "wall time of its jobs [s]": [ELSEWHERE if np.isnan(value) else f"{value:.0f}" for value in rows.seconds],
        "an excerpt [s]": rows.seconds_per_excerpt,
    }
    return pd.DataFrame(shown)
