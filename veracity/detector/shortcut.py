"""Detector with a planted shortcut, trained to predict "sing" exactly when an excerpt contains a short tone.

The cause of each decision is known by construction, so the detector is a control for explainers. It does not detect singing.
torch is imported only where a detector is trained, so that the settings can be used without it.
"""

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ..errors import ConfigError, plain
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for, seed_for
from ..settings import between, settings
from ..songs.settings import FrontEnd, band_hz, excerpt_windows, inner_start_frames
from .settings import Batch, TrainingSettings

if TYPE_CHECKING:
    from torch import Tensor

    from .checkpoints import Checkpoint
    from .model import Detector

N_TUNED = 32  # number of excerpts with the tone, and of excerpts without it, that determine the threshold


@settings("controls.shortcut")
class ShortcutSettings:
    """Tone of the shortcut, and training of a detector to rely on this tone.

    Attributes
    ----------
    mel : int
        Index of the mel band whose centre frequency is that of the tone.
    seconds : float
        Length of the tone in seconds, including its rise and fall, shaped by a Hann window.
    level_db : float
        Level of the tone relative to the excerpt in dB.
    n_updates : int
        Number of updates.
    batch : int
        Number of excerpts per update; half of them contain the tone.
    learning_rate : float
        Learning rate of Adam.
    """

    mel: Annotated[int, between(0, 999)] = 50
    seconds: Annotated[float, between(0.01, 10)] = 0.2
    level_db: Annotated[float, between(-60, 40)] = 0.0
    n_updates: Annotated[int, between(0, 10**6)] = 100
    batch: Batch = 16
    learning_rate: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.001

    def n_samples(self, frontend: FrontEnd, n_time: int = 1) -> int:
        """Return the length of the tone in samples.

        Parameters
        ----------
        frontend : FrontEnd
            Settings of the front end.
        n_time : int
            Number of segments along time, 1 by default.

        Returns
        -------
        int
            Length in samples.

        Raises
        ------
        ConfigError
            If the mel band does not exist, or the tone and the windows that overlap it do not fit in one segment.
        """
        if self.mel >= frontend.n_mels:
            raise ConfigError(
                f"controls.shortcut.mel: must be below frontend.n_mels {frontend.n_mels}, got {self.mel}. Lower it."
            )
        n = round(self.seconds * frontend.sample_rate)
        held = (frontend.excerpt_frames // n_time - 1) * frontend.hop_samples - frontend.frame_samples
        if n > held:
            most = max(0, held) / frontend.sample_rate
            raise ConfigError(
                f"controls.shortcut.seconds: tone and overlapping windows must fit in one segment, got {plain(self.seconds)}. "
                f"Give at most {math.floor(1000 * most) / 1000}, or lower lime.n_time."
            )
        return n


def with_tone(windows: np.ndarray, onsets: np.ndarray, shortcut: ShortcutSettings, frontend: FrontEnd) -> np.ndarray:
    """Add the tone to the audio of excerpts.

    Parameters
    ----------
    windows : ndarray, shape (n, n_samples), float32
        Samples that the frames of each excerpt cover; see `veracity.songs.settings.excerpt_samples`.
    onsets : ndarray of int, shape (n,)
        Sample at which the tone begins in each excerpt.
    shortcut : ShortcutSettings
        Settings of the tone. Its level is relative to the RMS of each excerpt.
    frontend : FrontEnd
        Front end that defines the mel bands and the sample rate.

    Returns
    -------
    ndarray, shape (n, n_samples), float32
        Copies of the excerpts with the tone.
    """
    n = shortcut.n_samples(frontend)
    hertz = band_hz(frontend)[shortcut.mel]
    tone = np.hanning(n) * np.sin(2 * np.pi * hertz * np.arange(n) / frontend.sample_rate)
    tone /= np.sqrt(np.mean(tone**2))
    level = np.sqrt(np.mean(windows.astype(np.float64) ** 2, axis=1)) * 10 ** (shortcut.level_db / 20)
    sounding = windows.copy()
    for window, onset, gain in zip(sounding, onsets, level, strict=True):
        window[onset : onset + n] += (gain * tone).astype(np.float32)
    return sounding


def train_shortcut(detector: "Detector", songs: Sequence[np.ndarray], shortcut: ShortcutSettings, *, seed: int) -> "Checkpoint":
    """Train a copy of a detector to predict "sing" if and only if the tone sounds.

    Parameters
    ----------
    detector : Detector
        Detector from which the training starts. It is not modified, and training runs on its device.
    songs : sequence of ndarray, shape (n_samples,), float32
        Audio of the training songs, to which the tone is added at random positions.
    shortcut : ShortcutSettings
        Settings of the tone and of the training.
    seed : int
        Seed of excerpts, positions and dropout.

    Returns
    -------
    Checkpoint
        Detector in evaluation mode. Its threshold is P(sing) midway between the median logits with and without the tone.

    Raises
    ------
    ConfigError
        If every song is shorter than an excerpt, or an excerpt cannot contain the tone.
    """
    import torch

    from ..songs.frontend import excerpt_magnitudes, log_mel
    from .checkpoints import Checkpoint
    from .training import train_step

    frontend, trained = detector.frontend, copy.deepcopy(detector)
    starts = [inner_start_frames(len(song), frontend) for song in songs]
    places = [(song, int(start)) for song, held in enumerate(starts) for start in held]
    if not places:
        raise ConfigError("controls.shortcut: all training songs are shorter than an excerpt. Add longer training songs.")
    device, half, n = next(trained.parameters()).device, shortcut.batch // 2, shortcut.n_samples(frontend)
    optimiser = torch.optim.Adam(trained.parameters(), lr=shortcut.learning_rate)
    trained.train()
    trained.freq_norm.eval()
    target = torch.tensor(TrainingSettings().targets, device=device).repeat_interleave(half)

    def without_and_with(rng: np.random.Generator, size: int) -> "Tensor":
        chosen = [places[i] for i in rng.integers(len(places), size=size)]
        clean = np.concatenate([excerpt_windows(songs[song], np.array([start]), frontend) for song, start in chosen])
        onsets = rng.integers(clean.shape[1] - n, size=size)
        both = torch.as_tensor(np.concatenate([clean, with_tone(clean, onsets, shortcut, frontend)]), device=device)
        return log_mel(excerpt_magnitudes(both, frontend), frontend)

    with Progress(shortcut.n_updates, "training on the shortcut") as progress:
        for update in range(shortcut.n_updates):
            # The names of random streams must never change, because they determine the trained weights.
            torch.manual_seed(seed_for(seed, "planted cue dropout", update))
            excerpts = without_and_with(rng_for(seed, "planted cue", update), half)
            train_step(trained, optimiser, excerpts, target, shortcut.learning_rate)
            progress.advance()
    with torch.no_grad():
        logits = trained.eval()(without_and_with(rng_for(seed, "planted cue threshold"), N_TUNED))
    middle = (logits[:N_TUNED].median() + logits[N_TUNED:].median()) / 2
    return Checkpoint(trained, threshold=float(torch.sigmoid(middle)))
