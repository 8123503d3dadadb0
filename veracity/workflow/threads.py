"""Threads of trainings and attacks. No result depends on them."""

import math
from pathlib import Path

from ..attacks.settings import DOMAINS
from ..detector.settings import SHARD_EXCERPTS
from .runs import Run

MAX_THREADS = 8  # beyond it, what one thread does alone counts (benchmarks, rows training_threads, attack_threads)
ROUNDS = 4  # attacks on all cores one after another, at least: with fewer, cores are idle while the last ones end
GPUS = ("/dev/nvidia0", "/dev/kfd")  # where there is one, NVIDIA's or AMD's


def threads_of(run: Run, stage: str, cores: int) -> int:
    """Return the threads of each job of a stage, so that no core is idle: ``training``, or one that attacks songs."""
    device = run.config["device"]
    if (run.build and stage != "training") or device.startswith("cuda") or (device == "auto" and any(map(_exists, GPUS))):
        return 1  # a classifier of the user may not be safe with threads
    if stage == "training":
        shards = math.ceil(run.config["detector"]["training"]["batch"] / SHARD_EXCERPTS)
        threads = min(shards, MAX_THREADS, math.ceil(cores / len(run.detectors)))
        return math.ceil(shards / math.ceil(shards / threads))  # the fewest that are as fast
    n_jobs = len(DOMAINS) * len(run.names("valid") if stage == "tuning_runs" else run.explained)
    return min(MAX_THREADS, cores, math.ceil(ROUNDS * cores / max(n_jobs, 1)))


def _exists(path: str) -> bool:
    return Path(path).exists()
