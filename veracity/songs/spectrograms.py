"""From a song's audio and labels to its spectrogram with a label for each frame (stage ``spectrograms``)."""

import logging

import torch

from .audio import load_audio
from .corpus import Song
from .frontend import FrontEnd, log_mel, magnitudes
from .label_files import frame_labels, label_overhang_seconds, read_labels
from .spectra import Spectrogram

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
