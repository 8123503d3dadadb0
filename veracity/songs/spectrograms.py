"""Computation of the spectrogram of a song with a label for each frame (stage ``spectrograms``)."""

import logging
import math

import torch

from ..errors import CorpusError
from .audio import load_audio_and_stats
from .corpus import Song
from .frontend import FrontEnd, log_mel, magnitudes
from .label_files import WORDS, Words, check_extent, frame_labels, label_overhang_seconds, read_labels, to_the_end
from .quality import quality_problems
from .spectra import Spectrogram

log = logging.getLogger(__name__)
EARLY = 0.1  # .txt and .csv labels that end before this share of a song may be in minutes


def compute_spectrogram(song: Song, frontend: FrontEnd, words: Words = WORDS) -> Spectrogram:
    """Decode a song, compute its magnitudes and align its labels; remarks are logged as warnings.

    Parameters
    ----------
    song : Song
        Song of a corpus.
    frontend : FrontEnd
        Settings of the front end.
    words : mapping
        Words in label files for "sing" and "nosing"; see `veracity.songs.label_files.read_labels`.

    Returns
    -------
    Spectrogram
        Spectrogram with labels, if the song has any.

    Raises
    ------
    CorpusError
        If audio or labels cannot be used or do not belong together, or the audio is shorter than one excerpt.
    """
    intervals = read_labels(song.labels, words) if song.labels else None
    audio, audio_stats = load_audio_and_stats(
        song.audio, sample_rate=frontend.sample_rate, min_seconds=frontend.excerpt_seconds
    )
    seconds = len(audio) / frontend.sample_rate
    magnitude = magnitudes(torch.as_tensor(audio), frontend)
    if not bool(torch.isfinite(magnitude.half()).all()):
        raise CorpusError(
            f"{song.audio}: too loud for half-precision spectrograms (largest magnitude {float(magnitude.max()):.3g}), "
            f"got a peak of {audio_stats.peak:.3g}. Scale it to +-1, or lower frontend.frame_samples."
        )
    is_sing, overhang = None, math.nan
    if intervals and song.labels:
        check_extent(intervals, seconds, song.labels)
        overhang = label_overhang_seconds(intervals, seconds)
        if overhang < 0 and intervals[-1].end_seconds >= EARLY * seconds:
            overhang = label_overhang_seconds(to_the_end(intervals, seconds, song.labels), seconds)
        intervals = to_the_end(intervals, seconds, song.labels)
        is_sing = frame_labels(intervals, len(magnitude), frames_per_second=frontend.frames_per_second)
    spectrogram = Spectrogram(
        **vars(audio_stats),
        song=song.name,
        split=song.split,
        label_overhang_seconds=overhang,
        magnitude=magnitude.half().numpy(),
        log_mel=log_mel(magnitude, frontend).numpy(),
        is_sing=is_sing,
    )
    for remark in quality_problems(spectrogram):
        log.warning("%s: %s", song.audio, remark)
    return spectrogram
