"""What a run will cost: time, memory and disk, from the cost of each stage per unit of its work on this machine.

A job is taken to cost ``start-up + fixed + per_unit * units + per_step * steps``. Units and steps follow from configuration and
songs (`work`): seconds of audio or excerpts; updates, shapes or repeats. `veracity.probes` measures the coefficients: for each
stage a process of its own with one thread runs what the stage's script runs, at two or three sizes.

What is approximate:

- Updates of attacks, excerpts and shapes drawn are upper bounds: attacks stop when everything has flipped, songs may have fewer
  flipped excerpts, and drawing ends at the first shape that works.
- Detector and songs are not the run's own. That changes no amount of arithmetic, but how well artefacts compress and how
  many sets of segments flip. Perturbations are taken to be incompressible.
- Sizes beyond those measured (one to four minutes of a song, four excerpts) are extrapolated in a straight line; memory too,
  where a job holds all of its song or songs.
- A table or figure is taken to cost as much as one figure; of what tables read, only the perturbations count.
- Jobs have one thread each. Snakemake's own time is left out. Where a GPU works, seconds are those of the clock, and memory is
  the host's.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile

from .corpus import SPLITS, read_corpus
from .drawings import import_drawings
from .summaries import DOMAINS

JAMENDO = {"train": 61, "valid": 16, "test": 16}  # songs of a corpus that is still to be downloaded
JAMENDO_SECONDS = 240.0  # of each
POOLED = "tables and figures"
PAGES = ("detector", "attacks", "flip_rates", "table1", "table2", "localised_rows", "localisation", "fidelity", "audits")
FIGURES = ("figure1", "figure2", "figure3", "figure4")
STUDY_PAGES = ("stability", "figure_stability")
# Each stage waits for one before it, whatever the number of cores.
CHAIN = ["synthetic_corpus", "spectrograms", "imported", "training", "predictions", "perturbations", "excerpts"]
CHAIN += ["explanations", "flips", "localised", POOLED]
DEVICE_OF = {
    **dict.fromkeys(("training", "predictions", "perturbations"), "device"),
    **dict.fromkeys(("excerpts", "explanations", "flips", "localised", "stability_study", "drawings"), "explaining_device"),
}  # configuration key, by stage; the others work on the CPU


@dataclass(frozen=True)
class Songs:
    """Lengths of the songs of a corpus, and how they are stored.

    Attributes
    ----------
    seconds : dict of str to tuple of float
        Of each song, by split.
    sample_rate, channels : int
        Of the audio files.
    suffix : str
        ``.flac``, ``.ogg`` and so on.
    assumed : bool
        Whether the corpus is still to be downloaded and this is what Jamendo's holds.
    """

    seconds: dict[str, tuple[float, ...]]
    sample_rate: int
    channels: int
    suffix: str
    assumed: bool = False

    def of(self, *splits: str) -> tuple[float, ...]:
        """Return the lengths of the songs of some splits, in seconds."""
        return tuple(seconds for split in SPLITS if split in splits for seconds in self.seconds[split])


@dataclass(frozen=True)
class Work:
    """The jobs of one stage.

    Attributes
    ----------
    stage : str
        As `veracity.summaries.costs_table` names it, or `POOLED`.
    units : tuple of float
        Of each job: seconds of audio, or excerpts, games or rows that are explained.
    sizes : tuple of (float, float)
        Units and steps at which the cost is measured: small, large, and, where there are steps, small with more steps.
    steps : tuple of float
        Of each job: updates, updates times units, shapes, or fits; empty where a stage has none.
    variant : str
        Parts jobs of one stage that are measured separately.
    imports : {"torch", "table"}
        What the stage's script imports.
    holds_all : bool
        Whether a job holds all of its units in memory at a time; if not, its memory is the most that was measured.
    """

    stage: str
    units: tuple[float, ...]
    sizes: tuple[tuple[float, float], ...]
    steps: tuple[float, ...] = ()
    variant: str = ""
    imports: str = "torch"
    holds_all: bool = False

    @property
    def probe(self) -> str:
        """Name in `veracity.probes.PROBES`."""
        return f"{self.stage} {self.variant}".strip()


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


def songs_of(config: Mapping[str, Any]) -> Songs:
    """Tell the lengths of the songs that a configuration names; Jamendo's where they are still to be downloaded.

    Raises
    ------
    CorpusError
        When the corpus cannot be used.
    """
    corpus = config["corpus"]
    if corpus["kind"] == "synthetic":
        own = corpus["synthetic"]
        lengths = {split: (float(own["seconds"]),) * own[f"n_{split}"] for split in SPLITS}
        return Songs(lengths, config["frontend"]["sample_rate"], 1, ".flac")
    if corpus["url"] and not Path(corpus["folder"]).is_dir():
        return Songs({split: (JAMENDO_SECONDS,) * n for split, n in JAMENDO.items()}, 44100, 2, ".ogg", assumed=True)
    found = [(song, soundfile.info(song.audio)) for song in read_corpus(corpus["folder"])]
    lengths = {split: tuple(info.duration for song, info in found if song.split == split) for split in SPLITS}
    song, info = found[0]
    return Songs(lengths, info.samplerate, info.channels, song.audio.suffix)


def work(config: Mapping[str, Any], songs: Songs) -> list[Work]:
    """Count the jobs of the target ``all``, and the units of each.

    Parameters
    ----------
    config : mapping
        The whole configuration.
    songs : Songs

    Returns
    -------
    list of Work
        In the order of the DAG; stages without jobs are left out.
    """
    every = [*_detector_work(config, songs), *_attack_work(config, songs), *_explaining_work(config, songs)]
    return [part for part in every if part.units]


def _detector_work(config: Mapping[str, Any], songs: Songs) -> list[Work]:
    own, given = config["detector"], bool(config["detector"]["checkpoint"])
    n_corpora, n_trained = int(config["corpus"]["kind"] == "synthetic"), 0 if given else own["n_seeds"]
    decoded = songs.of("valid", "test", *config["attacks"]["splits"], *([] if given else ["train"]))
    corpus, trained, scored = songs.of(*SPLITS), sum(songs.of("train")), songs.of("valid", "test")
    least = _least(config)
    some = max(min(trained, 1200.0), 6 * least)
    return [
        Work("synthetic_corpus", (sum(corpus),) * n_corpora, _multiples(min(max(corpus, default=least), 60)), imports="table"),
        Work("spectrograms", decoded, _halves(max(min(max(decoded, default=0.0), 240.0), 2 * least)), holds_all=True),
        Work("imported", (0.0,) * given, ((0, 0), (1, 0))),
        Work(
            "training",
            (trained,) * n_trained,
            ((some / 6, 1), (some, 1), (some / 6, 5)),
            steps=(own["training"]["n_updates"],) * n_trained,
            holds_all=True,
        ),
        Work("predictions", (sum(scored),) * (n_trained or 1), _multiples(min(max(scored, default=least), 120))),
    ]


def _attack_work(config: Mapping[str, Any], songs: Songs) -> list[Work]:
    own, units, piece = config["attacks"], *_attacked(config, songs)
    return [
        *(
            Work(
                "perturbations",
                units,
                ((piece, 0), (2 * piece, 0), (piece, 2 * piece)),
                steps=tuple(own[domain]["max_updates"] * size for size in units),
                variant=domain,
                holds_all=True,
            )
            for domain in DOMAINS
        ),
        Work("excerpts", units * len(DOMAINS), _halves(min(2 * piece, 60)), holds_all=True),
    ]


def _attacked(config: Mapping[str, Any], songs: Songs) -> tuple[tuple[float, ...], float]:
    """Return what is attacked of each song (seconds, or excerpts), and how much of it is measured at the least."""
    own, frontend = config["attacks"], config["frontend"]
    chunk_seconds = own["chunk_frames"] * frontend["hop_samples"] / frontend["sample_rate"]
    lengths = songs.of(*own["splits"])
    if own["scope"] == "excerpt":
        return (float(own["candidates"]),) * len(lengths), max(1.0, min(own["candidates"] / 2, 16.0))
    units = tuple(min(seconds, own["seconds"] or seconds) for seconds in lengths)
    # A chunk is the most that the detector is run on at once; what is longer costs memory for the song alone.
    return units, max(_least(config), min(max(units, default=0.0) / 2, chunk_seconds))


def _explaining_work(config: Mapping[str, Any], songs: Songs) -> list[Work]:
    lime, study = config["lime"], config["stability"]
    units, piece = _attacked(config, songs)
    n_songs, n_pairs = len(units), len(units) * len(DOMAINS)
    most = min(units) if units and config["attacks"]["scope"] == "excerpt" else math.inf
    n_excerpts, n_studied = (min(2 * config[key]["per_direction"], most) for key in ("excerpts", "stability"))
    has_study = bool(study["n_samples"]) and lime["exact"]
    folder, counts = config["drawings"]["folder"], ((1, 0), (4, 0))
    shape = {"n_frames": config["frontend"]["excerpt_frames"], "n_mels": config["frontend"]["n_mels"]}
    n_shapes = len(config["drawings"]["shapes"]) + (len(import_drawings(folder, **shape)) if folder else 0)
    pages = (*PAGES, *FIGURES, *(STUDY_PAGES if has_study else ()))
    read = tuple(sum(units) * len(DOMAINS) if page == "attacks" else 0.0 for page in pages)
    return [
        Work("explanations", (n_excerpts * len(lime["fills"]),) * n_pairs, counts),
        Work("flips", (n_excerpts,) * n_pairs, counts),
        Work("localised", (n_excerpts * len(config["localised"]["k"]),) * n_pairs, counts),
        Work(
            "stability_study",
            (min(n_studied, n_excerpts),) * (n_pairs * has_study),
            ((1, 1), (2, 2), (1, 5)),
            steps=(min(n_studied, n_excerpts) * study["n_repeats"],) * (n_pairs * has_study),
        ),
        Work(
            "drawings",
            songs.of(*config["attacks"]["splits"]),
            ((10, 1), (60, 1), (10, 5)),
            steps=(n_shapes,) * n_songs,
            holds_all=True,
        ),
        Work(POOLED, read, _multiples(min(2 * piece, 60)), imports="table"),
    ]


def _least(config: Mapping[str, Any]) -> float:
    """Return seconds of audio that hold an excerpt, with something to spare."""
    frontend = config["frontend"]
    return 1.25 * frontend["excerpt_frames"] * frontend["hop_samples"] / frontend["sample_rate"]


def _halves(size: float) -> tuple[tuple[float, float], ...]:
    return (size / 2, 0), (size, 0)


def _multiples(each: float) -> tuple[tuple[float, float], ...]:
    """One and two items of a size, which stands in the place of steps."""
    return (each, each), (2 * each, each)


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
    """A run in a few numbers; `wall_seconds` is the least that so many cores and GPUs can take."""

    jobs: int
    cores: int
    gpus: int
    cpu_seconds: float
    work_percent: float
    wall_seconds: float
    chain_seconds: float
    peak_memory_mb: float
    disk_mb: float


def device_of(stage: str, config: Mapping[str, Any]) -> str:
    """Return the name of the device that a stage works on."""
    return config[DEVICE_OF[stage]] if stage in DEVICE_OF else "cpu"


def summarise(plan: pd.DataFrame, *, cores: int, gpus: int = 0, gpu_stages: Collection[str] = ()) -> Summary:
    """Sum a plan up.

    Parameters
    ----------
    plan : DataFrame
        Of `predict`.
    cores : int
        Jobs that run at a time.
    gpus : int
        Of these, jobs on a GPU; 0 where the CPU does all the work.
    gpu_stages : collection of str
        Stages that work on a GPU.
    """
    seconds = plan.cpu_seconds.sum()
    chain = plan[plan.stage.isin(CHAIN)].longest_job_seconds.sum()
    on_gpus = plan[plan.stage.isin(gpu_stages)].cpu_seconds.sum() / gpus if gpus else 0.0
    return Summary(
        jobs=int(plan.jobs.sum()),
        cores=cores,
        gpus=gpus,
        cpu_seconds=seconds,
        work_percent=100 * (1 - plan.startup_seconds.sum() / seconds),
        wall_seconds=max(seconds / cores, chain, on_gpus),
        chain_seconds=chain,
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
        Of `veracity.summaries.costs_table`.

    Returns
    -------
    DataFrame
        One row for each stage of either: jobs, CPU seconds, peak memory and disk, ``_planned`` and ``_measured`` (NaN where the
        stage is absent), and the ratios planned / measured ``cpu_ratio``, ``memory_ratio`` and ``disk_ratio``.
    """
    pooled = dict.fromkeys((*PAGES, *FIGURES, *STUDY_PAGES), POOLED)
    columns = {"jobs": "sum", "cpu_seconds": "sum", "peak_memory_mb": "max", "disk_mb": "sum"}
    measured = costs.assign(stage=costs.stage.replace(pooled)).groupby("stage", sort=False).agg(columns).reset_index()
    both = plan[["stage", *columns]].merge(measured, on="stage", how="outer", sort=False, suffixes=("_planned", "_measured"))
    for ratio, column in {"cpu_ratio": "cpu_seconds", "memory_ratio": "peak_memory_mb", "disk_ratio": "disk_mb"}.items():
        both[ratio] = both[f"{column}_planned"] / both[f"{column}_measured"].where(both[f"{column}_measured"] > 0)
    return both


def as_page(plan: pd.DataFrame) -> pd.DataFrame:
    """Arrange `predict` for reading."""
    return pd.DataFrame(
        {
            "stage": plan.stage,
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
        f"at least {as_time(summary.wall_seconds)} on {where} (the longest chain of jobs: {as_time(summary.chain_seconds)}); "
        f"{summary.disk_mb / 1000:.3g} GB on disk; {summary.peak_memory_mb / 1000:.3g} GB of memory for the largest job. "
        "Updates, excerpts and drawings are upper bounds: attacks stop when everything has flipped, songs may have fewer "
        "excerpts. The wall time is a lower bound: all cores are busy until the end."
    )
    if songs.assumed:
        counts = ", ".join(f"{len(lengths)} {split}" for split, lengths in songs.seconds.items())
        words += f" The corpus is not there: assumed are songs of {JAMENDO_SECONDS:.0f} s ({counts}), as Jamendo has."
    return words
