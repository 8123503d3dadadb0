# What all rules share: the checked configuration, the songs, paths, and the digest that re-runs what a library edit changes.
import itertools
from pathlib import Path

from snakemake.exceptions import WorkflowError

from veracity.attacks.settings import DOMAINS
from veracity.errors import VeracityError
from veracity.jobs.config import check
from veracity.jobs.provenance import code_digest
from veracity.songs.corpus import read_corpus
from veracity.songs.synthesis import SynthesisSettings, song_names

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
RESULTS = f"results/{config['run']}" if "run" in config else "results"

try:
    check(config, Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml")
except VeracityError as error:
    raise WorkflowError(str(error)) from None

CHECKPOINT = config["detector"]["checkpoint"]
if CHECKPOINT and not Path(CHECKPOINT).is_file():
    raise WorkflowError(f"there is no checkpoint {CHECKPOINT}: set detector.checkpoint to a .pt, or to null to train")
DETECTORS = ["checkpoint"] if CHECKPOINT else [f"seed{seed}" for seed in range(config["detector"]["n_seeds"])]
SYNTHETIC = SynthesisSettings(**config["corpus"]["synthetic"], sample_rate=config["frontend"]["sample_rate"])
CORPUS = f"{RESULTS}/synthetic_corpus"


wildcard_constraints:
    song="[a-z0-9]+(-[a-z0-9]+)*",
    domain="waveform|spectrogram",
    detector="checkpoint|seed[0-9]+",
    setting="eps[0-9.e-]+_eta[0-9.e-]+_alpha[0-9.e-]+",


def read_songs():
    """Return name to (split, audio, labels) of every song of the corpus."""
    if config["corpus"]["kind"] == "synthetic":
        return {
            name: (split, f"{CORPUS}/audio/{name}.flac", f"{CORPUS}/labels/{name}.lab")
            for split, names in song_names(SYNTHETIC).items()
            for name in names
        }
    folder = config["corpus"]["folder"]
    if not folder:
        raise WorkflowError("configuration key 'corpus.folder' is null: set it to a corpus in the Jamendo layout")
    if config["corpus"]["url"] and not Path(folder).is_dir():
        return {}  # so that the target `download` can be asked for
    try:
        return {song.name: (song.split, str(song.audio), str(song.labels)) for song in read_corpus(folder)}
    except VeracityError as error:
        raise WorkflowError(str(error)) from None


SONGS = read_songs()


def song_split(wildcards):
    return SONGS[wildcards.song][0]


def song_files(wildcards):
    """Return audio and labels of a song, as named inputs."""
    if wildcards.song not in SONGS:
        raise WorkflowError(f"there is no song {wildcards.song!r} in the corpus: known are {', '.join(SONGS)}")
    _, audio, labels = SONGS[wildcards.song]
    return {"audio": audio, "labels": labels}


def names(*splits):
    return [name for name, (split, *_) in SONGS.items() if split in splits]


def explained_songs():
    """Return the songs that are attacked and explained."""
    found = names(*config["attacks"]["splits"])
    if not SONGS:
        raise WorkflowError(
            f"there is no corpus folder {config['corpus']['folder']}: set corpus.folder, or run the target download"
        )
    if not found:
        raise WorkflowError(f"the corpus has no songs in attacks.splits {config['attacks']['splits']}: name other splits")
    return found


def spectrograms_of(*splits):
    """Return an input function: the spectrograms of these splits."""
    return lambda wildcards: [f"{RESULTS}/spectrograms/{name}.h5" for name in names(*splits)]


def per_song(stage):
    """Return an input function: a stage's artefacts of all explained songs."""
    return lambda wildcards: [f"{RESULTS}/{stage}/{name}.h5" for name in explained_songs()]


def per_attack(stage):
    """Return an input function: a stage's artefacts of all explained songs under both attacks."""
    return lambda wildcards: [f"{RESULTS}/{stage}/{domain}/{name}.h5" for domain in DOMAINS for name in explained_songs()]


def tuning_runs_of_all(wildcards):
    """Return the runs of every attack setting on every validation song."""
    grid = {domain: config["tuning"][domain] for domain in DOMAINS}
    return [
        f"{RESULTS}/tuning_runs/{domain}/eps{eps}_eta{eta}_alpha{alpha}/{song}.json"
        for domain, values in grid.items()
        for eps, eta, alpha in itertools.product(values["eps"], values["eta"], values["alpha"])
        for song in names("valid")
    ]


def detector_path(name):
    return f"{RESULTS}/imported/checkpoint.pt" if name == "checkpoint" else f"{RESULTS}/training/{name}.pt"


def code(rule):
    """Return the digest of a rule's script and of all library code that it reaches."""
    return code_digest(SCRIPTS / f"{rule}.py")


def settings(*keys):
    """Return the parts of the configuration that a rule uses, so that only a change of these re-runs it."""
    part = {key: config[key] for key in ("seed", *keys) if "." not in key}
    for key in keys:
        if "." in key:
            first, second = key.split(".")
            part.setdefault(first, {})[second] = config[first][second]
    return part


def state_beside(wildcards, output):
    """Return where a job keeps its state while it is unfinished."""
    return str(Path(output[0]).with_suffix(".state.pt"))


def gpus(device):
    """Return how many GPUs a job asks for that works on the device of that configuration key."""
    return int(config[device] != "cpu")


def growing(amount):
    """Return a resource that grows with each attempt, for profiles that retry."""
    return lambda wildcards, attempt: amount * attempt


SONG_MODEL = {"detector": detector_path(DETECTORS[0]), "predictions": f"{RESULTS}/predictions/{DETECTORS[0]}.h5"}
HAS_STUDY = bool(config["stability"]["n_samples"]) and config["lime"]["exact"]
FIGURES = ["figure1", "figure2", "figure3", "figure4", *(["figure_stability"] if HAS_STUDY else [])]
TABLES = [
    "detector",
    "attacks",
    "table1",
    "table2",
    "localisation",
    "fidelity",
    *(["sampling_error"] if HAS_STUDY else []),
    "audits",
]
EXPLAINED = ("lime", "explaining_device")  # what every rule that explains depends on
