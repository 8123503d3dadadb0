"""What a run has to do: its jobs, and the units of work of each, from configuration and songs alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..attacks.settings import DOMAINS, GPU_CHUNK_FRAMES
from ..errors import ConfigError
from ..experiments.pen.files import import_drawings
from ..explainers.settings import explainers_of
from ..songs.audio import told_length
from ..songs.corpus import SPLITS
from ..songs.corpus import songs_of as corpus_songs
from .stages import JUDGING

JAMENDO = {"train": 61, "valid": 16, "test": 16}  # songs of a corpus that is still to be downloaded
JAMENDO_SECONDS = 240.0  # of each
POOLED = "tables and figures"
PAGES = (
    "corpus",
    "detector",
    "attacks",
    "flip_rates",
    "table1",
    "table2",
    "published",
    "smallest_sets",
    "localised_rows",
    "localisation",
    "fidelity",
    "audits",
)
FIGURES = ("figure1", "figure2", "figure3", "figure4")
STUDY_PAGES = ("sampling_error", "figure_stability")
TRUTH_PAGES = (
    *("scores", "leaderboard", "contrasts", "gap", "sensitivity", "own_games", "fidelity_worth", "truths", "explainer_costs"),
    *("figure_leaderboard", "figure_explainers"),
)
OTHER_PAGES = ("listening", "controls", "compare")
OF_DETECTORS = ("imported", "training", "predictions")  # one job for each detector, not for each song
DEVICE_OF = {
    **dict.fromkeys(("training", "predictions", "perturbations", "planted"), "device"),
    **dict.fromkeys(("excerpts", "explanations", "flips", "localised", "stability", "drawings", *JUDGING), "explaining_device"),
    "controlled": "explaining_device",
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
        As `veracity.results.costs.table` names it, or `POOLED`.
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
        """Name in `veracity.planning.probes.PROBES`."""
        return f"{self.stage} {self.variant}".strip()


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
    found = [(song, told_length(song.audio)) for song in corpus_songs(corpus["kind"], corpus["folder"])]
    lengths = {split: tuple(told[0] for song, told in found if song.split == split) for split in SPLITS}
    song, told = found[0]
    return Songs(lengths, told[1], told[2], song.audio.suffix)


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
    if config["model"]["build"]:
        raise ConfigError("a plan measures the paper's detector and knows nothing of model.build: set it to null for a plan")
    every = [*_detector_work(config, songs), *_attack_work(config, songs), *_explaining_work(config, songs)]
    every[-1:-1] = _control_work(config, songs)
    return [part for part in every if part.units]


def only(works: Sequence[Work], counts: Mapping[str, int], *, assumed: bool = False) -> list[Work]:
    """Return of each stage's jobs as many as a variant of a run makes itself.

    Parameters
    ----------
    works : sequence of Work
        Of `work`, of the variant as if it were a run of its own.
    counts : mapping of str to int
        By stage, of attacks by ``perturbations waveform`` and ``perturbations spectrogram``.
    assumed : bool
        Whether the corpus is not there and one song has been counted for all: it makes all jobs of a stage, or none.
    """
    keys = [part.probe if part.stage == "perturbations" else part.stage for part in works]
    parts = [(part, counts.get(key, 0)) for part, key in zip(works, keys, strict=True)]
    if assumed:
        parts = [(part, len(part.units) if n and part.stage not in OF_DETECTORS else n) for part, n in parts]
    return [replace(part, units=part.units[:n], steps=part.steps[:n]) for part, n in parts if n]


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
    chunk_seconds = (own["chunk_frames"] or GPU_CHUNK_FRAMES) * frontend["hop_samples"] / frontend["sample_rate"]
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
    pages = (*PAGES, *FIGURES, *(STUDY_PAGES if has_study else ()), *(TRUTH_PAGES if lime["exact"] else ()))
    others = (_can_be_heard(config), config["controls"]["all"], bool(config["variants"]))
    pages += tuple(page for page, made in zip(OTHER_PAGES, others, strict=True) if made)
    read = tuple(sum(units) * len(DOMAINS) if page == "attacks" else 0.0 for page in pages)
    return [
        Work("explanations", (n_excerpts * len(lime["fills"]),) * n_pairs, counts),
        Work("flips", (n_excerpts,) * n_pairs, counts),
        Work("localised", (n_excerpts * len(config["localised"]["k"]),) * n_pairs, counts),
        Work(
            "stability",
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
        *(
            Work(stage, (units_of_one,) * n_pairs, ((1, 0), (2, 0)), variant=one.name)
            for stage, units_of_one in zip(JUDGING, (n_excerpts, n_excerpts * len(config["localised"]["k"])), strict=True)
            for one in explainers_of(config["explainers"])
            if not one.stored and (stage == JUDGING[0] or config["localised"]["explainers"])
        ),
        Work(POOLED, read, _multiples(min(2 * piece, 60)), imports="table"),
    ]


def _control_work(config: Mapping[str, Any], songs: Songs) -> list[Work]:
    own, splits, exact = config["controls"], config["attacks"]["splits"], config["lime"]["exact"]
    if not own["all"]:
        return []
    n_songs, n_taught = len(songs.of(*splits)), len(songs.of("train"))
    n_others = len(songs.of(*(split for split in splits if split != "train")))
    has_cue = "cue" in own["names"] and n_taught > 0 and n_others > 0
    n_grids = sum(name.startswith("grid_") for name in own["names"]) * exact
    asked = n_songs * ("confined" in own["names"]) + n_others * has_cue
    n_random = len(DOMAINS) * n_songs * ("random_weights" in own["names"] and exact)  # of all excerpts
    count, every = (float(2 * config[key]["per_direction"]) for key in ("controls", "excerpts"))
    return [
        Work("planted", (float(own["cue"]["n_updates"]),) * has_cue, ((1, 0), (4, 0))),
        Work("controlled", (count,) * (len(DOMAINS) * n_songs * n_grids), ((1, 0), (2, 0)), variant="grids"),
        Work("controlled", (count,) * asked + (every,) * n_random, ((1, 0), (2, 0)), variant="explainers"),
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


def _can_be_heard(config: Mapping[str, Any]) -> bool:
    return config["listening"]["per_panel"] > 0 and not config["model"]["predict"]


def device_of(stage: str, config: Mapping[str, Any]) -> str:
    """Return the name of the device that a stage works on."""
    return config[DEVICE_OF[stage]] if stage in DEVICE_OF else "cpu"
