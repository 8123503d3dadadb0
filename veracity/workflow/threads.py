"""Number of threads of training and attacks, chosen so that all cores are used; results do not depend on it."""

import math
from pathlib import Path

from ..attacks.settings import CPU_EXCERPTS, DOMAINS, n_cpu_chunks
from ..detector.settings import SHARD_EXCERPTS
from .runs import Run

MAX_THREADS = 8  # more threads gain little because of serial parts (benchmarks, rows training_threads, attack_threads)
ROUNDS = 4  # minimum rounds of attacks on all cores; with fewer rounds, cores are idle during the last one
SONG_SECONDS = 240.0  # assumed length of a song, because songs have not been read
GPUS = ("/dev/nvidia0", "/dev/kfd")  # device files of GPUs of NVIDIA and AMD


def threads_of(run: Run, stage: str, cores: int) -> int:
    """Return the number of threads of each job of the stage training, perturbations or tuning_runs on `cores` cores."""
    device = run.config["device"]
    on_gpu = device.startswith("cuda") or (device == "auto" and any(Path(path).exists() for path in GPUS))
    if on_gpu or run.build:  # a user-supplied classifier may not be thread-safe
        return 1
    if stage == "training":
        n_jobs, rounds = len(run.detectors), 1
    else:
        n_jobs, rounds = len(DOMAINS) * len(run.names("valid") if stage == "tuning_runs" else run.explained), ROUNDS
    threads, parts = 1, parts_of(run, stage)
    while threads * max(n_jobs, 1) < rounds * cores:
        threads *= 2
    threads = min(threads, cores, parts, MAX_THREADS)
    return math.ceil(parts / math.ceil(parts / threads))  # smallest number of threads with this speed


def parts_of(run: Run, stage: str) -> int:
    """Return the number of parts of a step of a job, which its threads share; parameters as for `threads_of`."""
    attacks, frontend = run.config["attacks"], run.config["frontend"]
    if stage == "training":
        return math.ceil(run.config["detector"]["training"]["batch"] / SHARD_EXCERPTS)
    if attacks["scope"] == "excerpt" and stage == "perturbations":
        return math.ceil(attacks["candidates"] / CPU_EXCERPTS)
    seconds = min(SONG_SECONDS, attacks["seconds"] or math.inf)
    n_frames = 1 + int(seconds * frontend["sample_rate"]) // frontend["hop_samples"]
    return math.ceil(n_frames / attacks["chunk_frames"]) if attacks["chunk_frames"] else n_cpu_chunks(n_frames)
