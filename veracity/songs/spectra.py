"""The spectrogram of a song as an artefact: what training, predictions and drawings read.

Apart from `veracity.songs.spectrograms`, which makes it, so that a change in how audio and labels are read trains nothing anew
unless it has changed a spectrogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..jobs.store import array, note
from .facts import AudioFacts

if TYPE_CHECKING:
    import torch

    from .frontend import FrontEnd


@dataclass(frozen=True, kw_only=True)
class Spectrogram(AudioFacts):
    """Spectrograms of one song, and what is sung in it: magnitudes as training holds them, and what the detector sees."""

    # What decoding has told of its audio (the fields of AudioFacts) is carried along, for the table `corpus`.

    song: str = note("name of the song")
    split: str = note("train, valid or test")
    label_overhang_seconds: float = note(
        "how far the labels run past the audio (negative: end before it); they are clipped or go on to its end"
    )
    magnitude: np.ndarray = array("frame", "bin", unit="linear magnitude", doc="short-time Fourier magnitudes, float16")
    log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="of the unrounded magnitudes")
    is_sing: np.ndarray | None = array(
        "frame", unit="1", of=bool, doc="whether the label at the frame's time is sing; absent without labels", optional=True
    )


def padded_log_mel(spectrogram: Spectrogram, frontend: FrontEnd) -> torch.Tensor:
    """Return the log-mel spectrogram with silence around, shape (n_frames + excerpt_frames - 1, n_mels)."""
    import torch

    from .frontend import pad_silence

    return pad_silence(torch.as_tensor(spectrogram.log_mel), frontend)
