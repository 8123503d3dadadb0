"""Jobs of a run, as listed by a dry run of Snakemake, and the amount of work of each."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import VeracityError
from ..songs.audio import claimed_length
from ..workflow.configuration import defaults
from ..workflow.runs import Run
from ..workflow.stages import stages_of

POOLED = "tables and figures"
#: Rules of computations; all other rules write tables and figures.
STAGES = tuple(name for name in stages_of(defaults()) if name not in ("classifier", "tuning_runs"))
PASSES = 2  # work of an attack beyond its updates, in updates: the last gradient and the predictions
# Patterns of a job in the output of a dry run, and of one of its lines.
BLOCK = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """Job of a run, as Snakemake describes it."""

    rule: str
    variant: str = ""  # empty for the base run
    benchmark: str = ""  # path
    wildcards: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    threads: int = 1
    priority: float = 0.0
    on_gpu: bool = False  # if the machine has one

    @property
    def kind(self) -> str:
        """Kind of the job; the costs of jobs of one kind differ only by their work."""
        if self.rule == "perturbations":
            return f"perturbations {self.wildcards['domain']}"
        if self.rule in ("attributions", "localised_attributions"):
            return f"attributions {self.wildcards['explainer']}"
        if self.rule == "controlled":
            return f"controlled {'grids' if self.wildcards['control'].startswith('grid_') else 'explainers'}"
        if self.rule in STAGES:
            return self.rule
        return "figure" if any(path.endswith(".png") for path in self.outputs) else "table"


def snakemake(config: Mapping[str, Any], snakefile: Path, *arguments: str, folder: Path = Path()) -> str:
    """Run Snakemake with a complete configuration in a folder, by default the current one, and return its output.

    VeracityError is raised if Snakemake fails. The message contains that of the failed job if there is one.
    """
    modules = [os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]  # noqa: PTH100
    # The profile of the user is ignored, so that jobs run on this machine.
    environment = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        where = ["--snakefile", str(snakefile), "--directory", str(folder), "--configfile", file.name, "--nocolor"]
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
        why = re.search(r"^error: (.+)$|^\w+(?:Error|Exception).*:\n(.+)$|(.*)\s*\Z", text, re.MULTILINE)
        reason = next(filter(None, why.groups()), "").rstrip(" .") if why else ""
        raise VeracityError(f"plan: {rule[1] if rule else 'the run'} cannot be measured. {reason}.")
    return done.stdout


def jobs_of(config: Mapping[str, Any], snakefile: Path, *, cores: int = 1, folder: Path = Path()) -> list[Job]:
    """Return all jobs of the target ``all``, including those of variants and those that are up to date.

    Numbers of threads depend on `cores`. Other parameters and errors are those of `snakemake`.
    """
    arguments = ("--dry-run", "--forceall", "all", "--cores", str(cores), "--quiet", "host")
    shown = snakemake(config, snakefile, *arguments, folder=folder)
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


def lengths_of(run: Run) -> dict[str, float]:
    """Return the lengths of the songs of a run in seconds, by name."""
    if run.is_synthetic:
        return dict.fromkeys(run.songs, run.config["corpus"]["synthetic"]["seconds"])
    return {song.name: claimed_length(song.audio)[0] for song in run.songs.values()}


def load(
    job: Job, run: Run, lengths: Mapping[str, float], *, excerpts: int | None = None, updates: int | None = None
) -> tuple[float, float]:
    """Return the work of a job, which determines its time, and its size, which determines its memory and files.

    Both are excerpts, games or seconds of audio. The work of an attack is the length in seconds times the number of updates;
    that of training and of the shortcut detector is the number of updates. `lengths` are those of the songs in seconds.
    `excerpts` and `updates` are numbers of explained excerpts and of updates of an attack, by default the maxima of the
    configuration.
    """
    config, attacks, controls = run.config, run.config["attacks"], run.config["controls"]
    controlled = 2 * controls["per_direction"]
    seconds = lengths.get(job.wildcards.get("song", ""), 0.0)
    attacked, n = min(seconds, attacks["seconds"] or seconds), 2 * config["excerpts"]["per_direction"]
    if attacks["scope"] == "excerpt":
        attacked, n = attacks["candidates"] * run.settings.frontend.excerpt_seconds, min(n, attacks["candidates"])
    n = n if excerpts is None else excerpts
    if job.rule == "perturbations":
        updates = attacks[job.wildcards["domain"]]["max_updates"] if updates is None else updates
        return attacked * (updates + PASSES), attacked
    if job.rule == "training":
        return config["detector"]["training"]["n_updates"], sum(lengths[name] for name in run.names("train"))
    n_games, stability = n * len(config["localised"]["k"]), config["stability"]
    work = {
        "synthetic_corpus": sum(lengths.values()),
        "spectrograms": seconds,
        "predictions": sum(lengths[name] for name in run.names("valid", "test")),
        "excerpts": attacked,
        "explanations": n * len(config["lime"]["fills"]),
        "flips": n,
        "localised": n_games,
        "stability": min(n, 2 * stability["per_direction"]) * (stability["n_repeats"] + 2),  # all masks: as long as two fits
        "attributions": n,
        "localised_attributions": n_games,
        "shortcut_detector": controls["shortcut"]["n_updates"],
        "controlled": 2 * controlled if job.wildcards.get("control") == "shortcut" else min(n, controlled),
    }.get(job.rule, 0.0)
    return work, work
