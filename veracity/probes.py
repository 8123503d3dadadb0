"""Measuring what a job of each stage costs, for `veracity.planning`: time, memory and disk.

A probe runs what the script of a stage runs, on a random detector and synthetic audio of any size. Each stage is measured in a
process of its own: ``python -m veracity.probes`` reads a request from its input and prints what it has measured.
"""

import gc
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch

from . import experiments, figures, store, summaries
from .artefacts import ExcerptAttack, Excerpts, Explanations, Flips, SongAttack, Spectrogram
from .attacks import AttackSettings, Domain, attack_excerpts, attack_song, inner_start_frames
from .corpus import Song, load_audio, write_labels
from .detector import Architecture, Checkpoint, Detector, Network, load_checkpoint, save_checkpoint
from .devices import pick_device, reserve_device
from .errors import VeracityError
from .evaluation import predict_songs
from .excerpts import pick_excerpts
from .frontend import FrontEnd, log_mel, magnitudes
from .planning import Cost, Songs, Work, device_of
from .provenance import describe
from .resuming import SavedState
from .spectra import compute_spectrogram, padded_log_mel
from .synthesis import SynthesisSettings, synthesise_song, write_corpus
from .training import TrainingData, TrainingSettings, train
from .usage import STATUS, give_back_free_memory, own_mb

Job = Callable[[], list[Path]]  # from its inputs on disk to its outputs
# How a job starts: Snakemake's lines before the script's own, and what the script imports.
START_UP = {
    "torch": "import pickle, snakemake.logging, snakemake.iocontainers; from veracity import attacks, corpus, experiments",
    "table": "import pickle, snakemake.logging, snakemake.iocontainers; from veracity import figures, summaries",
}
TELL = "import json, time; from veracity.usage import own_mb; print(json.dumps([time.process_time(), own_mb('VmHWM')]))"
BLOCK = 65536  # samples; libsndfile's encoder of ogg fails on long songs at once


class Material:
    """What the jobs work on.

    Parameters
    ----------
    config : mapping
        The whole configuration.
    stored : mapping
        ``sample_rate``, ``channels`` and ``suffix`` of the corpus' audio files.
    folder : Path
        Takes all files.
    device : torch.device
    """

    def __init__(self, config: Mapping[str, Any], stored: Mapping[str, Any], folder: Path, device: torch.device) -> None:
        self.config, self.stored, self.folder, self.device = config, stored, folder, device
        self.frontend = FrontEnd(**config["frontend"])
        self.predict = config["lime"]["predict"]
        self.lime = experiments.LimeSettings(**{key: value for key, value in config["lime"].items() if key != "predict"})
        self.sound = synthesise_song(np.random.default_rng(0), seconds=10, sample_rate=self.frontend.sample_rate).audio
        frames = log_mel(magnitudes(torch.as_tensor(self.sound), self.frontend), self.frontend)
        torch.manual_seed(0)
        detector = Detector(Architecture(**config["detector"]["architecture"]), self.frontend).eval()
        with torch.no_grad():  # standardised inputs, and decisions that are no ties
            detector.freq_norm.running_mean.copy_(frames.mean(dim=0))  # type: ignore[union-attr]
            detector.freq_norm.running_var.copy_(frames.var(dim=0))  # type: ignore[union-attr]
            detector.fc3.weight.mul_(30)
        self.checkpoint = folder / "detector.pt"
        save_checkpoint(self.checkpoint, Checkpoint(detector))
        n = self.frontend.excerpt_frames
        log_mels = torch.stack([frames[start : start + n] for start in np.linspace(0, len(frames) - n, 32, dtype=int)])
        with torch.inference_mode():
            p_sing = self.model().predict_logits(log_mels).sigmoid().cpu().numpy()
        order = np.argsort(p_sing)
        self.log_mels, self.p_sing, self.threshold = log_mels.numpy()[order], p_sing[order], float(np.median(p_sing))

    def network(self) -> Network:
        """Load the detector, as every job does that needs it."""
        return load_checkpoint(self.checkpoint).detector.network().to(self.device)

    def model(self) -> experiments.ExplainedModel:
        """Load the model that is explained."""
        return experiments.explained_model(self.network(), self.lime, n_mels=self.frontend.n_mels, predict=self.predict)

    def write(self, artefact: Any, *inputs: Path, name: str = "output.h5") -> list[Path]:
        """Write an artefact with its provenance; return its path."""
        path = self.folder / name
        store.write(path, artefact, describe(settings=self.config, seed=0, inputs=inputs))
        return [path]

    def song(self, seconds: float, *, as_stored: bool) -> Song:
        """Write a song, the sound repeated, as the corpus stores its songs or as the front end wants it."""
        rate, channels, suffix = self.frontend.sample_rate, 1, ".wav"
        if as_stored:
            rate, channels, suffix = (self.stored[key] for key in ("sample_rate", "channels", "suffix"))
        samples = np.resize(self.sound, round(seconds * rate))
        audio, labels = self.folder / f"{seconds} s{suffix}", self.folder / f"{seconds} s.lab"
        with soundfile.SoundFile(audio, "w", rate, channels) as file:
            for start in range(0, len(samples), BLOCK):
                file.write(np.tile(samples[start : start + BLOCK, None], channels))
        bounds = enumerate(itertools.pairwise([*np.arange(0, seconds - 1, 2), seconds]))
        write_labels(labels, [(start, end, ("nosing", "sing")[i % 2]) for i, (start, end) in bounds])
        return Song("song", audio, labels, "valid")

    def spectrograms(self, seconds: float, longest: float) -> list[Path]:
        """Write spectrograms of songs of at most `longest` seconds, `seconds` in all."""
        n = math.ceil(seconds / longest)
        one = compute_spectrogram(self.song(seconds / n, as_stored=False), self.frontend)
        return [path for i in range(n) for path in self.write(replace(one, song=f"song {i}"), name=f"song {i} of {n}.h5")]

    def attack(self, audio: Path, domain: Domain, size: float, n_updates: int) -> SongAttack | ExcerptAttack:
        """Attack a song, or `size` of its excerpts, and make the perturbation incompressible, as many updates would."""
        settings, network = self.config["attacks"], self.network()
        samples = load_audio(audio, sample_rate=self.frontend.sample_rate, min_seconds=self.frontend.excerpt_seconds)
        attack = replace(AttackSettings(**settings[domain]), max_updates=n_updates)
        common: dict[str, Any] = {"domain": domain, "threshold": self.threshold}
        found: SongAttack | ExcerptAttack
        if settings["scope"] == "song":
            chunk = settings["chunk_frames"]
            found = attack_song(samples, network, self.frontend, attack, chunk_frames=chunk, **common)
        else:
            starts = inner_start_frames(len(samples), self.frontend)
            chosen = starts[np.linspace(0, len(starts) - 1, round(size), dtype=int)]
            found = attack_excerpts(samples, chosen, network, self.frontend, attack, **common)
        return replace(found, delta=np.random.default_rng(0).random(found.delta.shape, dtype=np.float32))

    def attacked(self, size: float) -> list[Path]:
        """Write an attack that has flipped every excerpt."""
        found = self.attack(self.song(self.seconds(size), as_stored=False).audio, "spectrogram", size, 0)
        middle = math.log(self.threshold / (1 - self.threshold))
        return self.write(replace(found, adversarial_logit=2 * middle - found.clean_logit), name=f"attack {size}.h5")

    def seconds(self, size: float) -> float:
        """Return how long a song must be for an attack of that size, which is seconds or excerpts."""
        return size if self.config["attacks"]["scope"] == "song" else 30.0

    def excerpts(self, count: float) -> Excerpts:
        """Pair excerpts on either side of the threshold, the surest with each other: one is the other's adversarial version."""
        n_nosing = math.ceil(count / 2)
        is_sing = np.arange(round(count)) >= n_nosing
        low = np.arange(round(count)) % (len(self.p_sing) // 2)
        clean, other = np.where(is_sing, -1 - low, low), np.where(is_sing, low, -1 - low)
        return Excerpts(
            domain="waveform",
            scope="song",
            threshold=self.threshold,
            start_seconds=0.0,
            n_nosing=n_nosing,
            n_sing=len(low) - n_nosing,
            n_nosing_flipped=n_nosing,
            n_sing_flipped=len(low) - n_nosing,
            start_frame=np.arange(len(low)),
            original=np.where(is_sing, "sing", "nosing"),
            clean_log_mel=self.log_mels[clean],
            adversarial_log_mel=self.log_mels[other],
            clean_p_sing=self.p_sing[clean],
            adversarial_p_sing=self.p_sing[other],
        )

    def explanations(self, excerpts: Excerpts) -> Explanations:
        """Make explanations up: weights may be any where segments are only taken in their order."""
        shape = (len(experiments.INPUTS), len(self.lime.fills), len(experiments.METHODS), len(excerpts.original))
        n_segments = self.lime.n_time * self.lime.n_band
        weights = np.random.default_rng(0).standard_normal((*shape, n_segments))
        if not self.model().exact:
            weights[:, :, experiments.METHODS.index("exact")] = np.nan
        numbers, exact = np.zeros(shape), np.zeros((*shape[:2], shape[3], n_segments))
        return Explanations(
            evaluator="none",
            inputs=np.array(experiments.INPUTS),
            fills=np.array(self.lime.fills),
            methods=np.array(experiments.METHODS),
            original=excerpts.original,
            weights=weights,
            intercept=numbers,
            fidelity=numbers,
            local_prediction=numbers,
            shapley=exact,
            banzhaf=exact,
            variance_by_order=exact,
            audit=exact[..., 0],
        )


# ---- jobs by stage: from material, units and steps -------------------------------------------------------------------


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
    return lambda: m.write(compute_spectrogram(song, m.frontend), song.audio, song.labels)


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
        data = TrainingData(((song.magnitude, song.is_sing) for song in songs), m.frontend, settings)
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
        known: dict[str, Any] = {"threshold": m.threshold, "is_attacked_model": not m.predict}
        pick_excerpts(store.read(path, kind), predict, m.frontend, n_per_direction=n, seed=0, song="song", **known)
        return m.write(as_picked, path)

    return job


def _explanations(m: Material, count: float, _: float) -> Job:
    (path,), one_fill = m.write(m.excerpts(count), name=f"{count} excerpts.h5"), replace(m.lime, fills=(m.lime.fill,))
    return lambda: m.write(experiments.explain(store.read(path, Excerpts), m.model(), one_fill, seed=0, song="song"), path)


def _flips(m: Material, count: float, _: float) -> Job:
    excerpts = m.excerpts(count)
    paths = *m.write(excerpts, name=f"{count} excerpts.h5"), *m.write(m.explanations(excerpts), name=f"{count} explained.h5")

    def job() -> list[Path]:
        read = store.read(paths[0], Excerpts), store.read(paths[1], Explanations)
        return m.write(experiments.flip(*read, m.model(), m.lime, seed=0, song="song"), *paths)

    return job


def _localised(m: Material, count: float, _: float) -> Job:
    _flips(m, count, 0)()
    excerpts, flips = m.folder / f"{count} excerpts.h5", (m.folder / "output.h5").rename(m.folder / f"{count} flips.h5")
    k_tried = [m.lime.n_time * m.lime.n_band]  # the whole perturbation: every excerpt flips, and so none is left out

    def job() -> list[Path]:
        read = store.read(excerpts, Excerpts), store.read(flips, Flips)
        return m.write(experiments.localise(*read, m.model(), m.lime, k_tried=k_tried, seed=0, song="song"), excerpts, flips)

    return job


def _stability_study(m: Material, count: float, fits: float) -> Job:
    (path,), own = m.write(m.excerpts(count), name=f"{count} excerpts.h5"), m.config["stability"]
    sizes = {"n_samples": own["n_samples"], "n_repeats": round(fits / count), "n_per_direction": math.ceil(count / 2)}

    def job() -> list[Path]:
        read = store.read(path, Excerpts)
        return m.write(experiments.stability(read, m.model(), m.lime, **sizes, seed=0, song="song"), path)

    return job


def _drawings(m: Material, seconds: float, shapes: float) -> Job:
    (path,), own = m.spectrograms(seconds, longest=seconds), m.config["drawings"]
    tried = [own["shapes"][i % len(own["shapes"])] for i in range(round(shapes))]
    n_frames, one_fill = m.frontend.excerpt_frames, replace(m.lime, fills=(m.lime.fill,))
    settings = {"threshold": 1.0, "n_frames": n_frames, "shapes": tried, "n_placements": own["n_placements"]}  # none works

    def job() -> list[Path]:
        model, padded = m.model(), padded_log_mel(store.read(path, Spectrogram), m.frontend).numpy()
        experiments.draw(padded, model, m.lime, **settings, seed=0, song="song")
        experiments.explain(m.excerpts(1), model, one_fill, seed=0, song="song")  # two games; one that worked is one
        return m.write(m.excerpts(1), path)

    return job


def _pages(m: Material, size: float, each: float) -> Job:
    (path,), n = m.attacked(each), round(size / each)
    kind = SongAttack if m.config["attacks"]["scope"] == "song" else ExcerptAttack
    excerpts, out = m.excerpts(2), [m.folder / f"figure.{suffix}" for suffix in ("png", "pdf", "csv")]
    columns = ("jobs", "wall_seconds", "peak_memory_mb", "disk_mb")
    shown = pd.DataFrame({"stage": [f"stage {i}" for i in range(20)], **{name: np.arange(1, 21) for name in columns}})

    def job() -> list[Path]:
        attacks = (("song", "waveform", store.read(path, kind)) for _ in range(n))
        summaries.attacks_table(attacks, [("song", "waveform", excerpts)] * n).to_csv(out[2])
        figures.save(figures.figure_costs(shown, footnote="probe"), *out[:2])
        return out

    return job


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
    "stability_study": _stability_study,
    "drawings": _drawings,
    "tables and figures": _pages,
}


def probe(name: str, config: Mapping[str, Any], stored: Mapping[str, Any], sizes: Sequence[tuple[float, float]]) -> list[dict]:
    """Run one of `PROBES` in this process: its first size twice, then the others.

    Parameters
    ----------
    name : str
    config, stored : mapping
        As for `Material`.
    sizes : sequence of (units, steps)

    Returns
    -------
    list of dict
        ``units, steps, seconds, memory_mb, disk_mb`` of each run. Seconds are of the CPU, or of the clock where a GPU works.
        Memory is the peak beyond what this process held after its imports.
    """
    imports_mb = own_mb("VmRSS")
    device = reserve_device(device_of(name.split()[0], config))
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    points = []
    with tempfile.TemporaryDirectory() as folder:
        material = Material(config, stored, Path(folder), device)
        jobs = [PROBES[name](material, *size) for size in sizes]
        for job, (units, steps) in zip([jobs[0], *jobs], [sizes[0], *sizes], strict=True):
            forget_peak()
            start = clock()
            paths = job()  # what it has written has left the GPU
            seconds = clock() - start
            disk_mb = sum(path.stat().st_size for path in paths) / 1e6
            memory_mb = own_mb("VmHWM") - imports_mb
            points.append({"units": units, "steps": steps, "seconds": seconds, "memory_mb": memory_mb, "disk_mb": disk_mb})
    return points


def forget_peak() -> None:
    """Hand back what is free and let the peak memory of this process begin anew, as in a new process; on Linux only."""
    gc.collect()
    give_back_free_memory()
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5", encoding="ascii")


def measure(config: Mapping[str, Any], songs: Songs, works: Sequence[Work], *, processes: int = 1) -> dict[str, Cost]:
    """Measure what jobs cost on this machine, with the configuration's own settings.

    Parameters
    ----------
    config : mapping
        The whole configuration.
    songs : Songs
    works : sequence of Work
    processes : int
        Stages that are measured at a time.

    Returns
    -------
    dict of str to Cost
        By `Work.probe`.

    Raises
    ------
    VeracityError
        When a stage cannot run with this configuration.
    """
    stored = asdict(songs)
    requests = [{"name": part.probe, "config": config, "stored": stored, "sizes": part.sizes} for part in works]
    start_ups = {}
    for kind in sorted({part.imports for part in works}):
        runs = [_python("-c", f"{START_UP[kind]}; {TELL}", what="start-up") for _ in range(2)]
        start_ups[kind] = min(seconds for seconds, _ in runs), runs[0][1]
    with ThreadPoolExecutor(processes) as pool:
        runs = list(pool.map(lambda request: _python("-m", "veracity.probes", what=request["name"], given=request), requests))
    return {
        part.probe: fit(points, *start_ups[part.imports], holds_all=part.holds_all)
        for part, points in zip(works, runs, strict=True)
    }


def gpu_stages(config: Mapping[str, Any], works: Sequence[Work]) -> tuple[int, set[str]]:
    """Return how many GPUs work on this machine with that configuration, and the stages that do so."""
    stages = {part.stage for part in works if pick_device(device_of(part.stage, config)).type == "cuda"}
    return (torch.cuda.device_count() if stages else 0), stages


def fit(points: Sequence[Mapping[str, float]], startup: float, startup_mb: float, *, holds_all: bool) -> Cost:
    """Turn measurements into coefficients, none below zero.

    Parameters
    ----------
    points : sequence of mapping
        Of `veracity.probes.probe`: small, small once more, large, and, where there are steps, small with more steps.
    startup, startup_mb : float
        CPU seconds and peak memory of the imports.
    holds_all : bool
        As of `veracity.planning.Work`: memory grows with units.
    """
    first, small, large, *more = points
    n_units = large["units"] - small["units"]

    def line(name: str) -> tuple[float, float]:
        slope = max(0.0, (large[name] - small[name]) / n_units)
        return max(0.0, small[name] - slope * small["units"]), slope

    per_step = max(0.0, (more[0]["seconds"] - small["seconds"]) / (more[0]["steps"] - small["steps"])) if more else 0.0
    per_unit = max(0.0, (large["seconds"] - small["seconds"] - per_step * (large["steps"] - small["steps"])) / n_units)
    fixed = max(0.0, small["seconds"] - per_unit * small["units"] - (per_step * small["steps"] if more else 0.0))
    fixed += max(0.0, first["seconds"] - small["seconds"])  # every job is the first of its process
    memory = line("memory_mb") if holds_all else (max(point["memory_mb"] for point in points), 0.0)
    return Cost(startup, fixed, per_unit, per_step, startup_mb + memory[0], memory[1], *line("disk_mb"))


def _python(*arguments: str, what: str, given: Any = None) -> Any:
    """Run Python as Snakemake runs a script, with one thread; return the JSON that it prints."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    done = subprocess.run(  # noqa: S603 (this package)
        [sys.executable, *arguments],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**os.environ, **threads},
        check=False,
    )
    if done.returncode:
        raise VeracityError(f"the cost of {what} cannot be measured: {(done.stderr.splitlines() or ['killed'])[-1]}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    print(json.dumps(probe(**json.load(sys.stdin))))
