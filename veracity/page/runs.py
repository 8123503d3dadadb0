"""Adversarial excerpts of a finished run, with P(sing) for every set of segments of the perturbation."""

import contextlib
import functools
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..attacks.excerpts import Excerpts
from ..attacks.perturbations import WindowAttack, read_attack
from ..attacks.perturbed import central
from ..attacks.settings import DOMAINS
from ..detector.checkpoints import load_checkpoint
from ..errors import ArtefactError, ConfigError, VeracityError, within
from ..experiments.explanations import Explanations
from ..experiments.flips import Flips
from ..experiments.listening import audible_part, perturbed_audio
from ..experiments.perturbation_games import check_same_model, norm_ranking, perturbation_games
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games import solution_concepts
from ..games.models import explained_model
from ..jobs import store
from ..jobs.provenance import file_digest
from ..songs.audio import load_audio
from ..songs.corpus import songs_of
from ..songs.resynthesis import partly_perturbed
from ..songs.settings import FrontEnd

KEPT = 8  # number of excerpts in the cache; their 2**20 values take 4 MB each


@dataclass(frozen=True)
class RunExcerpt:
    """Adversarial excerpt of a run, with P(sing) for every set of segments of its perturbation.

    Attributes
    ----------
    excerpts : Excerpts
        Adversarial excerpts of the song.
    number : int
        Position of the excerpt in `excerpts`.
    p_sing : ndarray, shape (2**n_segments,), float32
        P(sing) for every mask of the perturbation game.
    rankings : dict of str to list of int
        Rankings of the segments by LIME and by norm, the most important first.
    best : list of int
        Mask index of the set of each size 0, 1, ... with the strongest evidence for the adversarial label.
    """

    excerpts: Excerpts
    number: int
    p_sing: np.ndarray
    rankings: dict[str, list[int]]
    best: list[int]


def _attribute(path: Path, name: str) -> Any:
    """Return an attribute of an artefact, or raise ArtefactError if it is missing."""
    try:
        return json.loads(str(store.read_attributes(path)[name]))
    except (KeyError, ValueError):
        raise ArtefactError(f"{path}: lacks the attribute {name}. Delete it and run snakemake again.") from None


def _setting(path: Path, key: str) -> dict[str, Any]:
    """Return a part of the settings of an artefact, or raise ArtefactError if it is missing."""
    settings = _attribute(path, "settings")
    if not isinstance(settings, dict) or not isinstance(settings.get(key), dict):
        raise ArtefactError(f"{path}: its settings lack {key}. Delete it and run snakemake again.")
    return settings[key]


class FinishedRun:
    """Finished run of the paper's detector.

    Parameters
    ----------
    folder : path-like
        Folder of the run, ``results/<run>``.
    corpus : path-like, optional
        Folder of the songs, needed for sounds. A synthetic corpus is part of the run.

    Raises
    ------
    ConfigError
        If the folder contains no adversarial excerpts of the paper's detector.
    """

    def __init__(self, folder: str | os.PathLike, corpus: str | os.PathLike | None = None) -> None:
        self.folder = Path(folder)
        self.paths: dict[tuple[str, str], Path] = {
            (domain, path.stem): path
            for domain in DOMAINS
            for path in sorted(self.folder.glob(f"excerpts/{domain}/[!.]*.h5"))
            if (self.folder / "flips" / domain / path.name).is_file()
        }
        attacked = self._attacked()
        if not attacked:
            raise ConfigError(
                f"{folder}: not a finished run of the paper's detector. Run `snakemake all`, and give its folder results/<run>."
            )
        self.checkpoint = attacked
        self.audio = {song.name: song.audio for song in songs_of("folder", corpus)} if corpus else {}
        self._cached, self._evaluating = functools.lru_cache(maxsize=KEPT)(self._excerpt), threading.Lock()
        self._models: dict[str, Any] = {}

    def _attacked(self) -> Path | None:
        """Return the path to the checkpoint of the attacked detector, identified by the recorded inputs of the excerpts."""
        checkpoints = [*self.folder.glob("imported/checkpoint.pt"), *sorted(self.folder.glob("training/seed*[0-9].pt"))]
        for path in self.paths.values():
            with contextlib.suppress(VeracityError):
                made_from = _attribute(path, "inputs")
                ends = {each: "/".join(each.parts[-2:]) for each in checkpoints}
                checkpoints = [each for each, end in ends.items() if any(name.endswith(end) for name in made_from)]
                break
        return checkpoints[0] if checkpoints and self.paths else None

    @property
    def threshold(self) -> float | None:
        """Decision threshold of the run's detector; None if no file of excerpts can be read."""
        for path in self.paths.values():
            with contextlib.suppress(VeracityError):
                return float(_attribute(path, "threshold"))
        return None

    def song(self) -> Path | None:
        """Return the path to the audio of an attacked song, or None if no audio is available."""
        for domain, song in self.paths:
            try:
                return self._audio(song, self.folder / "perturbations" / domain / f"{song}.h5")
            except VeracityError:
                continue
        return None

    def listing(self) -> list[dict[str, Any]]:
        """Return the excerpts of all songs, with number, start in seconds and decision before the attack.

        If a file cannot be read, its row has the key "error" with the reason instead of "excerpts".
        """
        rows: list[dict[str, Any]] = []
        for (domain, song), path in self.paths.items():
            try:
                excerpts, rate = store.read(path, Excerpts), self._frontend(path).frames_per_second
            except VeracityError as error:
                rows.append({"domain": domain, "song": song, "error": str(error)})
                continue
            items = [
                {"number": e, "original": str(excerpts.original[e]), "seconds": excerpts.start_seconds + float(first) / rate}
                for e, first in enumerate(excerpts.start_frame)
            ]
            if items:
                rows.append({"domain": domain, "song": song, "excerpts": items})
        return rows

    def _frontend(self, path: Path) -> FrontEnd:
        return FrontEnd(**_setting(path, "frontend"))

    def excerpt(self, domain: str, song: str, number: int) -> RunExcerpt:
        """Return an adversarial excerpt; one is evaluated at a time, because each takes tens of MB while it is evaluated."""
        with self._evaluating:
            return self._cached(domain, song, number)

    def _excerpt(self, domain: str, song: str, number: int) -> RunExcerpt:
        path = self._path(domain, song)
        excerpts = store.read(path, Excerpts)
        within(number, 0, len(excerpts.original) - 1, "number of the excerpt", whole=True)
        flips = store.read(self.folder / "flips" / domain / path.name, Flips)
        explained = store.read(self.folder / "explanations" / domain / path.name, Explanations)
        model = self.model(path)
        check_same_model(excerpts, model)
        values = next(model.values(perturbation_games(excerpts, self.grid(path))[number : number + 1])).all_values
        weights = explained.along("weights", input="adversarial", fill=str(explained.fills[0]), method="sampled")[number]
        flip = excerpts.flips[number]
        rankings = {"lime": lime.ranking(weights, flip.label), "norm": norm_ranking(flips.squared_norm)[number]}
        return RunExcerpt(
            excerpts,
            number,
            values.astype(np.float32),
            {name: order.tolist() for name, order in rankings.items()},
            solution_concepts.best_sets(flip.sign * values).tolist(),
        )

    def _path(self, domain: str, song: str) -> Path:
        if (domain, song) not in self.paths:
            raise ConfigError(
                f"{self.folder}: no excerpts of this attack, got {song!r} and {domain!r}. Choose one from the list."
            )
        return self.paths[domain, song]

    def grid(self, path: Path) -> Any:
        """Return the segment grid of the flips of a song."""
        of_lime, frontend = _setting(self.folder / "flips" / path.parent.name / path.name, "lime"), self._frontend(path)
        numbers = {key: of_lime[key] for key in ("n_time", "n_band")}
        return LimeSettings(**numbers).grid(frontend.excerpt_frames, frontend.n_mels)

    def model(self, path: Path) -> Any:
        """Return the run's detector as the explained model on the grid of its flips.

        Raises
        ------
        ConfigError
            If not all masks can be evaluated.
        """
        grid = self.grid(path)
        key = f"{grid.n_time}x{grid.n_band}"
        if key not in self._models:
            model = explained_model(load_checkpoint(self.checkpoint).detector.network(), grid, exact=True)
            if not model.exact:
                raise ConfigError(
                    f"{self.folder}: the page requires all masks ({model.evaluator.reason}). Use a run with fewer segments."
                )
            self._models[key] = model
        return self._models[key]

    def sound(self, domain: str, song: str, number: int, segments: list[int]) -> tuple[np.ndarray, int]:
        """Return an excerpt with only the given segments of its perturbation as audio, and the sample rate.

        Parameters
        ----------
        domain : {"waveform", "spectrogram"}
            Domain of the attack.
        song : str
            Name of the song.
        number : int
            Number of the excerpt.
        segments : list of int
            Segments of the perturbation to include.

        Returns
        -------
        audio : ndarray, shape (n_samples,), float32
            Audio of the excerpt and its surroundings.
        sample_rate : int
            Sample rate in Hz.

        Raises
        ------
        VeracityError
            If the audio of the song is missing or is not the attacked one.
        """
        path = self._path(domain, song)
        excerpts, frontend = store.read(path, Excerpts), self._frontend(path)
        within(number, 0, len(excerpts.original) - 1, "number of the excerpt", whole=True)
        grid = self.grid(path)
        for segment in segments:
            within(segment, 0, grid.n_segments - 1, "segment", whole=True)
        attack_path = self.folder / "perturbations" / domain / path.name
        attack = read_attack(attack_path)
        assert not isinstance(attack, WindowAttack)  # rejected in __init__, because such runs have no detector
        audio = load_audio(self._audio(song, attack_path), sample_rate=frontend.sample_rate)
        audio, _ = central(audio, _setting(attack_path, "attacks")["seconds"], frontend.sample_rate, frontend.hop_samples)
        first = int(excerpts.start_frame[number])
        within(first, 0, len(audio) // frontend.hop_samples, f"start_frame in {path}", whole=True)
        inside = np.isin(grid.segment_map(), segments)
        perturbed = perturbed_audio(audio, attack, first, frontend)
        return audible_part(
            partly_perturbed(audio, perturbed, inside, frontend, first_frame=first), first, frontend
        ), frontend.sample_rate

    def _audio(self, song: str, attack: Path) -> Path:
        made = sorted(self.folder.glob(f"synthetic_corpus/audio/{song}.*"))
        path = self.audio.get(song) or (made[0] if made else None)
        if path is None:
            raise ConfigError(f"{song}: audio is missing in the run. Start the page with --corpus and the folder of its songs.")
        if file_digest(path) not in _attribute(attack, "inputs").values():
            raise VeracityError(f"{path}: does not match the attacked audio. Start the page with the --corpus of that run.")
        return Path(path)
