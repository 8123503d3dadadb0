"""Variants of a run: which of their artefacts are those of the base or of one another, and which they make themselves.

An artefact is decided by what its stage uses of the configuration, by what it reads outside the project, and by the artefacts
that it reads. Where all of these agree, two runs would make the same bytes, and the later one takes the earlier one's.
"""

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..attacks.settings import DOMAINS
from ..errors import ConfigError, hint, shortened
from ..labels import BASE, SING, TOTAL
from .stages import ATTACKED, GIVEN, JUDGING, NAMED_BY, READS, SAME, SCORED, TRAIN, Artefact

FOLDER = "variants"  # in the folder of the base run
# Keys that cannot differ: those of the run itself, and those that tell how, not what, is computed.
FIXED = (("run",), (FOLDER,), ("device",), ("explaining_device",), ("save_every_seconds",), ("attacks", "chunk_frames"))
COMPARED = ("excerpts", "explanations", "flips")  # what the target `compare` reads of each variant
# Stages whose artefacts may be another run's; controls and what is pooled belong to each run.
SHARED = frozenset({*READS, "imported"} - {"planted", "controlled"})
CORPUS = "synthetic_corpus"


def configurations(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the configurations of a run's variants: the base's with the variant's keys merged over it, lists replaced.

    Parameters
    ----------
    config : mapping
        Of the base; its key ``variants`` holds them.

    Returns
    -------
    dict of str to dict
        By name. The key ``run`` is the folder of the variant, as that of the base is ``results/<run>``.

    Raises
    ------
    ConfigError
        When a variant changes nothing, or what cannot differ, or has a name that tables need.
    """
    found = {}
    for name, changes in config[FOLDER].items():
        path = f"configuration key '{FOLDER}.{name}"
        if name in (BASE, TOTAL):
            raise ConfigError(f"{path}': tables call something else {name!r}: choose another name")
        if not changes:
            raise ConfigError(f"{path}' changes nothing: give what differs from the base, or remove it")
        for keys in FIXED:
            if _has(changes, keys):
                raise ConfigError(f"{path}.{'.'.join(keys)}' cannot differ from the base's: remove it")
        for key in changes:
            if key not in config:
                raise ConfigError(f"{path}.{shortened(key)}' is unknown{hint(key, config)}: correct or remove it")
        merged = _merged({key: value for key, value in config.items() if key != FOLDER}, changes)
        found[name] = merged | {"run": f"{config['run']}/{FOLDER}/{name}", FOLDER: {}}
    return found


def _has(changes: Any, keys: Sequence[str]) -> bool:
    return not keys or (isinstance(changes, Mapping) and keys[0] in changes and _has(changes[keys[0]], keys[1:]))


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else copy.deepcopy(value)
    return result


@dataclass(frozen=True, eq=False)
class Run:
    """A run, or a variant of one, as far as its artefacts are concerned.

    Attributes
    ----------
    folder : str
        ``results/<run>``.
    corpus : object
        What decides a synthetic corpus; empty where it is another.
    asked : callable
        Tells for an artefact all that decides it beside what it reads of other stages.
    songs : mapping of str to sequence of str
        Their names: ``train``, ``scored`` (the detector is tuned and tested on), ``explained`` (attacked, too), ``decoded``.
    detectors : sequence of str
        That are trained or given; none where a classifier of one's own is built.
    attacked : str or None
        The one that is attacked.
    explainers : collection of str
        Beside LIME.
    heard : callable
        Tells for a song all that decides its audio: songs of one name may be others.
    called : str
        What "sing" is called.
    note : str
        Of its data.
    """

    folder: str
    corpus: Any
    asked: Callable[[Artefact], Any]
    songs: Mapping[str, Sequence[str]]
    detectors: Sequence[str]
    attacked: str | None
    explainers: Collection[str] = ()
    heard: Callable[[str], Any] = str
    called: str = SING
    note: str = ""
    _signatures: dict[Artefact, str] = field(default_factory=dict)

    def makes(self, artefact: Artefact) -> bool:
        """Tell whether the run has such an artefact."""
        kind = {"spectrograms": "decoded"}.get(artefact.stage, "explained")
        return (
            (artefact.song is None or artefact.song in self.songs[kind])
            and (artefact.detector is None or artefact.detector in self.detectors)
            and (artefact.explainer is None or artefact.explainer in self.explainers)
        )

    def reads(self, artefact: Artefact) -> list[Artefact]:
        """Return the artefacts of other stages that one is made from."""
        found = []
        for stage, which in READS.get(artefact.stage, {}).items():
            if stage in ("training", "imported"):
                if (artefact.detector == GIVEN) == (stage == "imported"):
                    found.append(Artefact(stage, detector=artefact.detector if stage == "training" else None))
            elif which == ATTACKED:
                found += [Artefact(stage, detector=self.attacked)] if self.attacked else []
            elif which in (TRAIN, SCORED):
                found += [Artefact(stage, song=song) for song in self.songs[which]]
            elif which == SAME:
                found.append(
                    Artefact(stage, **{name: getattr(artefact, name) for name in NAMED_BY.get(stage, ("domain", "song"))})
                )
        return found

    def signature(self, artefact: Artefact) -> str:
        """Return what two artefacts share if and only if they are the same."""
        if artefact not in self._signatures:
            made_from = [self.signature(one) for one in self.reads(artefact)]
            text = json.dumps([artefact, self.asked(artefact), made_from], sort_keys=True, default=str)
            self._signatures[artefact] = hashlib.sha256(text.encode()).hexdigest()
        return self._signatures[artefact]

    def of(self, stage: str) -> list[Artefact]:
        """Return the artefacts of a stage of all explained songs under both attacks."""
        return [Artefact(stage, song, domain) for domain in DOMAINS for song in self.songs["explained"]]

    def needed(self) -> list[Artefact]:
        """Return the artefacts that are compared, and all that they are made from."""
        waiting = [one for stage in COMPARED for one in self.of(stage)]
        found = dict.fromkeys(waiting)
        while waiting:
            new = [one for one in self.reads(waiting.pop()) if one not in found]
            waiting += new
            found |= dict.fromkeys(new)
        return list(found)

    def every(self) -> list[Artefact]:
        """Return all artefacts that the run may have and share."""
        found = [Artefact("spectrograms", song=song) for song in self.songs["decoded"]]
        for detector in self.detectors:
            found.append(Artefact("imported") if detector == GIVEN else Artefact("training", detector=detector))
            found.append(Artefact("predictions", detector=detector))
        found += [Artefact("drawings", song=song) for song in self.songs["explained"]]
        for stage in sorted(SHARED - NAMED_BY.keys()):
            found += self.of(stage)
        for stage in JUDGING:
            found += [one._replace(explainer=name) for name in self.explainers for one in self.of(stage)]
        return found


class Runs(list[Run]):
    """A run and its variants, in their order."""

    def folder_of(self, run: Run, artefact: Artefact) -> str:
        """Return the folder of the first run whose artefact is the same; this run's own where there is none before it."""
        for other in self:
            if other is run or (artefact.stage in SHARED and other.makes(artefact) and _same(run, other, artefact)):
                return other.folder
        return run.folder

    def path_of(self, run: Run, artefact: Artefact) -> str:
        """Return the path of an artefact that a run reads, in the folder of `folder_of`."""
        return f"{self.folder_of(run, artefact)}/{artefact.path}"

    def own(self, run: Run) -> list[Artefact]:
        """Return what `Run.needed` of a variant lists and no run before it has."""
        return [one for one in run.needed() if self.folder_of(run, one) == run.folder]

    def added(self, run: Run) -> list[Artefact]:
        """Return what `Run.needed` lists and is needed by no run before it, whoever's folder it lies in."""
        before = {self.path_of(other, one) for other in self[: self.index(run)] for one in other.needed()}
        return [one for one in run.needed() if self.path_of(run, one) not in before]

    def corpus_folder(self, corpus: Any, own: str) -> str:
        """Return the folder of the first run that synthesises the same corpus; `own` where there is none before."""
        return next((one.folder for one in self if corpus and one.corpus == corpus), own)


def _same(run: Run, other: Run, artefact: Artefact) -> bool:
    return run.signature(artefact) == other.signature(artefact)


def counted(artefacts: Iterable[Artefact]) -> dict[str, int]:
    """Count artefacts by stage, those of attacks by domain, too, as `veracity.planning.work.only` takes them."""
    return dict(Counter(f"{one.stage} {one.domain}" if one.stage == "perturbations" else one.stage for one in artefacts))


def in_words(name: str, added: Collection[Artefact], needed: Collection[Artefact]) -> str:
    """Tell how many of a variant's jobs are shared."""
    shared = len(needed) - len(added)
    stages = ", ".join(f"{n} {stage}" for stage, n in Counter(one.stage for one in added).items())
    return f"{name}: {shared} of {len(needed)} jobs shared, {len(added)} of its own" + (f" ({stages})" if added else "")
