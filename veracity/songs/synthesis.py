"""Synthetic corpus with exact labels, generated in seconds, so that everything runs without a download.

A song consists of an accompaniment (chords, pad, bass, drums), sung phrases, and lead instruments. Leads play in most rests of
the voice and during some of its phrases. Each phrase has its own player. Voice and leads use the same synthesiser at similar
levels: a harmonic source plus noise, filtered by resonances. They differ as singing differs from instruments. The voice glides
from note to note, has vibrato, moves its formants from vowel to vowel and has consonants. A lead has steady pitches. It keeps
its resonances, which may equal those of a vowel, or shifts all of them together. Loudness, harmonics or bursts of noise alone
do not distinguish them.

Audio is mono. "Frames" are control frames with a hop of `Clock.hop_samples`, the first of which is centred on sample 0. Pitches
are MIDI numbers (69 is 440 Hz). A phrase is sung without a rest from the start to the end of its label, apart from stop gaps of
about 50 ms. SciPy and soundfile are imported inside functions, because every job of the workflow imports this module for
`song_names`.

References
----------
D. H. Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67(3), 1980 (the cascade of resonators).
G. E. Peterson and H. L. Barney, "Control methods used in a study of the vowels", J. Acoust. Soc. Am. 24(2), 1952 (the men's
formants in `PHONEMES`).
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from ..errors import ConfigError, plain
from ..jobs.files import replacing
from ..jobs.seeds import rng_for
from ..settings import between, settings
from .accompaniment import PROGRESSIONS, SCALES, accompany
from .corpus import SPLITS
from .label_files import Interval, write_labels
from .voices import Clock, Key, at_level, draw_voice, play_phrase

Seconds = Annotated[float, between(4, 7200)]  # the shortest song has room for a phrase and a rest


@settings("corpus.synthetic")
class SynthesisSettings:
    """Size of the synthetic corpus.

    Attributes
    ----------
    n_train, n_valid, n_test : int
        Number of songs of each split.
    seconds : float
        Length of every song in seconds, at least 4.
    sample_rate : int
        Sample rate in Hz, at least 16000 because the highest band ends at 8 kHz.
    """

    n_train: Annotated[int, between(0, 10_000)]
    n_valid: Annotated[int, between(0, 10_000)]
    n_test: Annotated[int, between(0, 10_000)]
    seconds: Seconds
    sample_rate: Annotated[int, between(1, 1_000_000)] = 22050

    def __post_init__(self) -> None:
        if self.sample_rate < 16000:
            raise ConfigError(
                f"frontend.sample_rate: too low for the detector's bands in a synthetic corpus, got {self.sample_rate}. "
                "Give 16000 or more."
            )


@dataclass(frozen=True)
class SyntheticSong:
    """Synthetic song with its stems and labels.

    Attributes
    ----------
    audio : ndarray, shape (n_samples,), float32
        Mix in [-1, 1].
    voice, leads : ndarray, shape (n_samples,), float32
        Stems at their level in the mix. The voice is exactly zero outside the sung intervals.
    intervals : tuple of Interval
        Alternating intervals without gaps, from 0 to the end of the song.
    sample_rate : int
        Sample rate in Hz.
    """

    audio: np.ndarray
    voice: np.ndarray
    leads: np.ndarray
    intervals: tuple[Interval, ...]
    sample_rate: int


def plan_intervals(rng: np.random.Generator, seconds: float) -> tuple[Interval, ...]:
    """Divide a song into alternating intervals, most 1.5 to 5 s long; 45 to 55 % of the duration is sung."""
    n_pairs = max(1, round(seconds / 6.5))
    share = rng.uniform(0.45, 0.55)
    lengths = rng.uniform(0.5, 1.5, size=(n_pairs, 2))
    lengths *= np.array([share, 1 - share]) * seconds / lengths.sum(axis=0)
    labels = ["sing", "nosing"]
    if rng.random() < 0.5:
        lengths, labels = lengths[:, ::-1], labels[::-1]
    bounds = [0.0, *(round(float(bound), 3) for bound in np.cumsum(lengths))]
    bounds[-1] = round(seconds, 3)
    return tuple(Interval(bounds[i], bounds[i + 1], labels[i % 2]) for i in range(2 * n_pairs))


def play_phrases(
    rng: np.random.Generator, key: Key, clock: Clock, spans: list[tuple[float, float]], *, sung: bool
) -> np.ndarray:
    """Render a phrase in each span, each by a different player.

    Parameters
    ----------
    rng : Generator
        Source of all random choices.
    key : Key
        Tempo and harmony.
    clock : Clock
        Length and sample rate of the song.
    spans : list of (float, float)
        Start and end of each phrase in seconds.
    sung : bool
        Whether the players are singers rather than lead instruments.

    Returns
    -------
    ndarray, shape (n_samples,)
        Stem whose RMS over its non-zero samples is 5 to 9 dB (voice) or 2 to 6 dB (leads) above 1.
    """
    stem = np.zeros(clock.n_samples)
    for span in spans:
        start, stop = np.clip(np.round(np.array(span) * clock.sample_rate).astype(int), 0, clock.n_samples)
        stem[start:stop] += play_phrase(rng, draw_voice(rng, sings=sung), key, Clock(int(stop - start), clock.sample_rate))
    return at_level(stem, rng.uniform(5, 9) if sung else rng.uniform(2, 6))


def synthesise_song(rng: np.random.Generator, *, seconds: float, sample_rate: int) -> SyntheticSong:
    """Synthesise a song, which depends only on the arguments; the peak of its audio is between 0.5 and 0.95.

    Parameters
    ----------
    rng : Generator
        Source of all random choices.
    seconds : float
        Length of the song in seconds.
    sample_rate : int
        Sample rate in Hz.

    Returns
    -------
    SyntheticSong
        Song with its stems and labels.
    """
    clock = Clock(round(seconds * sample_rate), sample_rate)
    progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    key = Key(60 / rng.uniform(72, 132), int(rng.integers(12)), SCALES[rng.integers(len(SCALES))], progression)
    intervals = plan_intervals(rng, clock.n_samples / sample_rate)

    sung = [(start, end) for start, end, label in intervals if label == "sing"]
    voice = play_phrases(rng, key, clock, sung, sung=True)
    # Leads start and end near the bounds of phrases but not at them, so that they do not reveal the bounds of the voice.
    led = [
        (start + rng.uniform(-0.3, 0.3), end + rng.uniform(-0.3, 0.3))
        for start, end, label in intervals
        if rng.random() < {"nosing": 0.9, "sing": 0.3}[label]
    ]
    leads = play_phrases(rng, key, clock, led, sung=False)

    mix = accompany(rng, key, clock) + leads + voice
    scale = rng.uniform(0.5, 0.95) / np.abs(mix).max()
    audio, voice, leads = ((scale * stem).astype(np.float32) for stem in (mix, voice, leads))
    return SyntheticSong(audio, voice, leads, intervals, sample_rate)


def song_names(settings: SynthesisSettings) -> dict[str, tuple[str, ...]]:
    """Return the names of the songs of each split, such as ``synthetic-train-01``."""
    counts = zip(SPLITS, (settings.n_train, settings.n_valid, settings.n_test), strict=True)
    return {split: tuple(f"synthetic-{split}-{i:02d}" for i in range(1, count + 1)) for split, count in counts}


def write_corpus(folder: str | os.PathLike, settings: SynthesisSettings, *, seed: int) -> None:
    """Write the corpus in the layout of Jamendo; repeated calls write identical bytes.

    A song depends only on the seed, its name, its length and its sample rate.

    Parameters
    ----------
    folder : path-like
        Folder of the corpus, which is created if it is missing. Files with the same names are replaced; others are kept.
    settings : SynthesisSettings
        Size of the corpus.
    seed : int
        Seed of the run.
    """
    import soundfile

    for split, names in song_names(settings).items():
        for name in names:
            rng = rng_for(seed, "synthesis", name)
            song = synthesise_song(rng, seconds=settings.seconds, sample_rate=settings.sample_rate)
            with replacing(Path(folder, "audio", f"{name}.flac")) as path:
                encoded = io.BytesIO()  # encoding in memory, because Python reports a full disk more clearly than libsndfile
                soundfile.write(encoded, song.audio, song.sample_rate, format="FLAC", subtype="PCM_16")
                path.write_bytes(encoded.getvalue())
            write_labels(Path(folder, "labels", f"{name}.lab"), song.intervals)
        with replacing(Path(folder, "filelists", split)) as path:
            path.write_text("".join(f"{name}.flac\n" for name in names), encoding="utf-8")
    with replacing(Path(folder, "README.txt")) as path:
        path.write_text(
            "Synthetic songs with exact labels, made by veracity (veracity/songs/synthesis.py). No recordings were used.\n"
            f"Seed {seed}; {str(settings).replace(str(settings.seconds), plain(settings.seconds))}.\n",
            encoding="utf-8",
        )
