"""Table ``explainer_costs``: model queries and computing time of each explainer."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from ..explainers.settings import BOUNDS, EXACT_BASELINES, REQUESTED_SUFFIX
from .study import named

ELSEWHERE = "derived from games of the stages explanations and flips"
COLUMNS = ["explainer", "fill", "privileged", "budget", "n_queries", "n", "jobs", "seconds", "seconds_per_excerpt"]


def table(scores: pd.DataFrame, results: str | os.PathLike) -> pd.DataFrame:
    """Collect the number of queries from the scores and the time from Snakemake's measurements of the stage ``attributions``.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    results : path-like
        Folder of the run.

    Returns
    -------
    DataFrame
        ``n_queries`` is the mean number of queries per excerpt. ``seconds`` is the wall time of all jobs including start-up. It
        is NaN for explainers without jobs, which are computed from games that other stages evaluated.
    """
    keys = ["explainer", "fill", "privileged", "budget"]
    queries = pd.DataFrame()
    if len(scores):
        queries = scores.groupby(keys, sort=False)["n_queries"].agg(["mean", "size"]).reset_index()
    rows = []
    for row in queries.itertuples():
        has_jobs = row.explainer not in (*EXACT_BASELINES, *BOUNDS)
        folder = Path(results, "benchmarks", "attributions", row.explainer.removesuffix(REQUESTED_SUFFIX))
        measured = [_seconds(path) for path in sorted(folder.rglob("*.tsv"))] if has_jobs else []
        seconds = float(np.sum(measured)) if measured else np.nan
        costs = {"jobs": len(measured), "seconds": seconds, "seconds_per_excerpt": seconds / row.size}
        rows.append({**{key: getattr(row, key) for key in keys}, "n_queries": row.mean, "n": row.size, **costs})
    return pd.DataFrame(rows, columns=COLUMNS)


def _seconds(path: Path) -> float:
    return float(pd.read_csv(path, sep="\t")["s"].sum())


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Format `table` for display."""
    shown = {
        "explainer": [named(row.explainer, row.fill) for row in rows.itertuples()],
        "access to the clean excerpt": np.where(rows.privileged.astype(bool), "yes", "no"),
        "queries per excerpt": [f"{value:.0f}" for value in rows["n_queries"]],
        "excerpts": rows.n,
        "jobs": rows.jobs,
        "wall time of all jobs [s]": [ELSEWHERE if np.isnan(value) else f"{value:.0f}" for value in rows.seconds],
        "time per excerpt [s]": rows.seconds_per_excerpt,
    }
    return pd.DataFrame(shown)
