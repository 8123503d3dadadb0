"""Spectrograms of songs with a label for each frame: the first artefact of a song."""

import logging

import numpy as np
import torch

from .artefacts import Spectrogram
from .corpus import Song, frame_labels, label_overhang_seconds, load_audio, read_labels
from .detector import Network, dense_in_chunks
from .frontend import FrontEnd, log_mel, magnitudes, pad_silence

log = logging.getLogger(__name__)


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


def predict_frames(network: Network, spectrogram: Spectrogram, frontend: FrontEnd) -> np.ndarray:
    """Return the logit of P(sing) for the excerpt around each frame of a song, shape (n_frames,), float32."""
    with torch.inference_mode():
        padded = padded_log_mel(spectrogram, frontend).to(network.device)
        return dense_in_chunks(network, padded).cpu().numpy()
