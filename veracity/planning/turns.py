"""How many threads long jobs get, and which come first, so that all cores have work until a run ends; needs no torch.

No result depends on it (`veracity.jobs.workers`), only when it is there. What everything waits for comes first, the training
of the detector that is attacked; then the longest of what is left, the other trainings, and the attacks, long songs first.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..attacks.settings import CPU_EXCERPTS, DOMAINS, n_cpu_chunks
from ..detector.settings import SHARD_EXCERPTS

PARALLEL = ("training", "perturbations", "tuning_runs")
GPUS = ("/dev/nvidia0", "/dev/kfd")  # where there is one, NVIDIA's or AMD's
MOST = 8  # threads of a job: beyond it what one thread does alone counts (benchmarks, rows training_threads, attack_threads)
ROUNDS = 4  # of attacks on all cores, at the least: fewer leave cores idle while the last ones end
SONG_SECONDS = 240.0  # of songs whose length is not known before they are read
# Priorities; those of attacks lie between 1 and 2, so that a training outweighs all that would have its cores.
ATTACKED, TRAINED = 1000, 100


def parts_of(stage: str, config: Mapping[str, Any], seconds: float | None = None) -> int:
    """Return into how many parts a step of a job is cut, at most one for each thread; 1 where one thread does all.

    Parameters
    ----------
    stage : str
        ``training``, ``perturbations`` or ``tuning_runs``.
    config : mapping
        The whole configuration.
    seconds : float, optional
        Of the song, where it is known.
    """
    attacks, frontend = config["attacks"], config["frontend"]
    if stage == "training":
        return math.ceil(config["detector"]["training"]["batch"] / SHARD_EXCERPTS)
    if config["model"]["build"]:
        return 1  # a classifier of one's own may not bear threads
    if attacks["scope"] == "excerpt" and stage == "perturbations":
        return math.ceil(attacks["candidates"] / CPU_EXCERPTS)
    seconds = min(seconds or SONG_SECONDS, attacks["seconds"] or math.inf)
    n_frames = 1 + int(seconds * frontend["sample_rate"]) // frontend["hop_samples"]
    return math.ceil(n_frames / attacks["chunk_frames"]) if attacks["chunk_frames"] else n_cpu_chunks(n_frames)


def threads_of(stage: str, config: Mapping[str, Any], *, cores: int, n_songs: int) -> int:
    """Return the threads of a job: of powers of two the least that leaves no core idle, as far as parts of its work go.

    Parameters
    ----------
    stage : str
        ``training``, ``perturbations`` or ``tuning_runs``; others have one thread.
    config : mapping
        The whole configuration.
    cores : int
        Of the run.
    n_songs : int
        That are attacked.
    """
    if stage not in PARALLEL or on_gpu(config["device"]):
        return 1
    n_jobs, rounds = (config["detector"]["n_seeds"], 1) if stage == "training" else (len(DOMAINS) * n_songs, ROUNDS)
    asked = 1
    while asked * max(1, n_jobs) < rounds * cores:
        asked *= 2
    parts = parts_of(stage, config)
    most = max(1, min(asked, cores, parts, MOST))
    return math.ceil(parts / math.ceil(parts / most))  # the fewest that are as fast


def on_gpu(device: str) -> bool:
    """Tell whether a configured device is likely to be a GPU, without asking torch."""
    return device.startswith("cuda") or (device == "auto" and any(Path(path).exists() for path in GPUS))


def priority_of(stage: str, *, attacked: bool = True, audio: str | os.PathLike | None = None) -> float:
    """Return the priority of a job, 0 for all that is short; parameters as `threads_of`.

    Parameters
    ----------
    audio : path-like, optional
        The song of an attack: the larger its file, the earlier.
    """
    if stage == "training":
        return ATTACKED if attacked else TRAINED
    if stage not in PARALLEL:
        return 0
    size = Path(audio).stat().st_size if audio and Path(audio).is_file() else 0
    return 2 - 1 / (1 + size / 1e7)
