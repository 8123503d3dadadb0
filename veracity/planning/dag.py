"""The jobs of a run as a dry run of Snakemake lists them, and the lengths of the songs that they work on."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import VeracityError
from ..songs.audio import told_length
from ..songs.corpus import SPLITS
from ..songs.corpus import songs_of as corpus_songs
from ..songs.synthesis import SynthesisSettings, song_names

JAMENDO = {"train": 61, "valid": 16, "test": 16}  # songs of a corpus that is still to be downloaded
JAMENDO_SECONDS = 240.0  # of each
PATHS = (("corpus", "folder"), ("detector", "checkpoint"), ("drawings", "folder"))  # keys that hold paths
# A job in the output of a dry run, and one of its lines.
BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job of a run; `rule` is without the name of its variant, and `variant` is "" for the base run.

    Attributes
    ----------
    rule, variant, benchmark : str
    wildcards : mapping of str to str
    inputs, outputs : tuple of str
    threads : int
    priority : float
    on_gpu : bool
        Whether the job takes a GPU, if the machine has one.
    """

    rule: str
    variant: str = ""
    benchmark: str = ""
    wildcards: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    threads: int = 1
    priority: float = 0.0
    on_gpu: bool = False


@dataclass(frozen=True)
class Song:
    """Split and length in seconds of a song."""

    split: str
    seconds: float


def is_assumed(config: Mapping[str, Any]) -> bool:
    """Return whether the corpus is still to be downloaded."""
    corpus = config["corpus"]
    return corpus["kind"] != "synthetic" and bool(corpus["url"]) and not Path(corpus["folder"]).is_dir()


def songs_of(config: Mapping[str, Any]) -> dict[str, Song]:
    """Return the songs of a corpus by name; as many and as long as Jamendo's if it is still to be downloaded.

    Raises
    ------
    CorpusError
        When the corpus cannot be used.
    """
    corpus = config["corpus"]
    if corpus["kind"] == "synthetic":
        settings = SynthesisSettings(**corpus["synthetic"], sample_rate=config["frontend"]["sample_rate"])
        return {name: Song(split, settings.seconds) for split, names in song_names(settings).items() for name in names}
    if is_assumed(config):
        return {f"assumed-{split}-{i}": Song(split, JAMENDO_SECONDS) for split, n in JAMENDO.items() for i in range(n)}
    found = corpus_songs(corpus["kind"], corpus["folder"])
    return {song.name: Song(song.split, told_length(song.audio)[0]) for song in found}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with changes merged over it: mappings key by key, all else replaced."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        result[key] = merged(base[key], value) if both else value
    return result


def parts_of(config: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Song]]]:
    """Return whole configuration and songs of the base run ("") and of each variant, by name."""
    configs = {"": dict(config)} | {name: merged(config, changes) for name, changes in config["variants"].items()}
    songs = songs_of(config)
    return {name: (own, songs if own["corpus"] == config["corpus"] else songs_of(own)) for name, own in configs.items()}


def absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, or that of a variant, with paths that do not depend on the working directory."""
    result = dict(config)
    for key, name in PATHS:
        if result.get(key, {}).get(name):
            result[key] = {**result[key], name: os.path.abspath(result[key][name])}  # noqa: PTH100 (links stay)
    for key in {"explainers"} & result.keys():
        result[key] = [_absolute_explainer(one) for one in result[key]]
    for key in {"variants"} & result.keys():
        result[key] = {name: absolute(changes) for name, changes in result[key].items()}
    return result


def _absolute_explainer(one: Any) -> Any:
    stored = one.get("stored") if isinstance(one, Mapping) else None
    return {**one, "stored": os.path.abspath(stored)} if stored else one  # noqa: PTH100


def snakemake(snakefile: Path, folder: Path, config: Mapping[str, Any], *arguments: str) -> str:
    """Run Snakemake with a configuration in a folder of its own, and return its output.

    Raises
    ------
    VeracityError
        When Snakemake fails; with the message of the job that failed, if there is one.
    """
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    where = ["--snakefile", str(snakefile), "--directory", str(folder), "--configfile", str(file), "--nocolor"]
    modules = [os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]  # noqa: PTH100
    # On this machine, whatever profile the user has.
    environment = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
    done = subprocess.run(  # noqa: S603 (this project)
        [sys.executable, "-m", "snakemake", *arguments, *where],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment | {"PYTHONPATH": os.pathsep.join(modules)},
        check=False,
    )
    if done.returncode:
        text = f"{done.stdout}\n{done.stderr}"
        rule = re.search(r"^Error in (rule \w+)", text, re.MULTILINE)
        # A job's own sentence in its log, which is shown; Snakemake's; or the last line.
        why = re.search(r"^error: (.+)$|^\w+(?:Error|Exception).*:\n(.+)$", text, re.MULTILINE) or re.search(
            r"(.*)()\s*$", text
        )
        raise VeracityError(f"plan: {rule[1] if rule else 'the run'} cannot be measured: {(why[1] or why[2]) if why else ''}")
    return done.stdout


def jobs_of(config: Mapping[str, Any], *, snakefile: Path, folder: Path, cores: int) -> list[Job]:
    """Return all jobs of the target ``all``, including those that are done.

    Parameters
    ----------
    config : mapping
        The whole configuration.
    snakefile : Path
    folder : Path
        Folder for temporary files.
    cores : int
        Number of cores of the run, on which the threads of its jobs depend.
    """
    config = absolute(config)
    if is_assumed(config):
        _write_stand_in(folder / "assumed", songs_of(config))
        config = {**merged(config, {"corpus": {"folder": str(folder / "assumed")}}), "truth": {**config["truth"], "groups": {}}}
    shown = snakemake(snakefile, folder, config, "--dry-run", "all", "--cores", str(cores), "--quiet", "host")
    return [_job(name, dict(LINE.findall(lines))) for name, lines in BLOCK.findall(shown) if name != "all"]


def _job(name: str, lines: Mapping[str, str]) -> Job:
    def parts(key: str) -> tuple[str, ...]:
        return tuple(re.sub(r" \(\w+\)$", "", part) for part in lines.get(key, "").split(", ") if part)

    variant, _, rule = name.rpartition("__")
    return Job(
        rule=rule,
        variant=variant,
        benchmark=lines.get("benchmark", ""),
        wildcards={key: value for key, _, value in (part.partition("=") for part in parts("wildcards"))},
        inputs=parts("input"),
        outputs=parts("output"),
        threads=int(lines.get("threads", 1)),
        priority=float(lines.get("priority", 0)),
        on_gpu="gpu=1" in parts("resources"),
    )


def _write_stand_in(folder: Path, songs: Mapping[str, Song]) -> None:
    """Write a corpus of empty files in the layout of Jamendo."""
    for part in ("audio", "labels", "filelists"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in songs:
        (folder / "audio" / f"{name}.ogg").touch()
        (folder / "labels" / f"{name}.lab").touch()
    for split in SPLITS:
        names = [f"{name}.ogg\n" for name, song in songs.items() if song.split == split]
        (folder / "filelists" / split).write_text("".join(names), encoding="utf-8")
