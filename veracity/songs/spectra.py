"""The spectrogram of a song as an artefact, which training, predictions and drawings read.

This module is separate from `veracity.songs.spectrograms`, which computes spectrograms. Changes to the code that reads
audio and labels therefore trigger retraining only if they change a spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..jobs.store import array, note
from .audio_stats import AudioStats

if TYPE_CHECKING:
    import torch

    from .frontend import FrontEnd


@dataclass(frozen=True, kw_only=True)
class Spectrogram(AudioStats):
    """Magnitude and log-mel spectrograms of one song with its labels."""

    # The inherited fields of AudioStats are for the table `corpus`.

    song: str = note("name of the song")
    split: str = note("train, valid or test")
    label_overhang_seconds: float = note(
        "time by which the labels exceed the audio (negative: they end earlier); they are clipped, or the last one is extended"
    )
    magnitude: np.ndarray = array("frame", "bin", unit="linear magnitude", doc="short-time Fourier magnitudes, float16")
    log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="log-mel spectrogram of the unrounded magnitudes")
    is_sing: np.ndarray | None = array(
        "frame",
        unit="1",
        of=bool,
        doc="whether the label at the time of the frame is sing; missing without labels",
        optional=True,
    )


def padded_log_mel(spectrogram: Spectrogram, frontend: FrontEnd) -> torch.Tensor:
    """Return the log-mel spectrogram padded with silence, shape (n_frames + excerpt_frames - 1, n_mels)."""
    import torch

    from .frontend import pad_silence

    return pad_silence(torch.as_tensor(spectrogram.log_mel), frontend)
