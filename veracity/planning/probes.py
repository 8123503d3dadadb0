"""Measured cost of each kind of job on this machine, from running the workflow on short synthetic songs.

The probes ``few`` and ``more`` are two small runs with different lengths of the song and numbers of updates and excerpts. Their
attacks have large steps, so that excerpts flip. The probe ``steady`` repeats the attacks of ``few`` with tiny steps, so that
nothing flips and the attacks perform all updates.
"""

import math
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..attacks.settings import DOMAINS
from ..explainers.settings import LIME, explainers_of
from ..results.costs import of_job
from ..settings import merged
from .dag import Job, SongLength, absolute, snakemake, songs_of
from .load import STAGES, excerpt_seconds, kind_of, load

RUN, SONG = "probe", "synthetic-test-01"
PAGES = (
    "corpus",
    "detector",
    "classifier",
    "figure1",
)  # rules that need neither explanations nor both attacks
OF_SONG = ("spectrograms", "perturbations", "excerpts")  # stages whose memory depends on the length of the song
# Limits of the length of a song; time and memory are linear for at least four chunks of an attack.
MIN_SECONDS, MAX_SECONDS = 4.0, 60.0
UPDATE_SECONDS, MIN_UPDATES = 300, 20  # minimum work (seconds of audio times updates) and updates of the attack `steady`
TRAINED_EXCERPTS, MIN_BATCHES = 160, 8  # minimum numbers of excerpts and batches for training
MAX_PER_DIRECTION = 5  # largest number of explained excerpts


@dataclass(frozen=True)
class Cost:
    """Cost of a kind of job, linear in its work and size.

    Attributes
    ----------
    startup : float
        CPU time of start-up in seconds.
    fixed, per_work : float
        Further CPU time in seconds, constant and per unit of work.
    memory_fixed, memory_per_size : float
        Memory in MB, constant and per unit of size.
    disk_fixed, disk_per_size : float
        Size of the files in MB, constant and per unit of size.
    """

    startup: float
    fixed: float = 0.0
    per_work: float = 0.0
    memory_fixed: float = 0.0
    memory_per_size: float = 0.0
    disk_fixed: float = 0.0
    disk_per_size: float = 0.0


@dataclass(frozen=True)
class Point:
    """Measured job of a probe.

    Attributes
    ----------
    kind : str
        Kind of the job; see `veracity.planning.load.kind_of`.
    work, size : float
        Work and size of the job; see `veracity.planning.load.load`.
    startup, seconds : float
        CPU time in seconds, of start-up and of the rest.
    memory_mb, disk_mb : float
        Peak memory and size of the files in MB.
    """

    kind: str
    work: float
    size: float
    startup: float
    seconds: float
    memory_mb: float
    disk_mb: float


def measure(
    jobs: Sequence[Job],
    parts: Mapping[str, tuple[Mapping[str, Any], Mapping[str, SongLength]]],
    *,
    snakefile: Path,
    processes: int = 1,
    gpus: int = 0,
) -> dict[str, dict[str, Cost]]:
    """Measure the cost of each kind of job.

    Parameters
    ----------
    jobs : sequence of Job
        Jobs of the run.
    parts : mapping of str to tuple
        Configurations and songs by variant; see `veracity.planning.dag.parts_of`.
    snakefile : Path
        Path to the Snakefile.
    processes : int
        Number of probes that run in parallel, 1 by default and at most 2.
    gpus : int
        Number of GPUs of the machine, 0 by default. Jobs on a GPU are measured in wall time, one at a time.

    Returns
    -------
    dict of str to dict of str to Cost
        Costs by variant ("" for the base run) and kind of job; see `veracity.planning.load.kind_of`.

    Raises
    ------
    VeracityError
        If a job fails with this configuration.
    """
    chosen = {name: _chosen(config, [job for job in jobs if job.variant == name]) for name, (config, _) in parts.items()}

    def probe(size: str, folder: str) -> dict[str, list[Point]]:
        base, points = small(*parts[""], size), dict[str, list[Point]]()
        for name, own in chosen.items():
            config = small(*parts[name], size)
            if own and (not name or config != base):  # variants with the same probe as the base run have the same costs
                own = [job for job in own if job.rule in STAGES or (size == "more" and not name)]
                points[name] = _run(Path(folder, size), config, own, snakefile, gpus)
        if size == "few":
            attacks = [job for job in chosen[""] if job.rule == "perturbations"]
            points[""] += _run(Path(folder, size), small(*parts[""], "steady"), attacks, snakefile, gpus)
        return points

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1 if gpus else min(processes, 2)) as pool:
        few, more = pool.map(probe, ("few", "more"), (folder, folder))
    costs = {name: fit([*few.get(name, []), *more.get(name, [])]) for name in parts}
    # Only the base run measures attacks with enough updates.
    return {
        name: costs[""] | {kind: cost for kind, cost in own.items() if not name or not kind.startswith("perturbations")}
        for name, own in costs.items()
    }


def n_gpus(jobs: Iterable[Job]) -> int:
    """Return the number of GPUs of this machine, or 0 if no job uses one."""
    if not any(job.on_gpu for job in jobs):
        return 0
    import torch

    return torch.cuda.device_count()


def small(config: Mapping[str, Any], songs: Mapping[str, SongLength], size: str) -> dict[str, Any]:
    """Return the configuration of a probe.

    Parameters
    ----------
    config : mapping
        Complete configuration of the run.
    songs : mapping of str to Song
        Songs of the run by name.
    size : {"few", "more", "steady"}
        Name of the probe.

    Returns
    -------
    dict
        Complete configuration.
    """
    attacks, training, more = config["attacks"], config["detector"]["training"], size == "more"
    longest = min(max(song.seconds for song in songs.values()), MAX_SECONDS)
    song = max(longest if more else longest / 2, MIN_SECONDS)
    attacked = min(attacks["seconds"] or longest, longest)
    attacked = min(attacked if more else max(attacked / 2, 1.25 * excerpt_seconds(config)), song)
    of_domain: dict[str, dict[str, Any]] = {}
    for domain in DOMAINS:
        own = attacks[domain]
        of_domain[domain] = {key: min(by * own[key], 1e6) for key, by in (("eps", 100), ("eta", 100), ("alpha", 1e4))}
        n_updates = 3
        if size == "steady":
            of_domain[domain] = {"eps": 1e-12, "eta": 1e-12}
            n_updates = max(MIN_UPDATES, math.ceil(UPDATE_SECONDS / attacked))
        of_domain[domain]["max_updates"] = min(own["max_updates"], n_updates)
    n, threshold = 1, config["detector"]["threshold"]
    if more:
        n = min(max(config["excerpts"]["per_direction"], 3), MAX_PER_DIRECTION)
    n_trained = min(training["n_updates"], max(MIN_BATCHES, TRAINED_EXCERPTS // training["batch"])) if more else 1
    changes = {
        "run": RUN,
        "corpus": {
            "kind": "synthetic",
            "synthetic": {"n_train": 1, "n_valid": 1, "n_test": 1, "seconds": song},
            "words": {"sing": ["sing"], "nosing": ["nosing"]},
        },
        "detector": {
            "n_seeds": 1,
            "attacked": "seed0",
            "threshold": 0.5 if threshold is None else threshold,
            "training": {"n_updates": n_trained},
        },
        "attacks": {"splits": ["test"], "seconds": attacked, "candidates": 8 if more else 4, **of_domain},
        "excerpts": {"per_direction": n},
        "stability": {"per_direction": 1, "n_repeats": 3 if more else 1},
        "controls": {"per_direction": n, "shortcut": {"n_updates": 5 if more else 1}, "confined": {"max_updates": 2}},
    }
    stored = {one.name for one in explainers_of(config["explainers"]) if one.stored}  # exist only for the songs of the run
    explainers = [one for one in config["explainers"] if not (isinstance(one, Mapping) and one.get("name") in stored)]
    truth = {**config["truth"], "tested": [LIME], "against": ["random"], "groups": {}}
    return merged(absolute(config), changes) | {"variants": {}, "explainers": explainers, "truth": truth}


def _chosen(config: Mapping[str, Any], jobs: Iterable[Job]) -> list[Job]:
    """Return one job of each kind that can be measured, and the jobs of `PAGES`."""
    stored = {one.name for one in explainers_of(config["explainers"]) if one.stored}

    def rank(job: Job) -> tuple:
        known_cause = job.wildcards.get("control") in ("confined", "shortcut")  # may find no excerpts with few updates
        return known_cause, job.wildcards.get("domain") == "spectrogram", job.outputs

    found: dict[str, Job] = {}
    for job in sorted(jobs, key=rank):
        if job.rule in (*STAGES, *PAGES) and job.wildcards.get("explainer") not in stored:
            found.setdefault(job.rule if job.rule in PAGES else kind_of(job), job)
    return [job for job in found.values() if job.rule != "localised_attributions"]


def _run(folder: Path, config: Mapping[str, Any], jobs: Sequence[Job], snakefile: Path, gpus: int) -> list[Point]:
    """Run the jobs of a probe that correspond to the given jobs, and return their costs."""
    results, songs = folder / "results" / RUN, songs_of(config)

    def moved(path: str, job: Job) -> Path:
        parts = Path(path).parts[2:]
        inside = Path(*(parts[2:] if job.variant else parts))
        return inside.with_name(SONG + inside.suffix) if "song" in job.wildcards else inside

    targets = [str(Path("results", RUN, moved(job.outputs[0], job))) for job in jobs]
    snakemake(snakefile, folder, config, *targets, "--cores", "1", *(["--resources", "gpu=1"] if gpus else []))
    points = []
    for job in jobs:
        domain, cost = job.wildcards.get("domain"), of_job(results, moved(job.benchmark, job).relative_to("benchmarks")).iloc[0]
        attack, excerpts = (results / stage / str(domain) / f"{SONG}.h5" for stage in ("perturbations", "excerpts"))
        found = {"excerpts": _length(excerpts, "original"), "updates": _length(attack, "loss_history") - 1} if domain else {}
        work, size = load(replace(job, wildcards={**job.wildcards, "song": SONG}), config, songs, **found)
        files = [path for path in (results / moved(output, job) for output in job.outputs) if path.is_file()]
        # Perturbations after few equal steps compress too well, so their uncompressed size is used.
        disk = _n_bytes(attack) if job.rule == "perturbations" else sum(path.stat().st_size for path in files)
        seconds = (cost.s if gpus and job.on_gpu else cost.cpu_time) - cost.startup
        points.append(Point(kind_of(job), work, size, cost.startup, seconds, cost.max_rss, disk / 1e6))
    return points


def _length(path: Path, name: str) -> int:
    if not path.is_file():
        return 0
    with h5py.File(path, "r") as file:
        return len(file[name])


def _n_bytes(path: Path) -> int:
    with h5py.File(path, "r") as file:
        return sum(array.nbytes for array in file.values() if isinstance(array, h5py.Dataset))


def fit(points: Sequence[Point]) -> dict[str, Cost]:
    """Return the cost of each kind of job, fitted by lines with non-negative coefficients."""
    by_kind: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        by_kind[point.kind].append(point)
    costs = {}
    for kind, own in by_kind.items():
        memory = [point.memory_mb for point in own]
        costs[kind] = Cost(
            float(np.mean([point.startup for point in own])),
            *_line([point.work for point in own], [point.seconds for point in own]),
            *(_line([point.size for point in own], memory) if kind.split()[0] in OF_SONG else (max(memory), 0.0)),
            *_line([point.size for point in own], [point.disk_mb for point in own]),
        )
    if {"training", "spectrograms"} <= costs.keys():  # training keeps the spectrograms of all songs in memory
        costs["training"] = replace(costs["training"], memory_per_size=costs["spectrograms"].disk_per_size)
    return costs


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return intercept and slope of a line, both non-negative."""
    if max(x) == min(x):
        return float(np.mean(y)), 0.0
    slope, fixed = np.polyfit(x, y, 1)
    if slope < 0:
        return float(np.mean(y)), 0.0
    return (float(fixed), float(slope)) if fixed >= 0 else (0.0, float(np.dot(x, y) / np.dot(x, x)))
