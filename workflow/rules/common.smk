# What all rules share: the checked configuration, the songs, paths, and the digest that re-runs what a library edit changes.
import atexit
import itertools
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.enums import Quietness

from veracity.attacks.settings import DOMAINS
from veracity.errors import VeracityError
from veracity.experiments.controlled import PLANTED
from veracity.explainers.settings import LIME, explainers_of, stored_file
from veracity.jobs import runs
from veracity.jobs.callables import callable_source, path_of_jobs
from veracity.jobs.contents import Contents
from veracity.jobs.provenance import code_digest
from veracity.jobs.usage import warnings_of
from veracity.labels import BASE, SING
from veracity.planning.links import link, stale_links
from veracity.planning.sharing import COMPARED, Run, Runs, configurations, counted, in_words
from veracity.planning.stages import JUDGING, NAMED_BY, Artefact
from veracity.planning.turns import priority_of, threads_of
from veracity.songs.corpus import SPLITS, songs_of
from veracity.songs.synthesis import SynthesisSettings, song_names
from veracity.workflow.configuration import check_files, checked, complete
from veracity.workflow.consistency import check_together, lacks_masks

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
RESULTS = f"results/{config['run']}" if "run" in config else "results"
VARIANT = (__name__ or "").removeprefix("variant__")  # Snakemake calls a module so; "" in the base run
if VARIANT:  # Snakefile hands it the run and the variants before it, whose artefacts it shares; and known digests
    RUNS, OUTSIDE = config.pop("runs"), config.pop("outside")
else:
    RUNS, OUTSIDE = Runs(), Contents(".snakemake/veracity-contents.json")
    atexit.register(OUTSIDE.save)


def refusal(error):
    """Return the error with which Snakemake stops."""
    return WorkflowError(f"variants.{VARIANT}: {error}" if VARIANT else str(error))


try:
    if not VARIANT:
        check_files(workflow.configfiles)
    SETTINGS = checked({**config, "run": VARIANT} if VARIANT else config, within=f"variants.{VARIANT}" if VARIANT else "")
    config.update(complete(config))
    VARIANTS = configurations(config)
except VeracityError as error:
    raise WorkflowError(str(error)) from None

if os.path.lexists(RESULTS) and not os.path.isdir(RESULTS):
    raise WorkflowError(f"{RESULTS} is no folder: remove it, or choose another name with the key run")

CHECKPOINT = config["detector"]["checkpoint"]
if CHECKPOINT and not os.path.isfile(CHECKPOINT):
    raise refusal(f"there is no checkpoint {CHECKPOINT}: set detector.checkpoint to a .pt, or to null to train")
DETECTORS = ["checkpoint"] if CHECKPOINT else [f"seed{seed}" for seed in range(config["detector"]["n_seeds"])]
ATTACKED_DETECTOR = "checkpoint" if CHECKPOINT else config["detector"]["attacked"]

# Shown under every figure and in every table: what the data are and, where it is not the attacked detector, what is explained.
NOTE = config["corpus"]["note"]
BUILD = config["model"]["build"]
CALLED = (config["model"]["label"] or BUILD.partition(":")[2]) if BUILD else SING  # what tables and figures call the label
if BUILD:
    NOTE += f"; attacked and explained: {BUILD}"
elif config["model"]["predict"]:
    NOTE += f"; explained: {config['model']['predict']}, with perturbations of the detector"
if "valid" in config["attacks"]["splits"] and config["detector"]["threshold"] is None and not BUILD:
    NOTE += "; threshold tuned on validation songs, which are attacked, too" + (
        " (unless the checkpoint has one)" if CHECKPOINT else ""
    )


if VARIANT:
    NOTE += f"; variant {VARIANT}"

try:
    EXPLAINERS = {one.name: one for one in explainers_of(config["explainers"])}
    CONTROLLED = explainers_of([LIME, *config["controls"]["explainers"]])
except VeracityError as error:
    raise refusal(error) from None


wildcard_constraints:
    song="[a-z0-9]+(-[a-z0-9]+)*",
    domain="waveform|spectrogram",
    detector="checkpoint|seed[0-9]+",
    explainer="[a-z][a-z0-9_]*",
    control="confined|cue|random_weights|grid_[a-z0-9]+",
    setting="eps[0-9.e-]+_eta[0-9.e-]+_alpha[0-9.e-]+",


def declared(path):
    """Return a path for an input, or nothing where Snakemake would take a part of it for a wildcard: jobs have it as parameter."""
    return [] if set("{}") & set(path) else path


def plainly(value):
    """Return a parameter that Snakemake takes as it is; a text it would format."""
    return lambda wildcards: value


def synthetic_songs():
    """Return the names of the synthetic songs by split; none where another corpus is used."""
    if config["corpus"]["kind"] != "synthetic":
        return {}
    try:
        settings = SynthesisSettings(**config["corpus"]["synthetic"], sample_rate=config["frontend"]["sample_rate"])
    except VeracityError as error:
        raise refusal(error) from None
    return song_names(settings)


SYNTHETIC = synthetic_songs()
# The corpus of the first run that synthesises the same; its rule writes that of its own.
MAKES_CORPUS = SYNTHETIC and [config["seed"], config["corpus"]["synthetic"], config["frontend"]["sample_rate"]]
CORPUS = f"{RUNS.corpus_folder(MAKES_CORPUS, RESULTS)}/synthetic_corpus"


def read_songs():
    """Return name to (split, audio, labels) of every song of the corpus."""
    if config["corpus"]["kind"] == "synthetic":
        return {
            name: (split, f"{CORPUS}/audio/{name}.flac", f"{CORPUS}/labels/{name}.lab")
            for split, names in SYNTHETIC.items()
            for name in names
        }
    folder = config["corpus"]["folder"]
    if not folder:
        raise refusal("configuration key 'corpus.folder' is null: set it to a corpus in the Jamendo layout")
    if config["corpus"]["url"] and not os.path.isdir(folder):
        return {}  # so that the target `download` can be asked for
    try:
        songs = songs_of(config["corpus"]["kind"], folder)
        return {song.name: (song.split, str(song.audio), song.labels and str(song.labels)) for song in songs}
    except VeracityError as error:
        raise refusal(error) from None


SONGS = read_songs()
try:
    splits = [split for split, *_ in SONGS.values()]
    check_together(SETTINGS, n_songs={split: splits.count(split) for split in SPLITS} if SONGS else None)
except VeracityError as error:
    raise refusal(error) from None


def song_files(wildcards):
    """Return audio and labels of a song, as named inputs."""
    # A missing file says what is wrong without a traceback, which an error raised here would get.
    missing = f"(there is no corpus folder {config['corpus']['folder']}: set corpus.folder, or run the target download)"
    unknown = f"(no song of the corpus is named {wildcards.song})" if SONGS else missing
    _, audio, labels = SONGS.get(wildcards.song, ("", unknown, unknown))
    return {"audio": declared(audio), "labels": declared(labels) if labels else []}


def song_paths(wildcards):
    """Return paths of audio and labels, as a parameter."""
    return SONGS[wildcards.song][1:] if wildcards.song in SONGS else None


def names(*splits):
    return [name for name, (split, *_) in SONGS.items() if split in splits]


def explained_songs():
    """Return the songs that are attacked and explained; without a corpus one that stands for its absence."""
    return names(*config["attacks"]["splits"]) if SONGS else ["corpus-is-missing"]


def decoded_songs():
    """Return the songs that this run decodes: those of training only where a detector is trained."""
    if BUILD:  # there is no detector to train or to score
        return names(*config["attacks"]["splits"]) if SONGS else explained_songs()
    splits = ("valid", "test", *config["attacks"]["splits"], *(() if CHECKPOINT else ("train",)))
    return names(*splits) if SONGS else explained_songs()


def artefact(stage, **names):
    """Return the path of an artefact: of this run, or of the first one before it whose artefact is the same."""
    return RUNS.path_of(RUN, Artefact(stage, **names))


def made(stage, **names):
    """Return an input function: the artefact of a stage that has the same song, attack or explainer, or these names."""
    return lambda wildcards: artefact(
        stage, **{name: wildcards[name] for name in NAMED_BY.get(stage, ("domain", "song")) if name not in names}, **names
    )


def spectrograms_of(*splits):
    """Return an input function: the spectrograms of these splits."""
    return lambda wildcards: [artefact("spectrograms", song=name) for name in names(*splits)]


def per_song(stage):
    """Return an input function: a stage's artefacts of all explained songs."""
    return lambda wildcards: [artefact(stage, song=name) for name in explained_songs()]


def per_attack(stage):
    """Return an input function: a stage's artefacts of all explained songs under both attacks."""
    return lambda wildcards: [RUNS.path_of(RUN, one) for one in RUN.of(stage)]


def per_explainer(stage):
    """Return an input function: a stage's artefacts of all explainers beside LIME, of all songs under both attacks."""
    return lambda wildcards: [
        artefact(stage, explainer=explainer, domain=domain, song=name)
        for explainer, one in EXPLAINERS.items()
        if stage == "attributions" or (config["localised"]["explainers"] and not one.stored)  # that answers for excerpts alone
        for domain in DOMAINS
        for name in explained_songs()
    ]


def controls_to_make():
    """Return the controls that this run can make, and of the others why not."""
    wanted, reasons = config["controls"]["names"], {}
    if BUILD or config["model"]["predict"]:
        return [], dict.fromkeys(wanted, "made with the paper's detector alone")
    if not names("train") or set(explained_songs()) <= set(names("train")):
        reasons["cue"] = "taught on training songs and asked of others, which this corpus or attacks.splits lacks"
    for name in wanted:
        n_time, _, n_band = name.removeprefix("grid_").partition("x")
        own = {"n_time": int(n_time), "n_band": int(n_band)} if n_band and name.startswith("grid_") else {}
        lacking = lacks_masks(SETTINGS, **own)
        if name not in PLANTED and lacking:
            reasons[name] = f"needs all masks, and {lacking}"
    return [name for name in wanted if name not in reasons], {name: reasons[name] for name in wanted if name in reasons}


def controlled_of_all(wildcards):
    """Return the artefacts of all controls."""
    domains = {"confined": ["spectrogram"], "cue": ["waveform"]}
    songs = {"cue": [name for name in explained_songs() if name not in names("train")]}
    return [
        f"{RESULTS}/controlled/{control}/{domain}/{name}.h5"
        for control in MADE
        for domain in domains.get(control, DOMAINS)
        for name in songs.get(control, explained_songs())
    ]


def read_by_control(wildcards):
    """Return what a control reads, as named inputs."""
    read = {name: path(wildcards) for name, path in SONG_MODEL.items()}
    if wildcards.control in PLANTED:
        read["audio"] = song_files(wildcards)["audio"]
        return read | ({"planted": f"{RESULTS}/planted/cue.pt"} if wildcards.control == "cue" else {})
    stages = ("excerpts", "flips") if wildcards.control == "random_weights" else ("excerpts",)
    return read | {stage: made(stage)(wildcards) for stage in stages}


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
    return artefact("imported") if name == "checkpoint" else artefact("training", detector=name)


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


def callable_digest(target):
    """Return the digest of the code behind module:callable; None where there is none, or none in Python."""
    source = callable_source(target, path_of_jobs()) if target else None
    return code_digest(source) if source else None


def outside(stage, song, domain, explainer, control=None):
    """Return digests of what a stage reads that lies outside the project: it counts by content, whatever its time."""
    model, (_, audio, labels) = BUILD or config["model"]["predict"], SONGS.get(song, (None, None, None))
    made_here = config["corpus"]["kind"] == "synthetic"  # by the workflow itself
    paths = {
        "audio": None if made_here else audio,
        "labels": None if made_here else labels,
        "checkpoint": CHECKPOINT,
        "drawings": config["drawings"]["folder"],
    }
    one = EXPLAINERS.get(explainer)
    if one and one.stored:
        paths["explainer"] = str(stored_file(one, domain, song))
    known = {"model": callable_digest(model), "explainer": callable_digest(one.call if one else None)}
    if stage == "controlled":
        known["explainers"] = {
            one.name: callable_digest(one.call) for one in CONTROLLED if not one.call.startswith("veracity.")
        }
    known |= {name: OUTSIDE.digest(paths[name]) for name in READS.get(stage, ()) if paths.get(name)}
    return {name: known[name] for name in READS.get(stage, ()) if known.get(name)}


def asked(stage, song, domain, explainer=None, control=None):
    """Return all that decides an artefact beside its inputs: the configuration's part, and digests of what lies outside."""
    part = settings(*(key.format(domain=domain) for key in (*USES[stage], *OF_CONTROL.get(control, ()))))
    if control == "random_weights":  # on all excerpts of the run
        part["controls"]["per_direction"] = config["excerpts"]["per_direction"]
    if explainer in EXPLAINERS:
        part["explainer"] = asdict(EXPLAINERS[explainer])
    if stage == "spectrograms" and song in SONGS:
        part["split"] = SONGS[song][0]
    contents = outside(stage, song, domain, explainer, control)
    return {**part, "outside": contents} if contents else part


def uses(stage):
    """Return the parameter `settings` of the rule of an artefact."""
    return lambda wildcards: asked(stage, *map(wildcards.get, ("song", "domain", "explainer", "control")))


def state_beside(wildcards, output):
    """Return where a job keeps its state while it is unfinished."""
    return str(Path(output[0]).with_suffix(".state.pt"))


def gpus(device):
    """Return how many GPUs a job asks for that works on the device of that configuration key."""
    return int(config[device] != "cpu")


def threads_for(stage):
    """Return the number of threads of a stage's jobs on the cores that are given; their results do not depend on it."""
    return lambda wildcards: threads_of(
        stage,
        config,
        cores=workflow.cores,
        n_songs=len(names("valid") if stage == "tuning_runs" else explained_songs()),
    )


def priority_of_training(wildcards):
    """Return the priority of a training: what is attacked first."""
    return priority_of("training", attacked=wildcards.detector == ATTACKED_DETECTOR)


def priority_of_attack(wildcards):
    """Return the priority of an attack: long songs first."""
    return priority_of("perturbations", audio=(song_paths(wildcards) or [None])[0])


def growing(amount):
    """Return a resource that grows with each attempt, for profiles that retry."""
    return lambda wildcards, attempt: amount * attempt


MADE, LEFT_OUT = controls_to_make()
# What is attacked: the detector and its threshold, which other stages make, or a classifier that is built in each job.
SONG_MODEL = {
    "detector": lambda wildcards: detector_path(ATTACKED_DETECTOR),
    "predictions": made("predictions", detector=ATTACKED_DETECTOR),
}
if BUILD:
    SONG_MODEL = {}
HAS_STUDY = bool(config["stability"]["n_samples"]) and config["lime"]["exact"]
TRUTH_TABLES = ["leaderboard", "contrasts", "gap", "sensitivity", "own_games", "fidelity_worth", "truths", "explainer_costs"]
TRUTH_FIGURES = ["figure_explainers", "figure_leaderboard", "gap", "own_games", "fidelity_worth", "truths"]
FIGURES = [*([] if BUILD else ["figure1"]), "figure2", "figure3", "figure4", *(["figure_stability"] if HAS_STUDY else [])]
FIGURES += TRUTH_FIGURES if config["lime"]["exact"] else []
TABLES = [
    "corpus",
    "classifier" if BUILD else "detector",
    "attacks",
    "table1",
    "table2",
    "published",
    "smallest_sets",
    "localisation",
    "fidelity",
    *(["sampling_error"] if HAS_STUDY else []),
    "audits",
    *(TRUTH_TABLES if config["lime"]["exact"] else []),
]
if config["listening"]["per_panel"] and not BUILD and not config["model"]["predict"]:
    TABLES.append("listening")
if config["controls"]["all"]:
    TABLES, FIGURES = [*TABLES, "controls"], [*FIGURES, "controls"]
if VARIANTS:
    TABLES, FIGURES = [*TABLES, "compare"], [*FIGURES, "compare"]
# What the paper's numbers depend on.
PUBLISHED = ("corpus", "frontend", "model", "detector", "attacks", "excerpts", "lime")
# The parts of the configuration that each stage's artefact depends on, and what it reads outside the project.
if BUILD:
    MODEL = tuple(f"model.{key}" for key in ("build", "label", "threshold", "hop_seconds"))
    # No detector stands between that was made from the songs, and synthetic ones are no files from outside, whose digests count.
    ATTACKED = (*MODEL, *(("corpus.synthetic", "frontend.sample_rate") if SYNTHETIC else ()))
else:
    MODEL = ("frontend", "model.build", "model.predict", *(["model.threshold"] if config["model"]["predict"] else []))
    ATTACKED = ("frontend", "model.build", "detector.attacked")
EXPLAINED = (*MODEL, *(f"lime.{key}" for key in ("n_time", "n_band", "exact", "evaluator")))
FITTED = (*EXPLAINED, *(f"lime.{key}" for key in ("n_samples", "kernel_width", "alpha")))
USES = {
    "spectrograms": ("frontend", "corpus.words", *(["corpus.synthetic"] if SYNTHETIC else [])),
    "training": ("frontend", "detector.architecture", "detector.training"),
    "imported": ("frontend", "detector.architecture"),
    "predictions": ("frontend", "detector.median_frames", "detector.threshold"),
    "perturbations": (*ATTACKED, "attacks.scope", "attacks.seconds", "attacks.candidates", "attacks.{domain}"),
    "tuning_runs": ("frontend", "attacks.seconds", "attacks.{domain}"),
    "excerpts": (*MODEL, "excerpts"),
    "explanations": (*FITTED, "lime.fills"),
    "flips": (*FITTED, "flips"),
    "localised": (*FITTED, "lime.fill", "localised.k"),
    "stability": (*FITTED, "lime.fill", "stability"),
    "drawings": (*FITTED, "lime.fill", "drawings"),
    **dict.fromkeys(JUDGING, EXPLAINED),
    "planted": ("frontend", "controls.cue"),
    "controlled": (*FITTED, "lime.fill", "controls.per_direction"),
    "classifier": (*EXPLAINED, "stability", "explainers", "attacks.seconds"),
}
# What a control uses beyond that.
OF_CONTROL = {
    **{name: ("attacks.seconds", "controls.candidates", "controls.explainers", f"controls.{name}") for name in PLANTED},
    "random_weights": ("controls.explainers",),
}
READS = {
    "spectrograms": ("audio", "labels"),
    "imported": ("checkpoint",),
    "perturbations": ("audio", "model") if BUILD else ("audio",),
    "tuning_runs": ("audio",),
    "classifier": ("model",),
    "controlled": ("audio", "explainers"),
    "planted": ("taught",),
    **dict.fromkeys(("excerpts", "explanations", "flips", "localised", "stability"), ("model",)),
    "drawings": ("model", "drawings"),
    **dict.fromkeys(JUDGING, ("model", "explainer")),
}


RUN = Run(
    folder=RESULTS,
    corpus=MAKES_CORPUS,
    asked=lambda one: asked(one.stage, one.song, one.domain, one.explainer),
    songs={
        "train": names("train"),
        "scored": names("valid", "test"),
        "explained": explained_songs(),
        "decoded": decoded_songs(),
    },
    detectors=[] if BUILD else DETECTORS,
    attacked=None if BUILD else ATTACKED_DETECTOR,
    explainers=list(EXPLAINERS),
    heard=lambda song: MAKES_CORPUS or (OUTSIDE.digest(SONGS[song][1]) if song in SONGS else None),
    called=CALLED,
    note=NOTE,
)
RUNS.append(RUN)
if CALLED != RUNS[0].called:
    raise refusal(
        f"it explains the label {CALLED}, and the run {RUNS[0].called}: compare the same label, or make it a run of its own"
    )


def stale_files():
    """Return what a copied or renamed run holds, but for artefacts of the settings that are asked for, with their times."""
    if workflow.exec_mode.name != "DEFAULT" or not Path(RESULTS).is_dir():
        return {}
    mark = runs.read_mark(RESULTS)  # a folder without one was made by nobody here: copied by `cp run/*`, say
    found = [*(mark.stale if mark else []), *(stale_links(RUNS, RUN, code) if VARIANT else [])]
    if mark is None or runs.was_moved(RESULTS) or not Path(".snakemake/metadata").is_dir():
        found += [str(path) for path in Path(RESULTS).rglob("*.*") if path.is_file() and is_stale(path)]
    else:
        # One that is damaged is named by the job that reads it.
        came = [path for path in runs.came_since(RESULTS) if is_artefact(path)]
        found = {*found, *(str(path) for path in came if is_stale(path, unreadable=False))}
    return {path: os.stat(path).st_mtime_ns for path in found if Path(path).is_file()}


def is_artefact(path):
    """Tell whether a file says with what settings it was made."""
    return path.suffix in (".h5", ".pt") and path.parent != Path(RESULTS)


def is_stale(path, unreadable=True):
    """Tell whether a file of a moved run must be made again."""
    stage, *folders = path.relative_to(RESULTS).parts
    folders = folders[:-1]
    if stage in ("logs", "benchmarks") or path.name == runs.MARK:
        return False
    if stage == "synthetic_corpus":  # its songs are those of the spectrograms' settings, if there are any
        spectrogram = Path(RESULTS, "spectrograms", f"{path.stem}.h5")
        return path.suffix == ".flac" and runs.is_stale(spectrogram, asked("spectrograms", path.stem, None))
    if stage == "training" and path.suffix == ".csv" or path.name.endswith(".state.pt"):
        return False  # the checkpoint beside it tells
    if stage not in USES:
        return stage in ("tables", "figures", "report.html")  # what else lies there is nobody's here
    control = folders.pop(0) if stage == "controlled" else None
    if control and control not in MADE:
        return False  # it is no longer made, and read by nothing
    explainer = folders.pop(0) if stage in JUDGING else None
    if explainer and explainer not in EXPLAINERS:
        return False  # it is no longer asked, and read by nothing
    return runs.is_stale(path, asked(stage, path.stem, next(iter(folders), None), explainer, control), unreadable=unreadable)


STARTED = time.time()
STALE = stale_files()
if STALE:
    # As `--forcerun` with these files would; Snakemake reads its settings after the Snakefile.
    prepare_dag = workflow._prepare_dag

    def prepare_dag_with_stale_files(*args, **kwargs):
        workflow.dag_settings.forcerun = {*workflow.dag_settings.forcerun, *STALE}
        return prepare_dag(*args, **kwargs)

    workflow._prepare_dag = prepare_dag_with_stale_files


def begin():
    """Before a run: note where its files are made, and which are stale."""
    if (Path(RESULTS).is_dir() or not VARIANT) and not runs.was_moved(RESULTS):
        runs.write_mark(RESULTS, STALE)


def settle():
    """After a run: give results of failed jobs, which stayed, the time at which they were made, and note what is still stale."""
    unfinished = {str(path): path for job in workflow.dag.needrun_jobs() for path in job.output}
    for path, output in unfinished.items():
        record = workflow.persistence.metadata(output) if os.path.exists(path) else None
        if record and record.get("endtime") and os.stat(path).st_mtime > STARTED:  # Snakemake has put it back as if it were new
            os.utime(path, (record["endtime"],) * 2)
    made = {path for path, time in STALE.items() if path not in unfinished and os.stat(path).st_mtime_ns != time}
    if Path(RESULTS).is_dir() or not VARIANT:
        runs.write_mark(RESULTS, set(STALE) - made)


def tell_warnings():
    """Say at the end of a run what its jobs have warned of."""
    found = warnings_of(RESULTS, {str(log) for job in workflow.dag.jobs for log in job.log})
    if found:
        whose = f"variant {VARIANT}" if VARIANT else "this run"
        print(f"\n{len(found)} warnings of {whose} (from {RESULTS}/logs):", *found, sep="\n  ", file=sys.stderr)


def shorten_dry_run():
    """Leave out of a dry run what each job reads, which would fill the screen, unless a --quiet of the user's says otherwise."""
    manager = workflow.logger_manager
    if manager.settings.dryrun and not manager.settings.quiet:
        for handler in (*manager.logger.handlers, *getattr(manager.queue_listener, "handlers", ())):
            for part in (*handler.filters, handler.formatter):
                if hasattr(part, "quiet"):
                    part.quiet = {*part.quiet, Quietness.RULES}


def end():
    """After a run, whatever became of it."""
    if VARIANT:
        link(RUNS, RUN, code)
    settle()
    tell_warnings()


def compared():
    """Return for the base and each variant what is read of it, for the parameter of the rule that compares them."""
    return [
        {
            "name": name,
            "fill": its["lime"]["fill"],
            "n_segments": its["lime"]["n_time"] * its["lime"]["n_band"],
            "songs": {song: one.heard(song) for song in one.songs["explained"]},
            "shared": [[a.domain, a.song] for a in one.of("excerpts") if RUNS.path_of(one, a) == RUNS.path_of(RUN, a)],
            **{stage: [RUNS.path_of(one, a) for a in one.of(stage)] for stage in COMPARED},
        }
        for name, one, its in zip((BASE, *VARIANTS), RUNS, (config, *VARIANTS.values()), strict=True)
    ]


def needed_by_each():
    """Return for the base and each variant all artefacts that the comparison needs, and the folder of the run that makes them."""
    return [
        {"name": name, "needed": [[RUNS.folder_of(one, a), a.path] for a in one.needed()]}
        for name, one in zip((BASE, *VARIANTS), RUNS, strict=True)
    ]


def note_of_comparison():
    """Return the note of the run, and those of variants whose data or model are others."""
    others = {name: one.note.removesuffix(f"; variant {name}") for name, one in zip(VARIANTS, RUNS[1:], strict=True)}
    return "; ".join([NOTE, *(f"{name}: {note}" for name, note in others.items() if note != NOTE)])


def compared_files():
    """Return all artefacts that the comparison reads."""
    if not VARIANTS:  # an error raised here would get a traceback
        return "(configuration key 'variants' names none, so there is nothing to compare: see docs/variants.md)"
    return sorted({path for one in compared() for stage in COMPARED for path in one[stage]})


def variants_words():
    """Return how many jobs of the variants are shared, of all and of each."""
    found = [(name, RUNS.added(one), one.needed()) for name, one in zip(VARIANTS, RUNS[1:], strict=True)]
    n_own, n_needed = (sum(len(one[i]) for one in found) for i in (1, 2))
    called = f"{len(found)} variant{'s' * (len(found) > 1)}"
    summary = f"{n_needed - n_own} of the {n_needed} jobs of {called} are shared and so saved, {n_own} are their own"
    summary += "" if SONGS else " (one song stands for a corpus that is not there)"
    return [summary, *(in_words(*one) for one in found)] if found else []


def tell_shared():
    """Say in a dry run how many jobs of the variants are shared."""
    if workflow.logger_manager.settings.dryrun and VARIANTS:
        print("", *variants_words(), "", sep="\n  ", file=sys.stderr)


if workflow.exec_mode.name == "DEFAULT" and not VARIANT:
    shorten_dry_run()
