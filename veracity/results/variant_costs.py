"""Table ``variant_costs``: computing time of the variants of a run, with and without sharing of stages."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..labels import TOTAL
from .costs import of_job


def table(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Add up the computing time of all jobs that each variant needs for the comparison.

    Parameters
    ----------
    runs : iterable of mapping
        Base run and variants, each with its ``name`` and, in ``needed``, its required artefacts as (folder of the run that
        creates it, path).

    Returns
    -------
    DataFrame
        One row per run and one for all. ``jobs_alone`` and ``cpu_seconds_alone`` refer to all required artefacts, ``jobs`` and
        ``cpu_seconds`` to those that no previous run requires. ``shared_percent`` is the shared part of the CPU time. Times are
        NaN if a job has not been measured.
    """
    measured: dict[tuple[str, str], float] = {}
    rows: list[dict[str, object]] = []
    for run in runs:
        needed = [(str(folder), str(path)) for folder, path in run["needed"]]
        new = [key for key in needed if key not in measured]
        measured |= {(folder, path): _seconds(Path(folder), Path(path)) for folder, path in new}
        row: dict[str, object] = {"variant": run["name"], "jobs_alone": len(needed), "jobs": len(new)}
        rows.append(row | {"cpu_seconds_alone": sum(map(measured.get, needed)), "cpu_seconds": sum(map(measured.get, new))})  # type: ignore[arg-type]
    costs = pd.DataFrame(rows, columns=["variant", "jobs_alone", "jobs", "cpu_seconds_alone", "cpu_seconds"])
    total = costs.drop(columns="variant").sum(skipna=False)
    costs = pd.concat([costs, pd.DataFrame([{"variant": TOTAL, **total}])], ignore_index=True)
    return costs.assign(shared_percent=100 * (1 - costs.cpu_seconds / costs.cpu_seconds_alone))


def _seconds(folder: Path, path: Path) -> float:
    part = path.with_suffix(".tsv")
    if path.parts[0] == "imported":
        part = Path("imported.tsv")
    return float(of_job(folder, part).cpu_time.iloc[0]) if (folder / "benchmarks" / part).is_file() else np.nan


def page(costs: pd.DataFrame) -> pd.DataFrame:
    """Format `table` for display."""
    return pd.DataFrame(
        {
            "variant": costs.variant,
            "jobs alone": costs.jobs_alone,
            "jobs not shared": costs.jobs,
            "CPU minutes alone": (costs.cpu_seconds_alone / 60).round(2),
            "CPU minutes not shared": (costs.cpu_seconds / 60).round(2),
            "shared [%]": costs.shared_percent.round(1),
        }
    )
