"""Jobs of a run, as listed by a dry run of Snakemake, and lengths of its songs."""

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
from ..settings import merged
from ..songs.audio import claimed_length
from ..songs.corpus import SPLITS
from ..songs.corpus import songs_of as corpus_songs
from ..songs.synthesis import SynthesisSettings, song_names

JAMENDO = {"train": 61, "valid": 16, "test": 16}  # assumed numbers of songs of a corpus that has not been downloaded
JAMENDO_SECONDS = 240.0  # assumed length of each song
PATHS = (("corpus", "folder"), ("detector", "checkpoint"), ("drawings", "folder"))  # configuration keys whose values are paths
# Patterns of a job in the output of a dry run, and of one of its lines.
BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """Job of a run.

    Attributes
    ----------
    rule : str
        Name of the rule without that of the variant.
    variant : str
        Name of the variant; "" for the base run.
    benchmark : str
        Path of the benchmark file.
    wildcards : mapping of str to str
        Values of the wildcards by name.
    inputs, outputs : tuple of str
        Paths of the inputs and outputs.
    threads : int
        Number of threads.
    priority : float
        Priority of the job in the schedule.
    on_gpu : bool
        Whether the job uses a GPU if the machine has one.
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
class SongLength:
    """Split and length of a song.

    Attributes
    ----------
    split : str
        Split of the corpus.
    seconds : float
        Length in seconds.
    """

    split: str
    seconds: float


def is_assumed(config: Mapping[str, Any]) -> bool:
    """Return whether the corpus has not been downloaded, so that its songs are assumed."""
    corpus = config["corpus"]
    return corpus["kind"] != "synthetic" and bool(corpus["url"]) and not Path(corpus["folder"]).is_dir()


def songs_of(config: Mapping[str, Any]) -> dict[str, SongLength]:
    """Return the songs of a corpus by name.

    If the corpus has not been downloaded, number and length of the songs are those of Jamendo.

    Parameters
    ----------
    config : mapping
        Complete configuration.

    Returns
    -------
    dict of str to Song
        Songs by name.

    Raises
    ------
    CorpusError
        If the corpus cannot be read.
    """
    corpus = config["corpus"]
    if corpus["kind"] == "synthetic":
        settings = SynthesisSettings(**corpus["synthetic"], sample_rate=config["frontend"]["sample_rate"])
        return {name: SongLength(split, settings.seconds) for split, names in song_names(settings).items() for name in names}
    if is_assumed(config):
        return {f"assumed-{split}-{i}": SongLength(split, JAMENDO_SECONDS) for split, n in JAMENDO.items() for i in range(n)}
    found = corpus_songs(corpus["kind"], corpus["folder"])
    return {song.name: SongLength(song.split, claimed_length(song.audio)[0]) for song in found}


def parts_of(config: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, SongLength]]]:
    """Return the complete configuration and the songs of the base run and of each variant.

    Parameters
    ----------
    config : mapping
        Complete configuration of the base run.

    Returns
    -------
    dict of str to (dict, dict of str to Song)
        Configurations and songs by name of the variant; "" for the base run.
    """
    configs = {"": dict(config)} | {name: merged(config, changes) for name, changes in config["variants"].items()}
    songs = songs_of(config)
    return {name: (own, songs if own["corpus"] == config["corpus"] else songs_of(own)) for name, own in configs.items()}


def absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, or the changes of a variant, in which all paths are absolute."""
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
    """Run Snakemake with a configuration in a separate working directory, and return its output.

    Parameters
    ----------
    snakefile : Path
        Path to the Snakefile.
    folder : Path
        Working directory, which is created if necessary.
    config : mapping
        Complete configuration.
    *arguments : str
        Further arguments of Snakemake.

    Returns
    -------
    str
        Standard output of Snakemake.

    Raises
    ------
    VeracityError
        If Snakemake fails. The message contains that of the failed job if there is one.
    """
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    where = ["--snakefile", str(snakefile), "--directory", str(folder), "--configfile", str(file), "--nocolor"]
    modules = [os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]  # noqa: PTH100
    # The profile of the user is ignored, so that jobs run on this machine.
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
        # The error in the log of the job, the error of Snakemake, or the last line.
        why = re.search(r"^error: (.+)$|^\w+(?:Error|Exception).*:\n(.+)$", text, re.MULTILINE) or re.search(
            r"(.*)()\s*$", text
        )
        reason = ((why[1] or why[2]) if why else "").rstrip(" .")
        raise VeracityError(f"plan: {rule[1] if rule else 'the run'} cannot be measured. {reason}.")
    return done.stdout


def jobs_of(config: Mapping[str, Any], *, snakefile: Path, folder: Path, cores: int) -> list[Job]:
    """Return all jobs of the target ``all``, including those that are up to date.

    Parameters
    ----------
    config : mapping
        Complete configuration.
    snakefile : Path
        Path to the Snakefile.
    folder : Path
        Folder for temporary files.
    cores : int
        Number of cores of the run, on which the numbers of threads depend.

    Returns
    -------
    list of Job
        Jobs of the base run and of all variants.

    Raises
    ------
    VeracityError
        If the dry run fails.
    """
    config = absolute(config)
    if is_assumed(config):
        _write_stand_in(folder / "assumed", songs_of(config))
        config = {
            **merged(config, {"corpus": {"folder": str(folder / "assumed")}}),
            "truth": {**config["truth"], "groups": {}},
        }
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


def _write_stand_in(folder: Path, songs: Mapping[str, SongLength]) -> None:
    """Write a corpus of empty files in the Jamendo layout."""
    for part in ("audio", "labels", "filelists"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in songs:
        (folder / "audio" / f"{name}.ogg").touch()
        (folder / "labels" / f"{name}.lab").touch()
    for split in SPLITS:
        names = [f"{name}.ogg\n" for name, song in songs.items() if song.split == split]
        (folder / "filelists" / split).write_text("".join(names), encoding="utf-8")
