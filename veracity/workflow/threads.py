"""Threads of trainings and attacks: enough that no core is idle. No result depends on them."""

import math
from pathlib import Path

from ..attacks.settings import CPU_EXCERPTS, DOMAINS, n_cpu_chunks
from ..detector.settings import SHARD_EXCERPTS
from .runs import Run

MAX_THREADS = 8  # beyond it, what one thread does alone counts (benchmarks, rows training_threads, attack_threads)
ROUNDS = 4  # attacks on all cores one after another, at least: with fewer, cores are idle while the last ones end
SONG_SECONDS = 240.0  # of songs whose length is not known before they are read
GPUS = ("/dev/nvidia0", "/dev/kfd")  # where there is one, NVIDIA's or AMD's


def threads_of(run: Run, stage: str, cores: int) -> int:
    """Return the threads of each job of a stage: ``training``, ``perturbations`` or ``tuning_runs``."""
    device = run.config["device"]
    on_gpu = device.startswith("cuda") or (device == "auto" and any(Path(path).exists() for path in GPUS))
    if on_gpu or run.build:  # a classifier of the user may not be safe with threads
        return 1
    if stage == "training":
        n_jobs, rounds = len(run.detectors), 1
    else:
        n_jobs, rounds = len(DOMAINS) * len(run.names("valid") if stage == "tuning_runs" else run.explained), ROUNDS
    threads, parts = 1, parts_of(run, stage)
    while threads * max(n_jobs, 1) < rounds * cores:
        threads *= 2
    threads = min(threads, cores, parts, MAX_THREADS)
    return math.ceil(parts / math.ceil(parts / threads))  # the fewest that are as fast


def parts_of(run: Run, stage: str) -> int:
    """Return into how many parts a step of a job is cut: each thread takes some of them."""
    attacks, frontend = run.config["attacks"], run.config["frontend"]
    if stage == "training":
        return math.ceil(run.config["detector"]["training"]["batch"] / SHARD_EXCERPTS)
    if attacks["scope"] == "excerpt" and stage == "perturbations":
        return math.ceil(attacks["candidates"] / CPU_EXCERPTS)
    seconds = min(SONG_SECONDS, attacks["seconds"] or math.inf)
    n_frames = 1 + int(seconds * frontend["sample_rate"]) // frontend["hop_samples"]
    return math.ceil(n_frames / attacks["chunk_frames"]) if attacks["chunk_frames"] else n_cpu_chunks(n_frames)
