"""A run and its variants: configurations, songs, and the folder of each artefact.

An artefact is computed once for all runs in which its settings are equal (`Run.settings_of`). The first of these runs owns it:
the artefact is in the folder of that run, and the rules of that run compute it for the others.
"""

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..attacks.settings import DOMAINS
from ..detector.pretrained import PRETRAINED, checkpoint_path
from ..errors import ConfigError, VeracityError
from ..experiments.controlled import GRID, KNOWN_CAUSE, SHORTCUT
from ..explainers.settings import LIME, explainers_of, stored_file
from ..jobs.callables import callable_source, path_of_jobs
from ..labels import BASE, SING, TOTAL
from ..settings import merged
from ..songs.corpus import SPLITS, Song, songs_of
from ..songs.synthesis import SynthesisSettings, song_names
from .code import code_digest
from .configuration import checked, complete
from .consistency import check_together, lacks_masks
from .digests import digest_of_path
from .stages import CONTROL_MADE_FROM, GIVEN, OF_CONTROL, stages_of

FOLDER = "variants"  # subfolder of the base run
# Keys that variants cannot change: those of the whole run, and those that do not affect results.
FIXED = ("run", FOLDER, "device", "explaining_device", "save_every_seconds", "attacks.chunk_frames")
COMPARED = ("excerpts", "explanations", "flips")  # stages whose artefacts the target `compare` reads


def runs_of(config: Mapping[str, Any]) -> dict[str, "Run"]:
    """Return the base run, named "", and its variants by name, given a configuration in which keys may be missing.

    VeracityError is raised if a key is unknown or invalid, or songs are missing. The message names the variant.
    """
    return _runs_of(json.dumps(config, default=str))  # cached, because each module of the Snakefile calls this function


@functools.cache
def _runs_of(config: str) -> dict[str, "Run"]:
    base = json.loads(config)
    checked(base)
    runs: dict[str, Run] = {}
    for name, of_run in {"": complete(base), **configurations(complete(base))}.items():
        try:
            runs[name] = Run(name, of_run, tuple(runs.values()))
        except VeracityError as error:
            raise type(error)(f"{FOLDER}.{name}: {error}" if name else str(error)) from None
        if (label := runs[name].label_name) != runs[""].label_name:
            problem = f"must explain the label {runs[''].label_name} of the base run, got {label}"
            raise ConfigError(f"{FOLDER}.{name}.model: {problem}. Use the same label, or make it a separate run.")
    return runs


def configurations(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the validated configurations of all variants by name: the base configuration with the variant's changes.

    Lists are replaced, not merged. The key ``run`` is the folder of the variant below ``results``.
    """
    found = {}
    for name, changes in config[FOLDER].items():
        path = f"{FOLDER}.{name}"
        if name in (BASE, TOTAL):
            raise ConfigError(f"{path}: name is reserved for tables, got {name!r}. Choose another name.")
        if not changes:
            raise ConfigError(f"{path}: no changes. Give the keys that differ from the base run, or remove it.")
        for key in FIXED:
            if _part(changes, key):
                raise ConfigError(f"{path}.{key}: must not differ from the base run. Remove it.")
        of_variant = merged(config, changes) | {"run": f"{config['run']}/{FOLDER}/{name}", FOLDER: {}}
        checked({**of_variant, "run": name}, within=f"{FOLDER}.{name}")
        found[name] = of_variant
    return found


def _part(config: Any, key: str) -> dict[str, Any]:
    """Return the value of a dotted key with its parents, as nested mappings; empty if the key is missing."""
    first, _, rest = key.partition(".")
    if not isinstance(config, Mapping) or first not in config:
        return {}
    if not rest:
        return {first: config[first]}
    return {first: inner} if (inner := _part(config[first], rest)) else {}


class Run:
    """Base run or variant; VeracityError is raised if keys contradict each other, or a file is missing.

    Parameters
    ----------
    name : str
        Name of the variant; "" for the base run.
    config : mapping
        Complete and validated configuration.
    before : sequence of Run
        Base run and previous variants, whose artefacts this run may share; empty by default.

    Attributes
    ----------
    songs : dict of str to Song
        Songs of the corpus by name; empty if the corpus has not been downloaded.
    checkpoint : str or None
        Path to the supplied detector; None if detectors are trained.
    detectors, attacked : list of str, str
        Names of all detectors, and of the attacked one; an empty list if a user-supplied classifier is attacked.
    controls, controls_left_out : list of str, dict of str to str
        Controls that can be computed, and the reasons why others cannot.
    label_name : str
        Display name of the explained label in tables and figures.
    note : str
        Description of the data and, if it is not the attacked detector, of the explained model, for all tables and figures.
    """

    def __init__(self, name: str, config: Mapping[str, Any], before: Sequence["Run"] = ()) -> None:
        self.name, self.config, self.before = name, config, before
        self.folder = f"results/{config['run']}"
        if os.path.lexists(self.folder) and not os.path.isdir(self.folder):  # noqa: PTH112 - including broken links
            raise ConfigError(f"run: must name a folder, got the file {self.folder}. Remove it, or choose another name.")
        self.stages, self.songs = stages_of(config), dict[str, Song]()
        self._settings_of: dict[tuple, dict[str, Any]] = {}
        self.build, self.predict = config["model"]["build"], config["model"]["predict"]
        given = config["detector"]["checkpoint"]
        self.checkpoint = str(checkpoint_path(given)) if given else None
        if self.checkpoint and not os.path.isfile(self.checkpoint):  # noqa: PTH113 - does not raise for long names
            cure = f"Give the path to a .pt file, {PRETRAINED}, or null to train"
            raise ConfigError(f"detector.checkpoint: file is missing, got {self.checkpoint}. {cure}.")
        seeds = [f"seed{seed}" for seed in range(config["detector"]["n_seeds"])]
        self.detectors = [] if self.build else [GIVEN] if self.checkpoint else seeds
        self.attacked = GIVEN if self.checkpoint else config["detector"]["attacked"]
        self.explainers = {one.name: one for one in explainers_of(config["explainers"])}
        self.label_name = (config["model"]["label"] or self.build.partition(":")[2]) if self.build else SING
        self.is_synthetic = config["corpus"]["kind"] == "synthetic"
        self.songs = self._read_songs()
        for path in (self.checkpoint, *(path for song in self.songs.values() for path in (song.audio, song.labels))):
            if path and set("{}") & set(str(path)):
                raise ConfigError(
                    f"{path}: must not contain braces, which Snakemake reads as wildcards. Rename the file or folder."
                )
        self._check()
        self.controls, self.controls_left_out = self._controls()
        self.note = self._note()

    def _read_songs(self) -> dict[str, Song]:
        corpus, rate = self.config["corpus"], self.config["frontend"]["sample_rate"]
        if self.is_synthetic:
            folder = Path(self.owner("synthetic_corpus"), "synthetic_corpus")
            splits = song_names(SynthesisSettings(**corpus["synthetic"], sample_rate=rate))
            return {
                name: Song(name, folder / "audio" / f"{name}.flac", folder / "labels" / f"{name}.lab", split)
                for split, names in splits.items()
                for name in names
            }
        if not corpus["folder"]:
            raise ConfigError("corpus.folder: missing, got null. Give the path to a corpus in the Jamendo layout.")
        if corpus["url"] and not os.path.isdir(corpus["folder"]):  # noqa: PTH112 - does not raise for long names
            return {}  # the target `download` does not need songs
        selection = corpus["songs"] if any(corpus["songs"].values()) else None
        return {song.name: song for song in songs_of(corpus["kind"], corpus["folder"], selection)}

    def _check(self) -> None:
        self.settings = checked({**self.config, "run": self.name or self.config["run"]})
        n_songs = {split: len(self.names(split)) for split in SPLITS}
        check_together(self.settings, n_songs=n_songs if self.songs else None)
        for song in self.config["truth"]["groups"] if self.songs else ():
            if song not in self.songs:
                cure = f"Choose from {', '.join(sorted(self.songs))}"
                raise ConfigError(f"truth.groups: not a song of the corpus, got {song}. {cure}.")

    def _note(self) -> str:
        parts = [self.config["corpus"]["note"]]
        if self.build:
            parts.append(f"attacked and explained: {self.build}")
        elif self.predict:
            parts.append(f"explained: {self.predict}, with perturbations of the detector")
        detector = self.config["detector"]
        tunes = detector["threshold"] is None and detector["checkpoint"] != PRETRAINED and not self.build
        if tunes and "valid" in self.config["attacks"]["splits"]:
            unless = " (unless the checkpoint has one)" if self.checkpoint else ""
            parts.append(f"threshold tuned on validation songs, which are also attacked{unless}")
        return "; ".join([*parts, *([f"variant {self.name}"] if self.name else [])])

    def _controls(self) -> tuple[list[str], dict[str, str]]:
        wanted, reasons = self.config["controls"]["names"], {}
        if self.build or self.predict:
            return [], dict.fromkeys(wanted, "requires the paper's detector")
        if not self.names("train") or set(self.explained) <= set(self.names("train")):
            reasons[SHORTCUT] = "requires training songs, and other songs in attacks.splits"
        for name in wanted:
            n_time, _, n_band = name.removeprefix(GRID).partition("x")
            own = {"n_time": int(n_time), "n_band": int(n_band)} if n_band and name.startswith(GRID) else {}
            if name not in KNOWN_CAUSE and (lacking := lacks_masks(self.settings, **own)):
                reasons[name] = f"requires all masks, but {lacking}"
        return [name for name in wanted if name not in reasons], {name: reasons[name] for name in wanted if name in reasons}

    def names(self, *splits: str) -> list[str]:
        """Return the names of the songs of the given splits, in the order of the corpus."""
        return [song.name for song in self.songs.values() if song.split in splits]

    @property
    def explained(self) -> list[str]:
        """Names of the songs that are attacked and explained; a placeholder if the corpus has not been downloaded."""
        return self.names(*self.config["attacks"]["splits"]) if self.songs else ["corpus-is-missing"]

    @property
    def decoded(self) -> list[str]:
        """Names of the songs whose spectrograms are computed; training songs only if they are trained on or attacked."""
        if self.build or not self.songs:
            return self.explained
        return self.names("valid", "test", *self.config["attacks"]["splits"], *(() if self.checkpoint else ("train",)))

    def owner(self, stage: str, **names: str) -> str:
        """Return the folder of the run that computes an artefact: the first run in which its settings are equal."""
        own = self.settings_of(stage, **names) if self.before else {}
        return next((run.folder for run in self.before if run.settings_of(stage, **names) == own), self.folder)

    def path(self, stage: str, **names: str) -> str:
        """Return the path of an artefact in the folder of the run that computes it.

        The artefact is named by the values of its wildcards, such as ``domain="waveform", song="a"``; others are ignored.
        """
        return f"{self.owner(stage, **names)}/{stage}/{self.stages[stage].pattern.format(**names)}"

    def artefacts(self, stage: str) -> list[dict[str, str]]:
        """Return the names of all artefacts of a stage that tables and figures read."""
        if stage == "tuning_runs":
            return self._tuning_runs()
        values = {
            "domain": DOMAINS,
            "song": self.decoded if stage == "spectrograms" else self.explained,
            "detector": self.detectors,
            "explainer": self.explainers,
            "control": self.controls,
        }
        named_by = self.stages[stage].named_by
        every = (
            dict(zip(named_by, each, strict=True)) for each in itertools.product(*(values.get(name, ()) for name in named_by))
        )
        return [names for names in every if self._is_read(stage, **names)]

    def _tuning_runs(self) -> list[dict[str, str]]:
        """Return the names of the artefacts for each attack setting and validation song."""
        return [
            {"domain": domain, "setting": f"eps{eps}_eta{eta}_alpha{alpha}", "song": song}
            for domain in DOMAINS
            for eps, eta, alpha in itertools.product(*(self.config["tuning"][domain][name] for name in ("eps", "eta", "alpha")))
            for song in self.names("valid")
        ]

    def _is_read(
        self, stage: str, *, domain: str = "", song: str = "", explainer: str = "", control: str = "", **_: str
    ) -> bool:
        """Return whether tables and figures read an artefact."""
        if stage == "localised_attributions":  # stored attributions are for complete perturbations
            return self.config["localised"]["explainers"] and not self.explainers[explainer].stored
        if control == "confined":
            return domain == "spectrogram"
        if control == SHORTCUT:
            return domain == "waveform" and song not in self.names("train")  # on which its detector was trained
        return True

    def paths(self, stage: str) -> list[str]:
        """Return the paths of all artefacts of a stage that tables and figures read."""
        return [self.path(stage, **names) for names in self.artefacts(stage)]

    def detector_path(self, name: str) -> str:
        """Return the path of the weights of a detector."""
        return self.path("imported") if name == GIVEN else self.path("training", detector=name)

    def settings_of(self, stage: str, **names: str) -> dict[str, Any]:
        """Return all settings that determine an artefact, named as for `path`; a change of them re-runs the job.

        The artefact stores them. They are the seed and part of the configuration. The key ``outside`` contains digests of
        external files and code; the key ``made_from`` contains a digest of the names and settings of the artefacts from which
        this one is made. Without the latter, an artefact would seem up to date after an upstream job has failed: Snakemake
        removes the output of that job, and does not recompute it while the artefacts made from it exist.
        """
        names = {name: names[name] for name in self.stages[stage].named_by if name in names}
        key = (stage, *names.items())
        if key not in self._settings_of:
            own = self._own_settings(stage, **names)
            above = [[other, named, self.settings_of(other, **named)] for other, named in self._made_from(stage, names)]
            self._settings_of[key] = {**own, "made_from": digest_of(above)} if above else own
        return self._settings_of[key]

    def _made_from(self, stage: str, names: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
        """Return the stages and names of the artefacts from which an artefact is made."""
        found, control = [], names.get("control", "")
        for above in [CONTROL_MADE_FROM.get(control, "excerpts")] if stage == "controlled" else self.stages[stage].made_from:
            if above == "spectrograms" and stage in ("training", "predictions"):
                songs = self.names(*(("train",) if stage == "training" else ("valid", "test")))
                found += [(above, {"song": song}) for song in songs]
            elif self.stages[above].named_by == ("detector",):
                found.append((above, {"detector": names.get("detector", self.attacked)}))
            else:
                found.append((above, dict(names)))
        return found

    def _own_settings(self, stage: str, **names: str) -> dict[str, Any]:
        control, explainer = names.get("control"), names.get("explainer")
        keys = (*self.stages[stage].uses, *OF_CONTROL.get(control or "", ()))
        part = self.part(*(key.format(domain=names.get("domain")) for key in keys))
        if control == "random_weights":  # this control uses all excerpts
            part["controls"]["per_direction"] = self.config["excerpts"]["per_direction"]
        if explainer in self.explainers:
            part["explainer"] = asdict(self.explainers[explainer])
        if stage == "spectrograms" and names.get("song") in self.songs:
            part["split"] = self.songs[names["song"]].split
        outside = {name: digest for name in self.stages[stage].reads if (digest := self.outside(name, **names))}
        return {**part, "outside": outside} if outside else part

    def part(self, *keys: str) -> dict[str, Any]:
        """Return the seed and the given keys of the configuration, such as ``lime.fill``, as nested mappings."""
        return functools.reduce(merged, (_part(self.config, key) for key in ("seed", *keys)))

    def digest_of_stages(self, stages: Iterable[str]) -> str:
        """Return a digest of the settings of all artefacts of some stages, for the tables that read them."""
        return digest_of([self.settings_of(stage, **names) for stage in sorted(stages) for names in self.artefacts(stage)])

    def outside(self, name: str, **names: str) -> Any:
        """Return the digest of an external file or of user code, or digests by name for several files; None if there is none.

        `name` is one of `veracity.workflow.stages.Stage.reads`. The artefact that depends on it is named as for `path`.
        """
        song, one = self.songs.get(names.get("song", "")), self.explainers.get(names.get("explainer", ""))
        if name == "model":
            return _digest_of_callable(self.build or self.predict)
        if name == "explainer" and one:
            if one.stored and song:
                return digest_of_path(stored_file(one, names["domain"], song.name))
            return _digest_of_callable(one.call)
        if name == "explainers":
            called = explainers_of([LIME, *self.config["controls"]["explainers"]])
            return {one.name: _digest_of_callable(one.call) for one in called if not str(one.call).startswith("veracity.")}
        if name == "taught" and not self.is_synthetic:
            return {song: digest_of_path(self.songs[song].audio) for song in self.names("train")}
        audio, labels = (song.audio, song.labels) if song and not self.is_synthetic else (None, None)
        files = {"audio": audio, "labels": labels, "checkpoint": self.checkpoint, "drawings": self.config["drawings"]["folder"]}
        return digest_of_path(path) if (path := files.get(name)) else None

    def needed(self) -> list[tuple[str, str]]:
        """Return all artefacts that `compare` requires, as pairs: folder of the run that computes the artefact, path there."""
        found: set[tuple[str, str]] = set()
        waiting = [(stage, names) for stage in COMPARED for names in self.artefacts(stage)]
        while waiting:
            stage, names = waiting.pop()
            place = self.owner(stage, **names), f"{stage}/{self.stages[stage].pattern.format(**names)}"
            if stage != "synthetic_corpus" and place not in found:
                found.add(place)
                waiting += self._made_from(stage, names)
        return sorted(found)


def digest_of(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _digest_of_callable(target: str | None) -> str | None:
    source = callable_source(target, path_of_jobs()) if target else None
    return code_digest(source) if source else None
