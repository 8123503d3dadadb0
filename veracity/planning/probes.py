"""Measured cost of each kind of job on this machine, from running the workflow on short synthetic songs.

The probes are two small runs. In the first, the steps of the attacks are so small that nothing flips. The attacks perform all
updates, and later stages have no excerpts. In the second, whose song is longer, the steps are so large that excerpts flip.
"""

import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ..attacks.settings import DOMAINS
from ..experiments.controlled import KNOWN_CAUSE
from ..explainers.settings import LIME
from ..results.costs import of_job
from ..settings import merged
from ..workflow.runs import Run, runs_of
from .jobs import STAGES, Job, jobs_of, lengths_of, load, snakemake

RESULTS = "results/probe"
PAGES = ("corpus", "detector", "classifier", "figure1")  # rules that need neither explanations nor both attacks
OF_SONG = ("spectrograms", "perturbations", "excerpts")  # stages whose memory depends on the length of the song
# Limits of the length of a song; time and memory are linear for at least four chunks of an attack.
MIN_SECONDS, MAX_SECONDS = 4.0, 60.0
UPDATE_SECONDS, MIN_UPDATES = 300, 20  # minimum work (seconds of audio times updates) and updates of attacks without flips
TRAINED_EXCERPTS, MIN_BATCHES = 160, 8  # minimum numbers of excerpts and batches for training
MAX_PER_DIRECTION = 5  # largest number of explained excerpts


@dataclass(frozen=True)
class Cost:
    """Cost of a kind of job: CPU seconds of start-up and of the rest, and MB of memory and on disk, linear in work and size."""

    startup: float
    fixed: float = 0.0
    per_work: float = 0.0
    memory_fixed: float = 0.0
    memory_per_size: float = 0.0
    disk_fixed: float = 0.0
    disk_per_size: float = 0.0


@dataclass(frozen=True)
class Point:
    """Measured job of a probe: its work and size, CPU seconds of start-up and of the rest, and MB of memory and on disk."""

    kind: str
    work: float
    size: float
    startup: float
    seconds: float
    memory_mb: float
    disk_mb: float


def measure(
    jobs: Sequence[Job], runs: Mapping[str, Run], *, snakefile: Path, processes: int = 1, gpus: int = 0
) -> dict[str, dict[str, Cost]]:
    """Return the cost of each kind of job of a run and its variants, by name of the variant and kind.

    At most two probes run in parallel. Jobs on a GPU are measured in wall time, one at a time. VeracityError is raised if a job
    fails with this configuration.
    """
    wanted = {name: {job.kind for job in jobs if job.variant == name} for name in runs}

    def probe(flips: bool, folder: str) -> dict[str, list[Point]]:
        base, points = small(runs[""], flips=flips), dict[str, list[Point]]()
        for name, run in runs.items():
            config = small(run, flips=flips)
            if wanted[name] and (not name or config != base):  # variants with the probe of the base run have its costs
                pages = PAGES if flips and not name else ()
                points[name] = _run(Path(folder, f"flips_{flips}"), config, wanted[name], pages, snakefile, gpus)
        return points

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1 if gpus else min(processes, 2)) as pool:
        still, flipped = pool.map(probe, (False, True), (folder, folder))
    costs = {name: fit([*still.get(name, []), *flipped.get(name, [])]) for name in runs}
    return {name: costs[""] | own for name, own in costs.items()}


def n_gpus(jobs: Iterable[Job]) -> int:
    """Return the number of GPUs of this machine, or 0 if no job uses one."""
    if not any(job.on_gpu for job in jobs):
        return 0
    import torch

    return torch.cuda.device_count()


def small(run: Run, *, flips: bool) -> dict[str, Any]:
    """Return the complete configuration of a probe of a run; `flips` is whether excerpts flip in it."""
    config = run.config
    attacks, detector, training = config["attacks"], config["detector"], config["detector"]["training"]
    longest = min(max(lengths_of(run).values()), MAX_SECONDS)
    song = max(longest if flips else longest / 2, MIN_SECONDS)
    attacked = min(attacks["seconds"] or longest, longest)
    attacked = min(attacked if flips else max(attacked / 2, 1.25 * run.settings.frontend.excerpt_seconds), song)
    n_updates = 3 if flips else max(MIN_UPDATES, math.ceil(UPDATE_SECONDS / attacked))
    of_domain: dict[str, dict[str, float]] = {}
    for domain in DOMAINS:
        steps = {key: min(by * attacks[domain][key], 1e6) for key, by in (("eps", 100), ("eta", 100), ("alpha", 1e4))}
        of_domain[domain] = steps if flips else {"eps": 1e-12, "eta": 1e-12}
        of_domain[domain]["max_updates"] = min(attacks[domain]["max_updates"], n_updates)
    n = min(max(config["excerpts"]["per_direction"], 3), MAX_PER_DIRECTION)
    n_trained = min(training["n_updates"], max(MIN_BATCHES, TRAINED_EXCERPTS // training["batch"])) if flips else 1
    checkpoint, drawings = (path and str(Path(path).absolute()) for path in (run.checkpoint, config["drawings"]["folder"]))
    changes = {
        "run": Path(RESULTS).name,
        "corpus": {
            "kind": "synthetic",
            "synthetic": {"n_train": 1, "n_valid": 1, "n_test": 1, "seconds": song},
            "words": {"sing": ["sing"], "nosing": ["nosing"]},
        },
        "detector": {
            "checkpoint": checkpoint,
            "n_seeds": 1,
            "attacked": "seed0",
            "threshold": 0.5 if detector["threshold"] is None else detector["threshold"],
            "training": {"n_updates": n_trained},
        },
        "attacks": {"splits": ["test"], "seconds": attacked, "candidates": 8 if flips else 4, **of_domain},
        "excerpts": {"per_direction": n},
        "stability": {"per_direction": 1, "n_repeats": 3},
        "controls": {"per_direction": n, "shortcut": {"n_updates": 5 if flips else 1}, "confined": {"max_updates": 2}},
        "drawings": {"folder": drawings},
    }
    stored = [one.name for one in run.explainers.values() if one.stored]  # exist only for the songs of the run
    explainers = [one for one in config["explainers"] if not (isinstance(one, Mapping) and one.get("name") in stored)]
    truth = {**config["truth"], "tested": [LIME], "against": ["random"], "groups": {}}
    return merged(config, changes) | {"variants": {}, "explainers": explainers, "truth": truth}


def _run(
    folder: Path, config: Mapping[str, Any], wanted: Iterable[str], pages: Sequence[str], snakefile: Path, gpus: int
) -> list[Point]:
    """Run one job of each wanted kind and some pages of a probe, and return their costs."""
    run, found = runs_of(config)[""], dict[str, Job]()
    lengths = lengths_of(run)

    def rank(job: Job) -> tuple:
        known_cause = job.wildcards.get("control") in KNOWN_CAUSE  # may find no excerpts with few updates
        # Attacks on the spectrogram flip all excerpts, even of a barely trained detector.
        return known_cause, job.wildcards.get("domain") == "waveform", job.rule, job.outputs

    for job in sorted(jobs_of(config, snakefile, folder=folder), key=rank):
        if job.rule in pages or (job.rule in STAGES and job.kind in wanted):
            found.setdefault(job.rule if job.rule in pages else job.kind, job)
    targets = [job.outputs[0] for job in found.values()]
    snakemake(config, snakefile, *targets, "--cores", "1", *(["--resources", "gpu=1"] if gpus else []), folder=folder)
    return [_point(folder, job, run, lengths, is_wall=gpus > 0 and job.on_gpu) for job in found.values()]


def _point(folder: Path, job: Job, run: Run, lengths: Mapping[str, float], *, is_wall: bool) -> Point:
    """Return the measured cost of a job of a probe."""
    cost = of_job(folder / RESULTS, Path(job.benchmark).relative_to(RESULTS, "benchmarks")).iloc[0]
    done = {}
    if "domain" in job.wildcards:
        attack, excerpts = (
            folder / RESULTS / stage / job.wildcards["domain"] / f"{job.wildcards['song']}.h5"
            for stage in ("perturbations", "excerpts")
        )
        done = {"excerpts": _length(excerpts, "original"), "updates": _length(attack, "loss_history") - 1}
    work, size = load(job, run, lengths, **done)
    n_bytes = sum(path.stat().st_size for path in (folder / output for output in job.outputs) if path.is_file())
    if job.rule == "perturbations":  # perturbations after a few equal steps compress too well
        with h5py.File(attack, "r") as file:
            n_bytes = sum(array.nbytes for array in file.values() if isinstance(array, h5py.Dataset))
    seconds = (cost.s if is_wall else cost.cpu_time) - cost.startup
    return Point(job.kind, work, size, cost.startup, seconds, cost.max_rss, n_bytes / 1e6)


def _length(path: Path, name: str) -> int:
    if not path.is_file():
        return 0
    with h5py.File(path, "r") as file:
        return len(file[name])


def fit(points: Sequence[Point]) -> dict[str, Cost]:
    """Return the cost of each kind of job, fitted by lines with non-negative coefficients."""
    costs = {}
    for kind, own in pd.DataFrame(points, columns=[field.name for field in fields(Point)]).groupby("kind"):
        is_of_song = str(kind).split()[0] in OF_SONG
        memory = _line(own["size"], own.memory_mb) if is_of_song else (float(own.memory_mb.max()), 0.0)
        costs[str(kind)] = Cost(own.startup.mean(), *_line(own.work, own.seconds), *memory, *_line(own["size"], own.disk_mb))
    if {"training", "spectrograms"} <= costs.keys():  # training keeps the spectrograms of all songs in memory
        costs["training"] = replace(costs["training"], memory_per_size=costs["spectrograms"].disk_per_size)
    return costs


def _line(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Return intercept and slope of a line, both non-negative."""
    if x.nunique() == 1:
        return float(y.mean()), 0.0
    (fixed, slope), _ = nnls(np.column_stack([np.ones(len(x)), x]), y.to_numpy())
    return float(fixed), float(slope)
