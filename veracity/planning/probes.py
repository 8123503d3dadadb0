"""Jobs by stage that do what the stage's script does, on material of any size; run by `veracity.planning.measuring`."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..attacks.excerpts import Excerpts, pick_excerpts
from ..attacks.perturbations import ExcerptAttack, SongAttack
from ..attacks.settings import Domain
from ..detector.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ..detector.planted import CueSettings, plant
from ..detector.predictions import predict_songs
from ..detector.settings import Architecture, TrainingSettings
from ..detector.training import train
from ..detector.training_data import TrainingData
from ..experiments import attributions, controlled, drawings, explanations, flips, localised, stability
from ..experiments.explanations import Explanations
from ..experiments.flips import Flips
from ..explainers.settings import LIME, explainers_of
from ..jobs import store
from ..jobs.resuming import SavedState
from ..results import attacks, costs
from ..results.canvas import save
from ..songs.audio import load_audio
from ..songs.spectra import Spectrogram, padded_log_mel
from ..songs.spectrograms import compute_spectrogram
from ..songs.synthesis import SynthesisSettings, write_corpus
from .material import Material
from .stages import JUDGING

Job = Callable[[], list[Path]]  # from its inputs on disk to its outputs


def _synthetic_corpus(m: Material, seconds: float, each: float) -> Job:
    rate = m.frontend.sample_rate
    settings = SynthesisSettings(n_train=round(seconds / each), n_valid=0, n_test=0, seconds=each, sample_rate=rate)
    folder = m.folder / f"corpus of {seconds} s"

    def job() -> list[Path]:
        write_corpus(folder, settings, seed=0)
        return list(folder.rglob("*.*"))

    return job


def _spectrograms(m: Material, seconds: float, _: float) -> Job:
    song = m.song(seconds, as_stored=True)
    return lambda: m.write(compute_spectrogram(song, m.frontend), song.audio)


def _imported(m: Material, _: float, __: float) -> Job:
    copy = m.folder / "copy.pt"

    def job() -> list[Path]:
        save_checkpoint(copy, load_checkpoint(m.checkpoint))
        return [copy]

    return job


def _training(m: Material, seconds: float, updates: float) -> Job:
    paths, out = m.spectrograms(seconds, longest=60), m.folder / "trained.pt"
    settings = TrainingSettings(**{**m.config["detector"]["training"], "n_updates": round(updates)})

    def job() -> list[Path]:
        songs = (store.read(path, Spectrogram) for path in paths)
        data = TrainingData(((song.magnitude, np.asarray(song.is_sing)) for song in songs), m.frontend, settings)
        architecture = Architecture(**m.config["detector"]["architecture"])
        detector, _ = train(data, architecture, seed=0, device=m.device, saved=SavedState(m.folder / "state.pt"))
        save_checkpoint(out, Checkpoint(detector))
        return [out]

    return job


def _predictions(m: Material, seconds: float, longest: float) -> Job:
    paths, own = m.spectrograms(seconds, longest), m.config["detector"]

    def job() -> list[Path]:
        songs = (store.read(path, Spectrogram) for path in paths)
        settings = {"median_frames": own["median_frames"], "threshold": own["threshold"]}
        return m.write(predict_songs(m.network(), songs, m.frontend, detector="probe", **settings), *paths)

    return job


def _perturbations(domain: Domain, m: Material, size: float, steps: float) -> Job:
    audio = m.song(m.seconds(size), as_stored=True).audio
    return lambda: m.write(m.attack(audio, domain, size, round(steps / size)), audio)


def _excerpts(m: Material, size: float, _: float) -> Job:
    (path,), n = m.attacked(size), m.config["excerpts"]["per_direction"]
    as_picked = m.excerpts(2 * n)  # no excerpt is flipped in truth, so that none would be kept

    def job() -> list[Path]:
        network = m.network()
        kind: type[Any] = SongAttack if m.config["attacks"]["scope"] == "song" else ExcerptAttack
        predict = m.model().predict_logits if m.predict else lambda x: network.logits(x.to(network.device))
        known: dict[str, Any] = {"threshold": m.threshold, "model": m.predict or ""}
        pick_excerpts(store.read(path, kind), predict, m.frontend, n_per_direction=n, seed=0, song="song", **known)
        return m.write(as_picked, path)

    return job


def _explanations(m: Material, count: float, _: float) -> Job:
    (path,), one_fill = m.write(m.excerpts(count), name=f"{count} excerpts.h5"), replace(m.lime, fills=(m.lime.fill,))
    return lambda: m.write(explanations.compute(store.read(path, Excerpts), m.model(), one_fill, seed=0, song="song"), path)


def _flips(m: Material, count: float, _: float) -> Job:
    excerpts = m.excerpts(count)
    paths = *m.write(excerpts, name=f"{count} excerpts.h5"), *m.write(m.explanations(excerpts), name=f"{count} explained.h5")

    def job() -> list[Path]:
        read = store.read(paths[0], Excerpts), store.read(paths[1], Explanations)
        return m.write(flips.compute(*read, m.model(), m.lime, seed=0, song="song"), *paths)

    return job


def _localised(m: Material, count: float, _: float) -> Job:
    _flips(m, count, 0)()
    excerpts, flipped = m.folder / f"{count} excerpts.h5", (m.folder / "output.h5").rename(m.folder / f"{count} flips.h5")
    k_tried = [m.lime.n_time * m.lime.n_band]  # the whole perturbation: every excerpt flips, and so none is left out

    def job() -> list[Path]:
        read = store.read(excerpts, Excerpts), store.read(flipped, Flips)
        return m.write(localised.compute(*read, m.model(), m.lime, k_tried=k_tried, seed=0, song="song"), excerpts, flipped)

    return job


def _stability(m: Material, count: float, fits: float) -> Job:
    (path,), own = m.write(m.excerpts(count), name=f"{count} excerpts.h5"), m.config["stability"]
    sizes = {"n_samples": own["n_samples"], "n_repeats": round(fits / count), "n_per_direction": math.ceil(count / 2)}

    def job() -> list[Path]:
        read = store.read(path, Excerpts)
        return m.write(stability.compute(read, m.model(), m.lime, **sizes, seed=0, song="song"), path)

    return job


def _drawings(m: Material, seconds: float, shapes: float) -> Job:
    (path,), own = m.spectrograms(seconds, longest=seconds), m.config["drawings"]
    names = own["shapes"] or ["horse"]  # drawings of one's own cost what a shape does
    tried = [names[i % len(names)] for i in range(round(shapes))]
    n_frames, one_fill = m.frontend.excerpt_frames, replace(m.lime, fills=(m.lime.fill,))
    settings = {"threshold": 1.0, "n_frames": n_frames, "shapes": tried, "n_placements": own["n_placements"]}  # none works

    def job() -> list[Path]:
        model, padded = m.model(), padded_log_mel(store.read(path, Spectrogram), m.frontend).numpy()
        drawings.compute(padded, model, m.lime, **settings, seed=0, song="song")
        explanations.compute(m.excerpts(1), model, one_fill, seed=0, song="song")  # two games; one that worked is one
        return m.write(m.excerpts(1), path)

    return job


def _pages(m: Material, size: float, each: float) -> Job:
    (path,), n = m.attacked(each), round(size / each)
    kind = SongAttack if m.config["attacks"]["scope"] == "song" else ExcerptAttack
    excerpts, out = m.excerpts(2), [m.folder / f"figure.{suffix}" for suffix in ("png", "pdf", "csv")]
    columns = ("jobs", "wall_seconds", "peak_memory_mb", "disk_mb")
    shown = pd.DataFrame({"stage": [f"stage {i}" for i in range(20)], **{name: np.arange(1, 21) for name in columns}})

    def job() -> list[Path]:
        perturbations = (("song", "waveform", store.read(path, kind)) for _ in range(n))
        attacks.table(perturbations, [("song", "waveform", excerpts)] * n).to_csv(out[2])
        save(costs.plot(shown, footnote="probe"), *out[:2])
        return out

    return job


def _attributions(explainer: str, m: Material, count: float, _: float) -> Job:
    (path,) = m.write(m.excerpts(count), name=f"{count} excerpts.h5")
    (one,) = (one for one in explainers_of(m.config["explainers"]) if one.name == explainer)
    grid = m.lime.grid(m.frontend.excerpt_frames, m.frontend.n_mels)
    names: dict[str, Any] = {"seed": 0, "domain": "waveform", "song": "song"}
    return lambda: m.write(attributions.compute(store.read(path, Excerpts), m.model(), one, grid, **names), path)


def _planted(m: Material, updates: float, _: float) -> Job:
    cue, song = CueSettings(**{**m.config["controls"]["cue"], "n_updates": round(updates)}), m.song(20, as_stored=False).audio
    copy = m.folder / "planted.pt"

    def job() -> list[Path]:
        audio = load_audio(song, sample_rate=m.frontend.sample_rate)
        save_checkpoint(copy, plant(load_checkpoint(m.checkpoint).detector, [audio], cue, seed=0))
        return [copy]

    return job


def _controlled(explainers: bool, m: Material, count: float, _: float) -> Job:
    (path,) = m.write(m.excerpts(count), name=f"{count} excerpts.h5")
    grid = m.lime.grid(m.frontend.excerpt_frames, m.frontend.n_mels)
    asked = explainers_of([LIME, *m.config["controls"]["explainers"]]) if explainers else []

    def job() -> list[Path]:
        excerpts = store.read(path, Excerpts)
        case = controlled.chosen(excerpts, len(excerpts.original), grid.n_segments)
        return m.write(controlled.compute("grid_probe", case, m.model(), asked, m.lime, grid, seed=0, song="song"), path)

    return job


def probe_named(name: str) -> Callable[[Material, float, float], Job]:
    """Return the probe of a stage, or of a stage and a variant of it."""
    stage, _, variant = name.partition(" ")
    return partial(_attributions, variant) if stage in JUDGING else PROBES[name]


PROBES: dict[str, Callable[[Material, float, float], Job]] = {
    "synthetic_corpus": _synthetic_corpus,
    "spectrograms": _spectrograms,
    "imported": _imported,
    "training": _training,
    "predictions": _predictions,
    "perturbations waveform": partial(_perturbations, "waveform"),
    "perturbations spectrogram": partial(_perturbations, "spectrogram"),
    "excerpts": _excerpts,
    "explanations": _explanations,
    "flips": _flips,
    "localised": _localised,
    "stability": _stability,
    "planted": _planted,
    "controlled grids": partial(_controlled, False),
    "controlled explainers": partial(_controlled, True),
    "drawings": _drawings,
    "tables and figures": _pages,
}
