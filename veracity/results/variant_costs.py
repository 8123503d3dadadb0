"""Table ``variant_costs``: what variants of a run have cost, and what each would have cost alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..labels import TOTAL
from .costs import of_job


def table(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Add up what the jobs have taken that each variant needs for the comparison, wherever they ran.

    Parameters
    ----------
    runs : iterable of mapping
        Of the run and each variant: ``name`` and ``needed``, all artefacts as (folder of who makes it, path).

    Returns
    -------
    DataFrame
        One row for each and one for all: ``jobs_alone`` and ``cpu_seconds_alone`` of all that is needed, ``jobs`` and
        ``cpu_seconds`` of what nobody before it needs, and ``shared_percent`` of the CPU time. NaN where a job has not been
        measured.
    """
    measured: dict[tuple[str, str], float] = {}
    rows: list[dict[str, object]] = []
    for one in runs:
        needed = [(str(folder), str(path)) for folder, path in one["needed"]]
        own = [key for key in needed if key not in measured]
        measured |= {(folder, path): _seconds(Path(folder), Path(path)) for folder, path in own}
        row: dict[str, object] = {"variant": one["name"], "jobs_alone": len(needed), "jobs": len(own)}
        rows.append(row | {"cpu_seconds_alone": sum(map(measured.get, needed)), "cpu_seconds": sum(map(measured.get, own))})  # type: ignore[arg-type]
    found = pd.DataFrame(rows, columns=["variant", "jobs_alone", "jobs", "cpu_seconds_alone", "cpu_seconds"])
    total = found.drop(columns="variant").sum(skipna=False)
    found = pd.concat([found, pd.DataFrame([{"variant": TOTAL, **total}])], ignore_index=True)
    return found.assign(shared_percent=100 * (1 - found.cpu_seconds / found.cpu_seconds_alone))


def _seconds(folder: Path, path: Path) -> float:
    part = path.with_suffix(".tsv")
    if path.parts[0] == "imported":
        part = Path("imported.tsv")
    return float(of_job(folder, part).cpu_time.iloc[0]) if (folder / "benchmarks" / part).is_file() else np.nan


def page(found: pd.DataFrame) -> pd.DataFrame:
    """Arrange `table` for reading."""
    return pd.DataFrame(
        {
            "variant": found.variant,
            "jobs alone": found.jobs_alone,
            "jobs of its own": found.jobs,
            "CPU minutes alone": (found.cpu_seconds_alone / 60).round(2),
            "CPU minutes of its own": (found.cpu_seconds / 60).round(2),
            "shared [%]": found.shared_percent.round(1),
        }
    )
