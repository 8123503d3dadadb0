# Definitions for all rules: the validated configuration, paths of artefacts, and parameters whose change re-runs a job.
import functools
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from veracity.detector.pretrained import PRETRAINED
from veracity.errors import VeracityError
from veracity.experiments.controlled import KNOWN_CAUSE, SHORTCUT
from veracity.jobs.usage import warnings_of
from veracity.labels import BASE
from veracity.songs.corpus import SPLITS, unused_labels
from veracity.workflow.code import code_digest
from veracity.workflow.configuration import check_files
from veracity.workflow.copied import mark, refuse_copied
from veracity.workflow.digests import save_memories
from veracity.workflow.runs import COMPARED, runs_of
from veracity.workflow.stages import upstream
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


def mark_all():
    """Record in the folders of all runs that Snakemake has written their files here; called before and after a run."""
    for run in RUNS.values():
        if run is RUN or Path(run.folder).is_dir():
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


# Parameters. Snakemake re-runs a job if one of its parameters differs from that of the last run.


def as_it_is(value):
    """Return a parameter that Snakemake does not format, even if it contains braces."""
    return lambda wildcards: value


def as_they_are(values):
    """Return parameters by name that Snakemake does not format; functions are returned unchanged."""
    return {name: value if callable(value) else as_it_is(value) for name, value in values.items()}


def untracked(value):
    """Return a parameter whose change re-runs nothing: Snakemake does not compare parameters that depend on outputs."""
    return lambda wildcards, output: value


def keys(*names):
    """Return the values of keys of the configuration, by the last part of their names."""
    return {name.rpartition(".")[2]: functools.reduce(lambda part, key: part[key], name.split("."), config) for name in names}


def code(*scripts):
    """Return a parameter with digests of scripts and of all modules that they import, without comments and docstrings."""
    return lambda wildcards: [code_digest(SCRIPTS / f"{script}.py") for script in scripts]


def code_of(stage):
    """Return the parameter `code` of a stage: digests of its script and of those of the stages upstream.

    Those upstream are included because Snakemake removes the output of a failed job, and does not recompute it while the files
    made from it exist.
    """
    return code(stage, *sorted(upstream(RUN.stages, stage)))


def uses(stage):
    """Return a parameter with everything that determines an artefact of a stage, except the code of the workflow.

    It contains the keys of the stage, digests of external files and user code, and the same for the stages upstream (for the
    reason in `code_of`).
    """
    return lambda wildcards: RUN.settings_of(stage, **dict(wildcards.items()))


# Parameters of jobs that save their state next to the result until they are finished.
RESUMED = {
    "state": lambda wildcards, output: str(Path(output[0]).with_suffix(".state.pt")),
    "save_every_seconds": untracked(config["save_every_seconds"]),
}

# Paths


def artefact(stage):
    """Return the path of the artefacts of a stage with wildcards, such as results/synthetic/flips/{domain}/{song}.h5."""
    return f"{RESULTS}/{stage}/{RUN.stages[stage].pattern}"


def names_of(rule):
    """Return the name of a rule and the wildcards of its jobs as a path, such as flips/{domain}/{song}."""
    named_by = RUN.stages[rule].named_by if rule in RUN.stages else ()
    return str(Path(rule, *(f"{{{name}}}" for name in named_by)))


def log_of(rule):
    return f"{RESULTS}/logs/{names_of(rule)}.log"


def benchmark_of(rule):
    return f"{RESULTS}/benchmarks/{names_of(rule)}.tsv"


def made(stage):
    """Return an input function for the artefact of a stage with the wildcards of the job.

    `Run.path` returns the path in the folder of the first run with equal settings of the artefact. A variant thus reads the
    file of the base run or of an earlier variant, whose rules compute it.
    """
    return lambda wildcards: RUN.path(stage, **dict(wildcards.items()))


def spectrograms_of(names):
    """Return an input function for the spectrograms of the given songs."""
    return lambda wildcards: [RUN.path("spectrograms", song=name) for name in names]


def song_files(wildcards):
    """Return the audio and labels of a song as named inputs."""
    if wildcards.song not in RUN.songs:  # missing input, as an error would show a traceback
        missing = f"corpus.folder: folder is missing, got {config['corpus']['folder']}. Set it, or run the target download."
        return {"audio": f"({f'song: not in the corpus, got {wildcards.song}. Correct the name.' if RUN.songs else missing})"}
    song = RUN.songs[wildcards.song]
    return {"audio": str(song.audio), **({"labels": str(song.labels)} if song.labels else {})}


def audio_of(names):
    """Return the paths of the audio of the given songs."""
    return [str(RUN.songs[name].audio) for name in names if name in RUN.songs]


# Inputs for the attacked model: detector and predictions (for its threshold). A custom classifier is built in each job.
DETECTOR = {
    "detector": lambda wildcards: RUN.detector_path(RUN.attacked),
    "predictions": lambda wildcards: RUN.path("predictions", detector=RUN.attacked),
}
ATTACKED = {} if BUILD else DETECTOR


def read_by_control(wildcards):
    """Return the named inputs of a control: a song if the control plants a cause, otherwise excerpts of the run."""
    model = {name: path(wildcards) for name, path in ATTACKED.items()}
    if wildcards.control in KNOWN_CAUSE:
        trained = {"shortcut_detector": RUN.path("shortcut_detector")} if wildcards.control == SHORTCUT else {}
        return model | trained | {"audio": song_files(wildcards)["audio"]}
    stages = ("excerpts", "flips") if wildcards.control == "random_weights" else ("excerpts",)
    return model | {stage: made(stage)(wildcards) for stage in stages}


# Resources


def gpus(device):
    """Return the number of GPUs of a job, given the configuration key of its device."""
    return int(config[device] != "cpu")


def growing(amount):
    """Return a resource that increases with each attempt, for profiles with retries."""
    return lambda wildcards, attempt: amount * attempt


def threads_for(stage):
    return lambda wildcards: threads_of(RUN, stage, workflow.cores or 1)
