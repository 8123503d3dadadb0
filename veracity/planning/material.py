"""What the probes work on: a random detector and synthetic audio of any size."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ..attacks.excerpt_scope import attack_excerpts, inner_start_frames
from ..attacks.excerpts import Excerpts
from ..attacks.perturbations import ExcerptAttack, SongAttack
from ..attacks.settings import AttackSettings, Domain
from ..attacks.song_scope import attack_song
from ..detector.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ..detector.model import Detector
from ..detector.network import Network
from ..detector.settings import Architecture
from ..experiments.explanations import INPUTS, Explanations, empty
from ..explainers.lime import METHODS, LimeSettings
from ..games.explained import ExplainedModel
from ..games.models import explained_model
from ..jobs import store
from ..jobs.provenance import describe
from ..songs.audio import load_audio
from ..songs.corpus import Song
from ..songs.frontend import FrontEnd, log_mel, magnitudes
from ..songs.label_files import write_labels
from ..songs.spectrograms import compute_spectrogram
from ..songs.synthesis import synthesise_song

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
        self.predict = config["model"]["predict"]
        self.lime = LimeSettings(**config["lime"])
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

    def model(self) -> ExplainedModel:
        """Load the model that is explained."""
        grid = self.lime.grid(self.frontend.excerpt_frames, self.frontend.n_mels)
        tables = self.lime.evaluator == "auto"
        return explained_model(self.network(), grid, exact=self.lime.exact, exact_tables=tables, predict=self.predict)

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
        bounds = enumerate(itertools.pairwise(np.linspace(0, seconds, 1 + 2 * math.ceil(seconds / 4))))
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
            model="detector",
            threshold=self.threshold,
            start_seconds=0.0,
            n=np.array([[n_nosing, len(low) - n_nosing]]),
            n_flipped=np.array([[n_nosing, len(low) - n_nosing]]),
            start_frame=np.arange(len(low)),
            original=np.where(is_sing, "sing", "nosing"),
            clean=self.log_mels[clean],
            adversarial=self.log_mels[other],
            clean_p=self.p_sing[clean],
            adversarial_p=self.p_sing[other],
        )

    def explanations(self, excerpts: Excerpts) -> Explanations:
        """Make explanations up: weights may be any where segments are only taken in their order."""
        arrays = empty(len(self.lime.fills), len(excerpts.original), self.lime.n_time * self.lime.n_band)
        methods = METHODS if self.model().exact else METHODS[:1]
        rng = np.random.default_rng(0)
        arrays["weights"][:, :, : len(methods)] = rng.standard_normal(arrays["weights"][:, :, : len(methods)].shape)
        names = {"inputs": np.array(INPUTS), "fills": np.array(self.lime.fills), "methods": np.array(METHODS)}
        return Explanations(evaluator="none", **names, original=excerpts.original, **arrays)
