"""Spectrograms of songs with a label for each frame: the first artefact of a song (stage ``spectrograms``)."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from ..jobs.store import array, note
from .audio import load_audio
from .corpus import Song
from .frontend import FrontEnd, log_mel, magnitudes, pad_silence
from .label_files import frame_labels, label_overhang_seconds, read_labels

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Spectrograms of one song, and what is sung in it: magnitudes as training holds them, and what the detector sees."""

    song: str = note("name of the song")
    split: str = note("train, valid or test")
    label_overhang_seconds: float = note(
        "how far the labels run past the audio (negative: end before it); they are clipped or go on to its end"
    )
    magnitude: np.ndarray = array("frame", "bin", unit="linear magnitude", doc="short-time Fourier magnitudes, float16")
    log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="of the unrounded magnitudes")
    is_sing: np.ndarray = array("frame", unit="1", doc="whether the label at the frame's time is sing")


def compute_spectrogram(song: Song, frontend: FrontEnd) -> Spectrogram:
    """Decode a song, compute its magnitudes and align its labels.

    Parameters
    ----------
    song : Song
    frontend : FrontEnd

    Raises
    ------
    CorpusError
        When audio or labels cannot be used, or the audio is shorter than one excerpt.
    """
    intervals = read_labels(song.labels)
    audio = load_audio(song.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds)
    overhang = label_overhang_seconds(intervals, len(audio) / frontend.sample_rate)
    if abs(overhang) > 0.1:
        what = "run %.1f s past the end of the audio and are clipped" if overhang > 0 else "end %.1f s early; the last goes on"
        log.warning("%s: labels " + what, song.labels, abs(overhang))
    magnitude = magnitudes(torch.as_tensor(audio), frontend)
    return Spectrogram(
        song=song.name,
        split=song.split,
        label_overhang_seconds=overhang,
        magnitude=magnitude.half().numpy(),
        log_mel=log_mel(magnitude, frontend).numpy(),
        is_sing=frame_labels(intervals, len(magnitude), frames_per_second=frontend.frames_per_second),
    )


def padded_log_mel(spectrogram: Spectrogram, frontend: FrontEnd) -> torch.Tensor:
    """Return the log-mel spectrogram with silence around, shape (n_frames + excerpt_frames - 1, n_mels)."""
    return pad_silence(torch.as_tensor(spectrogram.log_mel), frontend)
