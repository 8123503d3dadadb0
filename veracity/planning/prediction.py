"""Predicted cost of a run: the work of its jobs times the cost of a unit of work on this machine.

The cost of a job is modelled as ``start-up + fixed + per_work * work``. The jobs are those of a dry run, which determine the
work (`veracity.planning.jobs`). The coefficients are measured (`veracity.planning.probes`). The prediction is approximate:

- Updates of attacks and numbers of excerpts are upper bounds, because attacks stop when all decisions are flipped and songs may
  have fewer flipped excerpts. A drawing costs as much as in the probes.
- The songs of the probes are synthetic FLAC files. Those of the run may take longer to decode.
- Memory is that of one thread. Each further thread of an attack requires a quarter of a GB for its chunk.
- Each table is assumed to cost as much as a few short tables, and each figure as much as Figure 1.
- CPU time is that of one thread. The wall time is simulated with the loss of speed measured for two threads. The time of
  Snakemake is not included. For jobs on a GPU, seconds are wall time, and memory is that of the host.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..settings import merged
from ..songs.corpus import SPLITS
from ..workflow.runs import Run, runs_of
from .jobs import POOLED, STAGES, Job, jobs_of, lengths_of, load
from .probes import Cost, measure, n_gpus

OTHER_TARGETS = ("download", "tuning_runs", "tuning")  # rules that are not part of the target `all`
THREAD_LOSS = 1.09  # relative cost of two threads of training that wait and share caches (benchmarks, row training_threads)
JAMENDO = {"n_train": 61, "n_valid": 16, "n_test": 16, "seconds": 240.0}  # assumed songs if the corpus is missing


def plan(config: Mapping[str, Any], snakefile: Path, *, cores: Sequence[int], processes: int) -> tuple[pd.DataFrame, list[str]]:
    """Predict the cost of a run with a complete configuration; raise VeracityError if a job fails with it.

    If its corpus has not been downloaded, the number and length of its songs are those of Jamendo. Costs are measured in at
    most two processes. The result is that of `by_stage` for the first number of cores, and a summary for each number of cores.
    """
    is_assumed = not runs_of(config)[""].songs
    config = as_jamendo(config) if is_assumed else config
    runs = runs_of(config)
    jobs_on = [jobs_of(config, snakefile, cores=n) for n in cores]
    if is_assumed:
        jobs_on = [[job for job in jobs if job.rule != "synthetic_corpus"] for jobs in jobs_on]
    gpus = n_gpus(jobs_on[0])
    costs = measure(jobs_on[0], runs, snakefile=snakefile, processes=processes, gpus=gpus)
    predictions = [predict(jobs, runs, costs) for jobs in jobs_on]
    words = [
        in_words(jobs, predicted, runs, cores=n, gpus=gpus, is_assumed=is_assumed)
        for jobs, predicted, n in zip(jobs_on, predictions, cores, strict=True)
    ]
    return by_stage(predictions[0]), words


def as_jamendo(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration whose corpus is replaced by synthetic songs, as many and as long as those of Jamendo."""
    corpus = {"kind": "synthetic", "folder": None, "url": None, "synthetic": JAMENDO}
    return merged(config, {"corpus": corpus}) | {"truth": {**config["truth"], "groups": {}}}


def predict(jobs: Sequence[Job], runs: Mapping[str, Run], costs: Mapping[str, Mapping[str, Cost]]) -> pd.DataFrame:
    """Predict the cost of each job from the result of `veracity.planning.probes.measure`.

    The result has one row per job with ``stage``, ``variant``, ``seconds``, ``startup`` (the part of the seconds that is
    start-up), ``memory_mb`` and ``disk_mb``.
    """
    rows, lengths = [], {name: lengths_of(run) for name, run in runs.items()}
    for job in jobs:
        own = costs[job.variant]
        # The cost of jobs that cannot be measured, such as reading stored attributions, is the start-up.
        cost = own.get(job.kind) or own.get("table" if job.kind == "figure" else "")
        cost = cost or Cost(max(one.startup for one in own.values()))
        work, size = load(job, runs[job.variant], lengths[job.variant])
        seconds = cost.startup + cost.fixed + cost.per_work * work
        memory, disk = cost.memory_fixed + cost.memory_per_size * size, cost.disk_fixed + cost.disk_per_size * size
        stage = job.rule if job.rule in STAGES else POOLED
        rows.append((stage, job.variant, seconds, cost.startup, memory, disk))
    return pd.DataFrame(rows, columns=["stage", "variant", "seconds", "startup", "memory_mb", "disk_mb"])


def by_stage(predicted: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the result of `predict`, with one row per stage and variant ("" for the base run).

    ``jobs`` is the number of jobs, ``cpu_seconds_per_job`` their mean and ``longest_job_seconds`` their maximum.
    ``cpu_seconds`` is the sum, and ``startup_seconds`` its part for start-up. ``peak_memory_mb`` is that of the largest job.
    """
    columns = {
        "jobs": ("seconds", "size"),
        "cpu_seconds_per_job": ("seconds", "mean"),
        "longest_job_seconds": ("seconds", "max"),
        "cpu_seconds": ("seconds", "sum"),
        "startup_seconds": ("startup", "sum"),
        "peak_memory_mb": ("memory_mb", "max"),
        "disk_mb": ("disk_mb", "sum"),
    }
    stages = pd.Categorical(predicted.stage, [*STAGES, POOLED])
    table = predicted.assign(stage=stages).groupby(["variant", "stage"], observed=True).agg(**columns).reset_index()
    return table.astype({"stage": str})[["stage", *columns, "variant"]]


def wall_seconds(jobs: Sequence[Job], predicted: pd.DataFrame, *, cores: int, gpus: int = 0) -> float:
    """Return the wall time of a run in seconds, from a simulation.

    A job starts as soon as its inputs exist and enough threads are free, jobs with the highest priority first. A GPU runs one
    job at a time.
    """
    maker = {path: i for i, job in enumerate(jobs) for path in job.outputs}
    needed = [{maker[path] for path in job.inputs if path in maker} for job in jobs]
    waiting = sorted(range(len(jobs)), key=lambda i: -jobs[i].priority)
    threads, on_gpu = [min(job.threads, cores) for job in jobs], [gpus > 0 and job.on_gpu for job in jobs]
    running: list[tuple[float, int]] = []
    done: set[int] = set()
    now, free, free_gpus = 0.0, cores, gpus
    while waiting or running:
        for i in tuple(waiting):
            if threads[i] <= free and on_gpu[i] <= free_gpus and needed[i] <= done:
                row = predicted.iloc[i]
                shared = (row.seconds - row.startup) / threads[i] * (THREAD_LOSS if threads[i] > 1 else 1)
                heapq.heappush(running, (now + row.startup + shared, i))
                waiting.remove(i)
                free, free_gpus = free - threads[i], free_gpus - on_gpu[i]
        now, i = heapq.heappop(running)
        done.add(i)
        free, free_gpus = free + threads[i], free_gpus + on_gpu[i]
    return now


def compare(plan: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Compare the plan of a run with its measured costs, the result of `veracity.results.costs.table`.

    The result has one row per stage of either table. ``jobs``, ``cpu_seconds``, ``peak_memory_mb`` and ``disk_mb`` have the
    suffixes ``_planned`` and ``_measured`` (NaN if the stage is missing), and the ratios are planned over measured values.
    """
    columns = {"jobs": "sum", "cpu_seconds": "sum", "peak_memory_mb": "max", "disk_mb": "sum"}
    costs = costs[~costs.stage.isin(OTHER_TARGETS)]
    measured = costs.assign(stage=costs.stage.where(costs.stage.isin(STAGES), POOLED))
    sides = (side.groupby("stage", sort=False).agg(columns).reset_index() for side in (plan, measured))
    both = next(sides).merge(next(sides), on="stage", how="outer", sort=False, suffixes=("_planned", "_measured"))
    for ratio, column in {"cpu_ratio": "cpu_seconds", "memory_ratio": "peak_memory_mb", "disk_ratio": "disk_mb"}.items():
        both[ratio] = both[f"{column}_planned"] / both[f"{column}_measured"].where(both[f"{column}_measured"] > 0)
    return both


def as_page(plan: pd.DataFrame) -> pd.DataFrame:
    """Return the result of `by_stage` with headings and values for display."""
    return pd.DataFrame(
        {
            "stage": [f"{stage} ({name})" if name else stage for stage, name in zip(plan.stage, plan.variant, strict=True)],
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


def in_words(
    jobs: Sequence[Job],
    predicted: pd.DataFrame,
    runs: Mapping[str, Run],
    *,
    cores: int,
    gpus: int = 0,
    is_assumed: bool = False,
) -> str:
    """Return a summary of the result of `predict` in sentences, with limits and assumptions."""
    seconds = predicted.seconds.sum()
    chain = wall_seconds(jobs, predicted, cores=sum(job.threads for job in jobs))
    words = (
        f"{len(jobs)} jobs, {seconds / 3600:.3g} CPU hours ({100 * (1 - predicted.startup.sum() / seconds):.1f} % work); "
        f"{as_time(wall_seconds(jobs, predicted, cores=cores, gpus=gpus))} on {cores} cores"
        f"{f' and {gpus} GPUs' if gpus else ''}, simulated with the jobs' threads and priorities (the longest chain of jobs: "
        f"{as_time(chain)}; CPU time over cores: {as_time(seconds / cores)}); {predicted.disk_mb.sum() / 1000:.3g} GB on disk; "
        f"{predicted.memory_mb.max() / 1000:.3g} GB of memory for the largest job. Updates and excerpts are upper bounds: "
        "attacks stop when everything has flipped, and songs may have fewer excerpts. The wall time excludes Snakemake itself."
    )
    for name in list(runs)[1:]:
        own = Counter(job.rule for job in jobs if job.variant == name)
        made = f" ({', '.join(f'{n} {rule}' for rule, n in own.items())})" if own else ""
        words += f" Variant {name}: {own.total()} jobs of its own{made}; all others are shared."
    if is_assumed:
        counts = ", ".join(f"{JAMENDO[f'n_{split}']} {split}" for split in SPLITS)
        words += " The corpus has not been downloaded: the plan assumes "
        words += f"songs of {JAMENDO['seconds']:.0f} s ({counts}), as in Jamendo."
    return words
