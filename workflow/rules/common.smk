# Definitions for all rules: the validated configuration, paths of artefacts, and parameters whose change re-runs a job.
import itertools
import os
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from veracity.attacks.settings import DOMAINS
from veracity.errors import VeracityError
from veracity.experiments.controlled import KNOWN_CAUSE, SHORTCUT
from veracity.jobs.usage import warnings_of
from veracity.labels import BASE
from veracity.songs.corpus import SPLITS
from veracity.workflow.code import code_digest
from veracity.workflow.configuration import check_files
from veracity.workflow.copied import mark, refuse_copied
from veracity.workflow.digests import save_memories
from veracity.workflow.runs import COMPARED, runs_of
from veracity.workflow.stages import above
from veracity.workflow.threads import threads_of

STARTED = time.time()
SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
# The Snakefile names the module of a variant variant__<name>; in the base run, Snakemake leaves __name__ empty.
VARIANT = (__name__ or "").removeprefix("variant__")
BASE_CONFIG = config["base"] if VARIANT else config

try:
    if not VARIANT:
        check_files(workflow.configfiles)
    RUNS = runs_of(BASE_CONFIG)  # the base run is named ""
    RUN = RUNS[VARIANT]
    if workflow.is_main_process:
        refuse_copied(RUN)
except VeracityError as error:
    raise WorkflowError(str(error)) from None

config = RUN.config  # complete: with the defaults of keys that are not given
# Folder of the run, and the function that builds a custom classifier, if any.
RESULTS, BUILD = RUN.folder, RUN.build
SHORTCUT_DETECTOR = f"{RESULTS}/shortcut_detector/shortcut.pt"


def mark_all():
    """Record in the folders of all runs that Snakemake has written their files here; called before and after a run."""
    for run in RUNS.values():
        if Path(run.folder).is_dir():
            mark(run)


def tell_warnings():
    """Print the warnings of all jobs at the end of a run."""
    for run in RUNS.values():
        if found := warnings_of(run.folder, since=STARTED):
            print(f"\n{len(found)} warnings (from {run.folder}/logs):", *found, sep="\n  ", file=sys.stderr)


wildcard_constraints:
    song="[a-z0-9]+(-[a-z0-9]+)*",
    domain="waveform|spectrogram",
    detector="checkpoint|seed[0-9]+",
    explainer="[a-z][a-z0-9_]*",
    control="confined|shortcut|random_weights|grid_[a-z0-9]+",
    setting="eps[0-9.e-]+_eta[0-9.e-]+_alpha[0-9.e-]+",


def as_it_is(value):
    """Return a parameter that Snakemake does not format, even if it contains braces."""
    return lambda wildcards: value


def untracked(value):
    """Return a parameter whose change re-runs nothing: Snakemake does not compare parameters that depend on outputs."""
    return lambda wildcards, output: value


def code(*scripts):
    """Return a parameter with digests of scripts and of all modules that they import, without comments and docstrings."""
    return lambda wildcards: [code_digest(SCRIPTS / f"{script}.py") for script in scripts]


def code_of(stage):
    """Return the parameter `code` of a stage: digests of its script and of those of the stages above.

    Those above are included because Snakemake removes the output of a failed job, and does not recompute it while the files
    made from it exist.
    """
    return code(stage, *sorted(above(RUN.stages, stage)))


def uses(stage):
    """Return a parameter with everything except code that determines an artefact of a stage.

    These are the keys of the stage, digests of files from outside, and the same of the stages above (for the reason in
    `code_of`).
    """
    return lambda wildcards: RUN.settings_of(stage, **dict(wildcards.items()))


def names_of(stage):
    """Return the pattern for the names of the artefacts of a stage, such as flips/{domain}/{song}."""
    return str(Path(stage, *(f"{{{name}}}" for name in RUN.stages[stage].named_by)))


def log_of(names):
    return f"{RESULTS}/logs/{names}.log"


def benchmark_of(names):
    return f"{RESULTS}/benchmarks/{names}.tsv"


def made(stage, **names):
    """Return an input function for the artefact of a stage with the wildcards of the job, some replaced by `names`.

    `Run.path` returns the path in the folder of the first run with equal settings of the artefact. A variant thus reads the
    file of the base run or of an earlier variant, whose rules compute it.
    """
    return lambda wildcards: RUN.path(stage, **{**dict(wildcards.items()), **names})


def all_of(stage):
    """Return an input function for all artefacts of a stage that tables and figures read."""
    return lambda wildcards: RUN.paths(stage)


def spectrograms_of(names):
    """Return an input function for the spectrograms of the given songs."""
    return lambda wildcards: [RUN.path("spectrograms", song=name) for name in names]


def song_files(wildcards):
    """Return the audio and labels of a song as named inputs."""
    if wildcards.song not in RUN.songs:  # because an error raised here would show a traceback
        missing = f"corpus.folder: folder is missing, got {config['corpus']['folder']}. Set it, or run the target download."
        return {"audio": f"({f'song: not in the corpus, got {wildcards.song}. Correct the name.' if RUN.songs else missing})"}
    song = RUN.songs[wildcards.song]
    return {"audio": str(song.audio), **({"labels": str(song.labels)} if song.labels else {})}


def audio_of(names):
    """Return the paths of the audio of the given songs."""
    return [str(RUN.songs[name].audio) for name in names if name in RUN.songs]


def read_by_control(wildcards):
    """Return the named inputs of a control."""
    read = {name: path(wildcards) for name, path in ATTACKED.items()}
    if wildcards.control in KNOWN_CAUSE:
        read["audio"] = song_files(wildcards)["audio"]
        return read | ({"shortcut_detector": SHORTCUT_DETECTOR} if wildcards.control == SHORTCUT else {})
    stages = ("excerpts", "flips") if wildcards.control == "random_weights" else ("excerpts",)
    return read | {stage: RUN.path(stage, domain=wildcards.domain, song=wildcards.song) for stage in stages}


def tuning_runs_of_all(wildcards):
    """Return the paths of the results of all attack settings on all validation songs."""
    return [
        f"{RESULTS}/tuning_runs/{domain}/eps{eps}_eta{eta}_alpha{alpha}/{song}.json"
        for domain in DOMAINS
        for eps, eta, alpha in itertools.product(*(config["tuning"][domain][name] for name in ("eps", "eta", "alpha")))
        for song in RUN.names("valid")
    ]


def gpus(device):
    """Return the number of GPUs of a job, given the configuration key of its device."""
    return int(config[device] != "cpu")


def growing(amount):
    """Return a resource that increases with each attempt, for profiles with retries."""
    return lambda wildcards, attempt: amount * attempt


def threads_for(stage):
    return lambda wildcards: threads_of(RUN, stage, workflow.cores or 1)


def longest_first(wildcards):
    """Return a priority from 1 to 2 that increases with the size of the audio file, so that long attacks start first."""
    song = RUN.songs.get(wildcards.song)
    size = os.path.getsize(song.audio) if song and os.path.isfile(song.audio) else 0
    return 2 - 1 / (1 + size / 1e7)


# Inputs for the attacked model: detector and predictions (for its threshold). A custom classifier is built in each job.
ATTACKED = (
    {}
    if BUILD
    else {
        "detector": lambda wildcards: RUN.detector_path(RUN.attacked),
        "predictions": lambda wildcards: RUN.path("predictions", detector=RUN.attacked),
    }
)
# Parameters of jobs that save their state next to the result until they are finished.
RESUMED = {
    "state": lambda wildcards, output: str(Path(output[0]).with_suffix(".state.pt")),
    "save_every_seconds": untracked(config["save_every_seconds"]),
}
