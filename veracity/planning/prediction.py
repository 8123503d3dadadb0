"""What a run will cost: time, memory and disk, from the cost of each stage per unit of its work on this machine.

A job is taken to cost ``start-up + fixed + per_unit * units + per_step * steps``. Units and steps follow from configuration and
songs (`veracity.planning.work`): seconds of audio or excerpts; updates, shapes or repeats. The coefficients are measured
(`veracity.planning.measuring`): for each stage a process of its own with one thread runs what the stage's script runs, at two
or three sizes.

What is approximate:

- Updates of attacks, excerpts and shapes drawn are upper bounds: attacks stop when everything has flipped, songs may have fewer
  flipped excerpts, and drawing ends at the first shape that works.
- Detector and songs are not the run's own. That changes no amount of arithmetic, but how well artefacts compress and how
  many sets of segments flip. Perturbations are taken to be incompressible.
- Memory is that of one thread; each further one of an attack holds a chunk of its own, a quarter of a GB.
- Sizes beyond those measured (one to four minutes of a song, four excerpts) are extrapolated in a straight line; memory too,
  where a job holds all of its song or songs.
- A table or figure is taken to cost as much as one figure; of what tables read, only the perturbations count.
- CPU time is that of one thread. The wall time is that of a simulation (`veracity.planning.schedule`), in which the threads of
  one job lose as much as two were measured to, whatever their number. Snakemake's own time is left out. Where a GPU works,
  seconds are those of the clock, and memory is the host's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from .schedule import Job, wall_seconds
from .work import FIGURES, JAMENDO_SECONDS, OTHER_PAGES, PAGES, POOLED, STUDY_PAGES, TRUTH_PAGES, Songs, Work


@dataclass(frozen=True)
class Cost:
    """Cost of a job: seconds of start-up and else, MB of memory at its peak, MB on disk."""

    startup: float
    fixed: float
    per_unit: float
    per_step: float
    memory_fixed: float
    memory_per_unit: float
    disk_fixed: float
    disk_per_unit: float


def predict(works: Sequence[Work], costs: Mapping[str, Cost]) -> pd.DataFrame:
    """Predict what each stage takes.

    Parameters
    ----------
    works : sequence of Work
    costs : mapping of str to Cost
        By `Work.probe`.

    Returns
    -------
    DataFrame
        One row for each stage: ``stage``, ``jobs``, ``cpu_seconds_per_job`` (mean) and ``longest_job_seconds``, ``cpu_seconds``
        and the part of it that is ``startup_seconds``, ``peak_memory_mb`` of the largest job, ``disk_mb`` of all.
    """
    rows = []
    for part in works:
        cost = costs[part.probe]
        for units, steps in zip(part.units, part.steps or (0.0,) * len(part.units), strict=True):
            seconds = cost.startup + cost.fixed + cost.per_unit * units + cost.per_step * steps
            memory, disk = cost.memory_fixed + cost.memory_per_unit * units, cost.disk_fixed + cost.disk_per_unit * units
            rows.append((part.stage, seconds, cost.startup, memory, disk))
    jobs = pd.DataFrame(rows, columns=["stage", "seconds", "startup", "memory", "disk"])
    return (
        jobs.groupby("stage", sort=False)
        .agg(
            jobs=("seconds", "size"),
            cpu_seconds_per_job=("seconds", "mean"),
            longest_job_seconds=("seconds", "max"),
            cpu_seconds=("seconds", "sum"),
            startup_seconds=("startup", "sum"),
            peak_memory_mb=("memory", "max"),
            disk_mb=("disk", "sum"),
        )
        .reset_index()
    )


@dataclass(frozen=True)
class Summary:
    """A run in a few numbers; `wall_seconds` is simulated, `chain_seconds` what as many cores as jobs would take."""

    jobs: int
    cores: int
    gpus: int
    cpu_seconds: float
    work_percent: float
    wall_seconds: float
    chain_seconds: float
    peak_memory_mb: float
    disk_mb: float


def summarise(
    plan: pd.DataFrame, jobs: Sequence[Job], *, cores: int, gpus: int = 0, gpu_stages: Collection[str] = ()
) -> Summary:
    """Sum a plan up.

    Parameters
    ----------
    plan : DataFrame
        Of `predict`.
    jobs : sequence of Job
        Of `veracity.planning.schedule.jobs_of`.
    cores : int
        Threads that run at a time.
    gpus : int
        Of these, jobs on a GPU; 0 where the CPU does all the work.
    gpu_stages : collection of str
        Stages that work on a GPU.
    """
    seconds = plan.cpu_seconds.sum()
    return Summary(
        jobs=int(plan.jobs.sum()),
        cores=cores,
        gpus=gpus,
        cpu_seconds=seconds,
        work_percent=100 * (1 - plan.startup_seconds.sum() / seconds),
        wall_seconds=wall_seconds(jobs, cores=cores, gpus=gpus, gpu_stages=gpu_stages),
        chain_seconds=wall_seconds(jobs, cores=sum(job.threads for job in jobs)),
        peak_memory_mb=plan.peak_memory_mb.max(),
        disk_mb=plan.disk_mb.sum(),
    )


def compare(plan: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Compare a plan with what a run has cost.

    Parameters
    ----------
    plan : DataFrame
        Of `predict`.
    costs : DataFrame
        Of `veracity.results.costs.table`.

    Returns
    -------
    DataFrame
        One row for each stage of either: jobs, CPU seconds, peak memory and disk, ``_planned`` and ``_measured`` (NaN where the
        stage is absent), and the ratios planned / measured ``cpu_ratio``, ``memory_ratio`` and ``disk_ratio``.
    """
    pooled = dict.fromkeys((*PAGES, *FIGURES, *STUDY_PAGES, *TRUTH_PAGES, *OTHER_PAGES), POOLED)
    columns = {"jobs": "sum", "cpu_seconds": "sum", "peak_memory_mb": "max", "disk_mb": "sum"}
    measured = costs.assign(stage=costs.stage.replace(pooled)).groupby("stage", sort=False).agg(columns).reset_index()
    both = plan[["stage", *columns]].merge(measured, on="stage", how="outer", sort=False, suffixes=("_planned", "_measured"))
    for ratio, column in {"cpu_ratio": "cpu_seconds", "memory_ratio": "peak_memory_mb", "disk_ratio": "disk_mb"}.items():
        both[ratio] = both[f"{column}_planned"] / both[f"{column}_measured"].where(both[f"{column}_measured"] > 0)
    return both


def as_page(plan: pd.DataFrame) -> pd.DataFrame:
    """Arrange `predict` for reading; a column ``variant`` tells whose jobs they are, "" of the run itself."""
    variant = plan.variant if "variant" in plan else pd.Series("", index=plan.index)
    return pd.DataFrame(
        {
            "stage": [f"{stage} ({name})" if name else stage for stage, name in zip(plan.stage, variant, strict=True)],
            "jobs": plan.jobs,
            "a job": plan.cpu_seconds_per_job.map(as_time),
            "all jobs": plan.cpu_seconds.map(as_time),
            "start-up": plan.startup_seconds.map(as_time),
            "memory of a job [MB]": plan.peak_memory_mb.map("{:.0f}".format),
            "on disk [MB]": plan.disk_mb.map("{:.1f}".format),
        }
    )


def as_time(seconds: float) -> str:
    """Return a duration as ``2 d 3 h``, ``3 h 20 min``, ``20 min 5 s`` or ``5.2 s``."""
    for length, name, part, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= length:
            whole, rest = divmod(round(seconds / part), length // part)
            return f"{whole} {name} {rest} {below}"
    return f"{seconds:.1f} s"


def in_words(summary: Summary, songs: Songs) -> str:
    """Tell a summary, what it leaves open, and what was assumed."""
    where = f"{summary.cores} cores" + (f" and {summary.gpus} GPUs" if summary.gpus else "")
    words = (
        f"{summary.jobs} jobs, {summary.cpu_seconds / 3600:.3g} CPU hours, {summary.work_percent:.1f} % of it work; "
        f"{as_time(summary.wall_seconds)} on {where}, simulated with the jobs' threads and priorities (the longest chain of "
        f"jobs: {as_time(summary.chain_seconds)}; CPU time over cores: {as_time(summary.cpu_seconds / summary.cores)}); "
        f"{summary.disk_mb / 1000:.3g} GB on disk; {summary.peak_memory_mb / 1000:.3g} GB of memory for the largest job. "
        "Updates, excerpts and drawings are upper bounds: attacks stop when everything has flipped, songs may have fewer "
        "excerpts. The wall time leaves out Snakemake's own."
    )
    if songs.assumed:
        counts = ", ".join(f"{len(lengths)} {split}" for split, lengths in songs.seconds.items())
        words += f" The corpus is not there: assumed are songs of {JAMENDO_SECONDS:.0f} s ({counts}), as Jamendo has."
    return words
