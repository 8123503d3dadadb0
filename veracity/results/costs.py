"""Table and figure ``costs``: time, memory and disk space of a run by stage."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..errors import ArtefactError
from ..jobs.usage import logged
from .canvas import PALETTE, new_figure, put_footnote


def table(results: Path) -> pd.DataFrame:
    """Collect the resources that the jobs of a run used, as measured by Snakemake and by the jobs themselves.

    Parameters
    ----------
    results : Path
        Folder of the run. Measurements are in ``benchmarks/**/*.tsv``.

    Returns
    -------
    DataFrame
        One row per stage, in order of decreasing wall time: number of jobs, total and largest wall time, total CPU time, CPU
        time of start-up, percentage of CPU time after start-up, peak memory, and size of the files of the stage.

    Raises
    ------
    ArtefactError
        If there are no measurements.
    """
    folder = results / "benchmarks"
    parts = [of_job(results, path.relative_to(folder)) for path in sorted(folder.rglob("*.tsv"))]
    if not parts:
        raise ArtefactError(f"{folder}: no measurements. Run the target `all` first.")
    columns = {
        "jobs": ("s", "size"),
        "wall_seconds": ("s", "sum"),
        "longest_job_seconds": ("s", "max"),
        "cpu_seconds": ("cpu_time", "sum"),
        "startup_cpu_seconds": ("startup", "sum"),
        "peak_memory_mb": ("max_rss", "max"),
    }
    table = pd.concat(parts).groupby("stage").agg(**columns).reset_index()
    on_disk = {}
    for stage in table.stage:
        left = (f for where in (f"{stage}/**/*", f"figures/{stage}.*", f"tables/{stage}.*") for f in results.glob(where))
        on_disk[stage] = sum(f.stat().st_size for f in left if f.is_file())
    table["work_percent"] = 100 * (1 - table.startup_cpu_seconds / table.cpu_seconds)
    table["disk_mb"] = table.stage.map(on_disk) / 1e6
    return table.sort_values("wall_seconds", ascending=False, ignore_index=True)


def of_job(results: Path, part: Path) -> pd.DataFrame:
    """Return the resources that a job used, as a single row.

    Parameters
    ----------
    results : Path
        Folder of the run.
    part : Path
        Path of the measurement within ``benchmarks``, such as ``flips/waveform/<song>.tsv``.

    Returns
    -------
    DataFrame
        Snakemake's measurements with the stage, the CPU time of start-up, and the job's own measurements.
    """
    log = (results / "logs" / part).with_suffix(".log")
    startup, seconds, peak_mb = logged(log) if log.is_file() else (math.nan, math.nan, math.nan)
    row = pd.read_csv(results / "benchmarks" / part, sep="\t", na_values="-")
    # Measurements of the job itself take precedence: Snakemake 9 samples CPU time and memory every half second for 15 s, then
    # every 30 s, and not at the end.
    logged_values = {"cpu_time": seconds, "max_rss": peak_mb}
    counted = {column: count for column, count in logged_values.items() if not math.isnan(count)}
    return row.assign(stage=part.with_suffix("").parts[0], startup=startup, **counted)


def plot(costs: pd.DataFrame, *, footnote: str) -> Figure:
    """Plot time, memory and disk space by stage.

    Parameters
    ----------
    costs : DataFrame
        Result of `table`.
    footnote : str
        Text at the foot of the figure.

    Returns
    -------
    Figure
        Three bar charts with a bar per stage.
    """
    figure, axes = new_figure(1, 3, (7.6, 0.6 + 0.22 * len(costs)), sharey=True)
    place = np.arange(len(costs))[::-1]
    columns = {
        "wall_seconds": "wall time of all jobs [s]",
        "peak_memory_mb": "peak memory of a job [MB]",
        "disk_mb": "on disk [MB]",
    }
    for ax, (column, title), colour in zip(axes[0], columns.items(), PALETTE, strict=False):
        bars = ax.barh(place, costs[column], color=colour, height=0.7)
        ax.bar_label(bars, fmt=_shown, fontsize=6, padding=2)
        ax.set_xlabel(title, fontsize=8)
        ax.margins(x=0.2)
    names = [f"{stage} ({jobs})" for stage, jobs in zip(costs.stage, costs.jobs, strict=True)]
    axes[0, 0].set_yticks(place, names, fontsize=7)
    put_footnote(figure, f"{footnote}; in brackets: number of jobs")
    return figure


def _shown(value: float) -> str:
    """Return a number with a readable number of digits."""
    return f"{value:,.0f}".replace(",", " ") if value >= 10 else f"{value:.1f}"


def title(costs: pd.DataFrame) -> str:
    """Return a summary of `table` in one sentence."""
    work = 100 * (1 - costs.startup_cpu_seconds.sum() / costs.cpu_seconds.sum())
    jobs, seconds = costs.jobs.sum(), costs.cpu_seconds.sum()
    return f"Cost by stage: {jobs} jobs, {seconds:.0f} s of CPU time, {work:.1f} % of it after start-up"
