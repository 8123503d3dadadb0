"""When the jobs of a run begin and end on so many cores: what Snakemake does with their threads and priorities, simulated."""

import heapq
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .stages import ATTACKED, READS, SAME
from .turns import PARALLEL, parts_of, priority_of, threads_of
from .work import POOLED, Work

# Measured on two cores (benchmarks, rows training_threads, attack_threads): what threads lose that wait and share caches.
LOSS = {"training": 1.09, "perturbations": 1.03}


@dataclass
class Job:
    """A job of a run.

    Attributes
    ----------
    stage : str
    serial, parallel : float
        Seconds of work that one thread does alone, and that threads share.
    parts : int
        Into which a step of the parallel work is cut.
    index : int
        Of its song and attack, or its detector.
    threads : int
    priority : float
    variant : str
        Whose job it is; "" of the base.
    """

    stage: str
    serial: float
    parallel: float
    parts: int = 1
    index: int = 0
    threads: int = 1
    priority: float = 0.0
    variant: str = ""

    @property
    def seconds(self) -> float:
        """Wall time, with the job's threads."""
        if self.threads == 1:
            return self.serial + self.parallel
        rounds = math.ceil(self.parts / self.threads) / self.parts
        return self.serial + self.parallel * rounds * LOSS.get(self.stage, 1.0)


def jobs_of(
    works: Sequence[Work],
    costs: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    cores: int,
    gpu_stages: Collection[str] = (),
    variant: str = "",
) -> list[Job]:
    """Return all jobs of a run with their threads and priorities; parameters as `veracity.planning.prediction.predict`."""
    jobs: list[Job] = []
    n_songs = len(next((part.units for part in works if part.stage == "perturbations"), ()))
    for part in works:
        cost = costs[part.probe]
        before = sum(job.stage == part.stage for job in jobs) if part.stage == "perturbations" else 0
        longest = max(part.units)
        for index, (units, steps) in enumerate(zip(part.units, part.steps or (0.0,) * len(part.units), strict=True)):
            alone, shared = cost.startup + cost.fixed + cost.per_unit * units, cost.per_step * steps
            job = Job(part.stage, alone, shared, index=before + index, variant=variant)
            if part.stage in PARALLEL and part.stage not in gpu_stages:
                seconds = units if part.stage != "training" and config["attacks"]["scope"] == "song" else None
                job.parts = parts_of(part.stage, config, seconds)
                job.threads = threads_of(part.stage, config, cores=cores, n_songs=n_songs)
            job.priority = priority_of(part.stage, attacked=index == 0)
            if part.stage == "perturbations":
                job.priority += units / longest / 1000  # as the sizes of audio files have it
            jobs.append(job)
    return jobs


def wall_seconds(jobs: Sequence[Job], *, cores: int, gpus: int = 0, gpu_stages: Collection[str] = ()) -> float:
    """Return when the last job ends, where every job begins as soon as what it waits for is done and its threads are free.

    Of jobs that can begin, those of the highest priority do; a GPU works on one at a time.
    """
    left = Counter((job.variant, job.stage) for job in jobs)
    done: dict[tuple[str, str], set[int]] = {key: set() for key in left}
    waiting = sorted(jobs, key=lambda job: -job.priority)
    running: list[tuple[float, int, Job]] = []
    now, free, free_gpus, started = 0.0, cores, gpus, 0

    def is_ready(job: Job) -> bool:
        if job.stage == POOLED:
            return not any(n for (variant, stage), n in left.items() if stage != POOLED and variant == job.variant)
        for stage, which in READS.get(job.stage, {}).items():
            key = (job.variant, stage) if (job.variant, stage) in left else ("", stage)  # what is shared is the base's
            # Trainings are alike, so the first stands for the attacked detector.
            if left[key] and {SAME: job.index, ATTACKED: 0}.get(which) not in done[key]:
                return False
        return True

    while waiting or running:
        still = []
        for job in waiting:
            needs_gpu = bool(gpus) and job.stage in gpu_stages
            if free >= job.threads and (free_gpus or not needs_gpu) and is_ready(job):
                free, free_gpus, started = free - job.threads, free_gpus - needs_gpu, started + 1
                heapq.heappush(running, (now + job.seconds, started, job))
            else:
                still.append(job)
        waiting = still
        if not running:
            raise ValueError(f"{waiting[0].stage} waits for what never comes")
        now, _, job = heapq.heappop(running)
        free, free_gpus = free + job.threads, free_gpus + (bool(gpus) and job.stage in gpu_stages)
        left[job.variant, job.stage] -= 1
        done[job.variant, job.stage].add(job.index)
    return now
