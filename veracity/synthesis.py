"""A synthetic corpus: songs with exact labels, made by numpy in seconds, so that everything runs without a download.

A song is an accompaniment (plucked or struck chords, pad, bass, drums), sung phrases, and lead instruments that stand in
for the voice between its phrases and sometimes sound beneath it. Voice and leads go through one synthesiser: a harmonic source with
glides and vibrato plus noise, shaped by resonances, at the same level. What tells them apart is what should: the voice
moves its formants from vowel to vowel and has consonants; a lead keeps its resonances (which may well be those of a vowel) or
sweeps all of them together. Neither loudness, harmonics, glides, vibrato nor bursts of noise (drums) suffice.

Conventions: audio is mono; "frames" are control frames, `Clock.hop_samples` apart, the first centred on sample 0; pitches
are MIDI numbers (69 is 440 Hz), fractions allowed. A phrase is sung without a rest from its label's start to its end:
stop gaps and catch-breaths of a tenth of a second belong to it. Reverberation of the voice may outlast the label.

References
----------
D. H. Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67(3), 1980 (the cascade of
resonators). G. E. Peterson and H. L. Barney, "Control methods used in a study of the vowels", J. Acoust. Soc. Am. 24(2), 1952
(the men's formants in `PHONEMES`).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve, istft, stft

from .errors import ConfigError
from .files import replacing
from .seeds import rng_for

SPLITS = ("train", "valid", "test")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4), (0, 0, 3, 4))  # scale degrees

# Formants 1-3 in Hz; amplitudes of voice, of breath through the formants and of frication; the frication's centre in Hz.
PHONEMES = {
    "a": (730, 1090, 2440, 1.0, 0.0, 0.0, 4000),
    "ae": (660, 1720, 2410, 1.0, 0.0, 0.0, 4000),
    "e": (530, 1840, 2480, 1.0, 0.0, 0.0, 4000),
    "i": (270, 2290, 3010, 1.0, 0.0, 0.0, 4000),
    "o": (570, 840, 2410, 1.0, 0.0, 0.0, 4000),
    "u": (300, 870, 2240, 1.0, 0.0, 0.0, 4000),
    "er": (490, 1350, 1690, 1.0, 0.0, 0.0, 4000),
    "m": (250, 1000, 2200, 0.30, 0.0, 0.0, 4000),
    "n": (250, 1600, 2600, 0.30, 0.0, 0.0, 4000),
    "l": (360, 1100, 2700, 0.45, 0.0, 0.0, 4000),
    "z": (300, 1600, 2600, 0.25, 0.0, 0.5, 6000),
    "s": (300, 1700, 2600, 0.0, 0.0, 1.0, 6300),
    "sh": (300, 1800, 2600, 0.0, 0.0, 1.0, 3200),
    "f": (300, 1000, 2400, 0.0, 0.0, 0.4, 5000),
    "h": (500, 1500, 2500, 0.0, 0.5, 0.0, 4000),
    "t": (350, 1800, 2600, 0.0, 0.3, 1.2, 4800),
    "k": (350, 2000, 2500, 0.0, 0.3, 1.2, 2000),
    "p": (350, 900, 2300, 0.0, 0.3, 1.0, 1000),
    "stop": (350, 1500, 2500, 0.0, 0.0, 0.0, 4000),
}
VOWELS = ("a", "ae", "e", "i", "o", "u", "er")
ONSETS: tuple[tuple[tuple[str, float], ...], ...] = (  # phonemes and seconds before a syllable's vowel
    (),
    (("m", 0.09),),
    (("n", 0.08),),
    (("l", 0.08),),
    (("z", 0.09),),
    (("s", 0.11),),
    (("sh", 0.11),),
    (("f", 0.09),),
    (("h", 0.10),),
    (("stop", 0.05), ("t", 0.03)),
    (("stop", 0.05), ("k", 0.03)),
    (("stop", 0.05), ("p", 0.025)),
)


@dataclass(frozen=True)
class SynthesisSettings:
    """How large the corpus is.

    Attributes
    ----------
    n_train, n_valid, n_test : int
        Number of songs of each split.
    seconds : float
        Length of every song, at least 4.
    sample_rate : int
        Hz, at least 16000: the front end looks up to 8 kHz.
    """

    n_train: int
    n_valid: int
    n_test: int
    seconds: float
    sample_rate: int = 22050

    def __post_init__(self) -> None:
        if min(self.n_train, self.n_valid, self.n_test) < 0:
            raise ConfigError(f"{self} asks for a negative number of songs: give zero or more of each split.")
        if self.seconds < 4:
            raise ConfigError(f"Songs of {self.seconds} s cannot hold a phrase and a rest: give 4 s or more.")
        if self.sample_rate < 16000:
            raise ConfigError(f"A sample rate of {self.sample_rate} Hz lacks what the detector sees: give 16000 or more.")


class Interval(NamedTuple):
    """One line of a label file: start and end in seconds (whole milliseconds), and ``"sing"`` or ``"nosing"``."""

    start_seconds: float
    end_seconds: float
    label: str


@dataclass(frozen=True)
class SyntheticSong:
    """A song and what is known about it.

    Attributes
    ----------
    audio : ndarray, shape (n_samples,), float32
        The mix, in [-1, 1].
    voice : ndarray, shape (n_samples,), float32
        The voice alone as it is in the mix, without reverberation; exactly zero outside the sung intervals.
    intervals : tuple of Interval
        Gap-free, alternating, from 0 to the song's end.
    sample_rate : int
        Hz.
    """

    audio: np.ndarray
    voice: np.ndarray
    intervals: tuple[Interval, ...]
    sample_rate: int


# ---- time, pitch and the one synthesiser ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clock:
    """Samples and control frames of one stretch of audio; windows of about 23 ms, a quarter of one apart."""

    n_samples: int
    sample_rate: int

    @property
    def window_samples(self) -> int:
        """Length of a window, a power of two."""
        return int(2 ** np.round(np.log2(0.023 * self.sample_rate)))

    @property
    def hop_samples(self) -> int:
        """Samples from frame to frame."""
        return self.window_samples // 4

    @property
    def frame_seconds(self) -> np.ndarray:
        """Times of the frames, shape (n_frames,), as `scipy.signal.stft` places them."""
        return np.arange(-(-self.n_samples // self.hop_samples) + 1) * (self.hop_samples / self.sample_rate)

    @property
    def bins_hz(self) -> np.ndarray:
        """Frequencies of the bins, shape (n_bins,), Hz."""
        return np.fft.rfftfreq(self.window_samples, 1 / self.sample_rate)

    def part(self, start_seconds: float, end_seconds: float) -> slice:
        """Return the samples between two times, as far as they exist."""
        bounds = np.round(np.array([start_seconds, end_seconds]) * self.sample_rate).astype(int)
        return slice(*np.clip(bounds, 0, self.n_samples).tolist())

    def smooth(self, tracks: np.ndarray, seconds: float) -> np.ndarray:
        """Smooth tracks of shape (n_frames, ...) over time by a Gaussian of this standard deviation."""
        return gaussian_filter1d(tracks, seconds * self.sample_rate / self.hop_samples, axis=0, mode="nearest")

    def to_samples(self, track: np.ndarray) -> np.ndarray:
        """Interpolate a track of shape (n_frames,) to shape (n_samples,)."""
        return np.interp(np.arange(self.n_samples), np.arange(len(track)) * self.hop_samples, track)


@dataclass(frozen=True)
class Key:
    """Tempo and harmony: one chord of the progression per bar of four beats."""

    beat_seconds: float
    root: int
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    def pitches_between(self, low: float, high: float) -> np.ndarray:
        """Return the scale's pitches within a range, ascending."""
        pitches = np.arange(int(np.ceil(low)), int(high) + 1)
        return pitches[np.isin((pitches - self.root) % 12, self.scale)]

    def chord(self, bar: int, lowest: int) -> np.ndarray:
        """Return the three pitches of a bar's triad, root first, each within the octave above `lowest`."""
        degrees = self.progression[bar % len(self.progression)] + np.array([0, 2, 4])
        return lowest + (self.root + np.array(self.scale)[degrees % 7] - lowest) % 12


@dataclass(frozen=True)
class Melody:
    """Notes that follow each other without a rest: start of each (seconds from the phrase's start) and pitch."""

    starts_seconds: np.ndarray
    pitches: np.ndarray

    def note_at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the index of the note that sounds at each time."""
        return np.searchsorted(self.starts_seconds, seconds, side="right") - 1


@dataclass(frozen=True)
class Player:
    """How a singer or a lead instrument makes its tone.

    Attributes
    ----------
    low, high : float
        Range, MIDI pitch.
    glide_seconds : float
        Portamento between notes (standard deviation of the smoothing of pitch).
    vibrato_hz, vibrato_semitones : float
        Rate and depth; it sets in during the first half second of a note.
    tilt_db : float
        Slope of the source, dB per octave.
    noise : float
        Breath, or the noise of a bow, relative to the harmonics.
    """

    low: float
    high: float
    glide_seconds: float
    vibrato_hz: float
    vibrato_semitones: float
    tilt_db: float
    noise: float


@dataclass(frozen=True)
class Singer(Player):
    """A voice: `formant_scale` multiplies the formants of `PHONEMES` (a shorter vocal tract has a larger one)."""

    formant_scale: float


@dataclass(frozen=True)
class Lead(Player):
    """An instrument that plays phrases: resonances that all move together by `sweep_octaves`, `sweep_hz` times a second."""

    resonances_hz: tuple[float, ...]
    sweep_octaves: float
    sweep_hz: float
    gap_seconds: float


def compose_melody(rng: np.random.Generator, player: Player, key: Key, seconds: float) -> Melody:
    """Walk up and down the scale within the player's range, in note values of half a beat to two beats.

    Returns
    -------
    Melody
        Starts at 0 and lasts `seconds`; no note is shorter than 0.18 s, unless the whole phrase is.
    """
    values = rng.choice([0.5, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0], size=int(seconds / (0.5 * key.beat_seconds)) + 1)
    starts = np.concatenate([[0.0], np.cumsum(values * key.beat_seconds)])
    starts = starts[starts < max(seconds - 0.18, 1e-3)]

    ladder = key.pitches_between(player.low, player.high)
    steps = rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3], size=len(starts))
    position = rng.integers(len(ladder)) + np.cumsum(steps)
    # Reflect the walk at the ends of the range.
    position = np.abs((position + len(ladder) - 1) % (2 * len(ladder) - 2) - (len(ladder) - 1))
    return Melody(starts, ladder[position])


def contour(rng: np.random.Generator, melody: Melody, player: Player, clock: Clock) -> np.ndarray:
    """Compute the fundamental frequency, shape (n_frames,), Hz: gliding notes, delayed vibrato and a little drift."""
    times = clock.frame_seconds
    note = melody.note_at(times)
    since_start = times - melody.starts_seconds[note]
    pitch = clock.smooth(melody.pitches[note].astype(float), player.glide_seconds)

    onset = np.clip((since_start - 0.12) / 0.35, 0, 1)
    rate = player.vibrato_hz * (1 + 0.06 * clock.smooth(rng.standard_normal(len(times)), 0.1) * 5)
    cycles = np.cumsum(rate) * clock.hop_samples / clock.sample_rate + rng.random()
    pitch = pitch + player.vibrato_semitones * onset * np.sin(2 * np.pi * cycles)
    drift = clock.smooth(rng.standard_normal(len(times)), 0.03)
    return 440 * 2 ** ((pitch + 0.25 * drift - 69) / 12)


def pulses(f0_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sum as many cosines of equal amplitude as fit below 0.45 of the sample rate, in closed form (Dirichlet kernel).

    Parameters
    ----------
    f0_hz : ndarray, shape (n_samples,)
        Fundamental frequency.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_samples,)
    """
    phase = (2 * np.pi / sample_rate * np.cumsum(f0_hz)) % (2 * np.pi)
    count = np.floor(0.45 * sample_rate / f0_hz)
    sine = np.sin(phase / 2)
    ratio = np.divide(np.sin((count + 0.5) * phase), sine, out=2 * count + 1, where=sine > 1e-6)
    return (ratio - 1) / 2


def resonance_gains(resonances_hz: np.ndarray, clock: Clock) -> np.ndarray:
    """Compute the magnitude of a cascade of resonators, each with gain 1 at 0 Hz.

    Parameters
    ----------
    resonances_hz : ndarray, shape (n_frames, n_resonances)
        Centres; the bandwidth is 50 Hz plus a twentieth of the centre.

    Returns
    -------
    ndarray, shape (n_frames, n_bins)
    """
    centre = resonances_hz[:, None, :]  # (n_frames, n_resonances) -> (n_frames, 1, n_resonances)
    bin_hz = clock.bins_hz[:, None]
    width = 50 + centre / 20
    squared = ((centre**2 - bin_hz**2) / centre**2) ** 2 + (width * bin_hz / centre**2) ** 2
    return 1 / np.sqrt(squared.prod(axis=-1))  # (n_frames, n_bins, n_resonances) -> (n_frames, n_bins)


def tone(
    rng: np.random.Generator, f0_hz: np.ndarray, clock: Clock, *, harmonic_gains: np.ndarray, noise_gains: np.ndarray
) -> np.ndarray:
    """Filter pulses and white noise by gains that change over time, and add them up.

    Parameters
    ----------
    f0_hz : ndarray, shape (n_frames,)
    harmonic_gains, noise_gains : ndarray, shape (n_frames, n_bins)
        Linear.

    Returns
    -------
    ndarray, shape (n_samples,)
    """
    settings = {"fs": clock.sample_rate, "nperseg": clock.window_samples, "noverlap": 3 * clock.hop_samples}
    harmonic = stft(pulses(clock.to_samples(f0_hz), clock.sample_rate), **settings)[2]
    noise = stft(3 * rng.standard_normal(clock.n_samples), **settings)[2]
    filtered = harmonic * harmonic_gains.T + noise * noise_gains.T  # (n_bins, n_frames), as SciPy has it
    return istft(filtered, **settings)[1][: clock.n_samples]


def source_slope(tilt_db: float, clock: Clock) -> np.ndarray:
    """Return the gain of a source, shape (n_bins,): 1 up to 200 Hz, then falling by `tilt_db` per octave."""
    octaves = np.log2(np.maximum(clock.bins_hz, 200) / 200)
    return 10 ** (tilt_db * octaves / 20)


def fade(n_samples: int, sample_rate: int, seconds: float) -> np.ndarray:
    """Return a window, shape (n_samples,), that is 1 but for raised-cosine ends of so many seconds and value 0."""
    from_end = np.minimum(np.arange(n_samples), np.arange(n_samples)[::-1]) / (seconds * sample_rate)
    return np.sin(np.pi / 2 * np.minimum(from_end, 1)) ** 2


# ---- singing ----------------------------------------------------------------------------------------------------------


def draw_singer(rng: np.random.Generator) -> Singer:
    """Draw a singer: a low voice has a long vocal tract, a high one a short."""
    low = rng.uniform(43, 60)
    return Singer(
        low=low,
        high=low + rng.uniform(12, 17),
        glide_seconds=rng.uniform(0.012, 0.05),
        vibrato_hz=rng.uniform(4.8, 6.8),
        vibrato_semitones=rng.uniform(0.05, 0.7),
        tilt_db=rng.uniform(-9, -5),
        noise=rng.uniform(0.005, 0.06),
        formant_scale=0.98 + 0.2 * (low - 43) / 17 + rng.uniform(-0.04, 0.04),
    )


def spell(rng: np.random.Generator, melody: Melody, seconds: float) -> tuple[np.ndarray, list[str]]:
    """Put a syllable on each note: often an onset, then a vowel, sometimes gliding into another one.

    Returns
    -------
    starts_seconds : ndarray, shape (n_phonemes,)
        Of each phoneme, from the phrase's start.
    phonemes : list of str
        Keys of `PHONEMES`.
    """
    starts: list[float] = []
    phonemes: list[str] = []
    for index, start in enumerate(melody.starts_seconds):
        end = melody.starts_seconds[index + 1] if index + 1 < len(melody.starts_seconds) else seconds
        onset = ONSETS[rng.integers(len(ONSETS))]
        onset = onset if index else onset[-1:]  # no silent stop before the phrase's first sound
        for phoneme, duration in onset:
            starts.append(start)
            phonemes.append(phoneme)
            start += duration * rng.uniform(0.8, 1.2)
        vowels = rng.choice(VOWELS, size=1 + int(rng.random() < 0.4), replace=False)
        starts.extend(start + (end - start) * np.array([0.0, rng.uniform(0.4, 0.7)])[: len(vowels)])
        phonemes.extend(map(str, vowels))
    return np.array(starts), phonemes


def sing(rng: np.random.Generator, melody: Melody, singer: Singer, clock: Clock) -> np.ndarray:
    """Sing a phrase that fills the clock.

    Returns
    -------
    ndarray, shape (n_samples,)
        Zero at both ends; of arbitrary level.
    """
    starts, phonemes = spell(rng, melody, clock.n_samples / clock.sample_rate)
    at = np.searchsorted(starts, clock.frame_seconds, side="right") - 1
    tracks = np.array([PHONEMES[phoneme] for phoneme in phonemes], dtype=float)[at]  # (n_frames, 7)
    voice, breath, frication = clock.smooth(tracks[:, 3:6], 0.008).T
    f0_hz = contour(rng, melody, singer, clock)

    tract = _formant_gains(clock.smooth(tracks[:, :3], 0.025) * singer.formant_scale, f0_hz, singer, clock)
    loudness = 10 ** (clock.smooth(rng.uniform(-3, 3, len(melody.pitches))[melody.note_at(clock.frame_seconds)], 0.05) / 20)
    bands = _frication_gains(tracks[:, 6], clock)
    breathy = (breath + singer.noise * voice)[:, None] * tract * source_slope(-3.0, clock)
    voiced = voice[:, None] * tract * source_slope(singer.tilt_db, clock)
    sound = tone(
        rng,
        f0_hz,
        clock,
        harmonic_gains=loudness[:, None] * voiced,
        noise_gains=loudness[:, None] * (breathy + frication[:, None] * bands),
    )
    return sound * fade(clock.n_samples, clock.sample_rate, 0.02)


def _formant_gains(formants_hz: np.ndarray, f0_hz: np.ndarray, singer: Singer, clock: Clock) -> np.ndarray:
    # High voices raise their first formant to the fundamental; the upper formants hardly move.
    first = np.maximum(formants_hz[:, :1], f0_hz[:, None])
    upper = np.full((len(f0_hz), 2), [3400.0, 4300.0]) * singer.formant_scale
    return resonance_gains(np.concatenate([first, formants_hz[:, 1:], upper], axis=1), clock)


def _frication_gains(centres_hz: np.ndarray, clock: Clock) -> np.ndarray:
    octaves = np.log2(np.maximum(clock.bins_hz, 50) / centres_hz[:, None])
    return np.exp(-0.5 * (octaves / 0.4) ** 2)  # (n_frames, n_bins)


# ---- leads: what a detector must not take for singing -------------------------------------------------------------------


def draw_lead(rng: np.random.Generator) -> Lead:
    """Draw a lead: bowed string, gliding synthesizer, wind, or an instrument through a wah-wah pedal.

    Fixed resonances are drawn from the ranges of vowels' formants, so that no single spectrum tells a voice.
    """
    kind = rng.choice(["string", "synthesizer", "wind", "wah"], p=[0.35, 0.25, 0.25, 0.15])
    low = rng.uniform(46, 64)
    vowel_like = (rng.uniform(280, 750), rng.uniform(850, 2200), rng.uniform(2300, 3000), 3500.0, 4400.0)
    traits = {  # glide_seconds, vibrato_semitones, tilt_db, noise, sweep_octaves, gap_seconds
        "string": (rng.uniform(0.015, 0.05), rng.uniform(0.2, 0.7), rng.uniform(-8, -5), 0.02, 0.0, 0.0),
        "synthesizer": (rng.uniform(0.02, 0.08), rng.uniform(0.0, 0.4), rng.uniform(-9, -4), 0.0, 0.0, 0.02),
        "wind": (rng.uniform(0.01, 0.03), rng.uniform(0.1, 0.5), rng.uniform(-10, -6), 0.1, 0.0, 0.03),
        "wah": (rng.uniform(0.01, 0.04), rng.uniform(0.0, 0.4), rng.uniform(-8, -5), 0.0, 0.35, 0.02),
    }[str(kind)]
    return Lead(
        low=low,
        high=low + rng.uniform(12, 17),
        glide_seconds=traits[0],
        vibrato_hz=rng.uniform(4.8, 6.8),
        vibrato_semitones=traits[1],
        tilt_db=traits[2],
        noise=traits[3],
        resonances_hz=vowel_like,
        sweep_octaves=traits[4],
        sweep_hz=rng.uniform(0.7, 2.0),
        gap_seconds=traits[5],
    )


def play_lead(rng: np.random.Generator, melody: Melody, lead: Lead, clock: Clock) -> np.ndarray:
    """Play a phrase that fills the clock.

    Returns
    -------
    ndarray, shape (n_samples,)
        Zero at both ends; of arbitrary level.
    """
    times = clock.frame_seconds
    sweep = 2 ** (lead.sweep_octaves * np.sin(2 * np.pi * (lead.sweep_hz * times + rng.random())))
    body = resonance_gains(sweep[:, None] * np.array(lead.resonances_hz), clock)

    note = melody.note_at(times)
    since_start = times - melody.starts_seconds[note]
    accents = 10 ** (rng.uniform(-3, 3, len(melody.pitches)) / 20)
    loudness = clock.smooth(accents[note] * (since_start >= lead.gap_seconds), 0.015)[:, None]
    chiff = 1 + 4 * np.exp(-since_start / 0.03)[:, None]  # a wind's attack is noisier than its tone
    sound = tone(
        rng,
        contour(rng, melody, lead, clock),
        clock,
        harmonic_gains=loudness * body * source_slope(lead.tilt_db, clock),
        noise_gains=loudness * lead.noise * chiff * body * source_slope(-3.0, clock),
    )
    return sound * fade(clock.n_samples, clock.sample_rate, 0.03)


# ---- accompaniment ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patch:
    """A plucked, struck or sustained instrument: harmonics that fade, the higher the faster.

    Attributes
    ----------
    n_harmonics : int
    slope : float
        Amplitude of harmonic ``k`` is ``k ** -slope``.
    decay_seconds : float
        Time constant of the lowest harmonics.
    damping : float
        How much faster each further harmonic fades, 1/s.
    attack_seconds, length_seconds : float
        The note is faded in within the first and out before the second.
    """

    n_harmonics: int
    slope: float
    decay_seconds: float
    damping: float
    attack_seconds: float
    length_seconds: float

    def note(self, pitch: int, sample_rate: int) -> np.ndarray:
        """Render one note, shape (length_seconds * sample_rate,)."""
        seconds = np.arange(int(self.length_seconds * sample_rate)) / sample_rate
        f0_hz = 440 * 2 ** ((pitch - 69) / 12)
        n_harmonics = max(1, min(self.n_harmonics, int(0.45 * sample_rate / f0_hz)))
        partial = np.exp((2j * np.pi * f0_hz - self.damping) * seconds)
        # Harmonic k is the k-th power of the first: Horner's rule sums them without another sine.
        total = np.zeros_like(partial)
        for k in range(n_harmonics, 0, -1):
            total = (total + k**-self.slope) * partial
        rise = np.minimum(seconds / self.attack_seconds, 1)
        fall = np.minimum((self.length_seconds - seconds) / max(0.02, self.attack_seconds), 1)
        return total.imag * np.exp(-seconds / self.decay_seconds) * rise * fall


class Event(NamedTuple):
    """A note of an accompanying instrument: seconds from the song's start, MIDI pitch (or drum), linear gain."""

    start_seconds: float
    pitch: int
    gain: float


def perform(score: list[Event], sounds: dict[int, np.ndarray], clock: Clock) -> np.ndarray:
    """Add each event's sound to silence, cut at the end of the clock; shape (n_samples,)."""
    stem = np.zeros(clock.n_samples)
    for event in score:
        place = slice(int(event.start_seconds * clock.sample_rate), None)
        room = stem[place]
        room[: len(sounds[event.pitch])] += event.gain * sounds[event.pitch][: len(room)]
    return stem


def perform_patch(score: list[Event], patch: Patch, clock: Clock) -> np.ndarray:
    """Perform pitched events on one instrument; each pitch is rendered once."""
    pitches = {event.pitch for event in score}
    return perform(score, {pitch: patch.note(pitch, clock.sample_rate) for pitch in pitches}, clock)


def chords_stem(rng: np.random.Generator, key: Key, clock: Clock, n_bars: int) -> np.ndarray:
    """Play the chords on a plucked or keyboard instrument: strummed in a rhythm, or broken."""
    patch = Patch(
        n_harmonics=int(rng.integers(6, 16)),
        slope=rng.uniform(0.7, 1.8),
        decay_seconds=rng.uniform(0.25, 1.0),
        damping=rng.uniform(0.3, 3.0),
        attack_seconds=rng.uniform(0.002, 0.008),
        length_seconds=rng.uniform(0.8, 1.4),
    )
    broken, lowest = rng.random() < 0.4, int(rng.integers(50, 60))
    eighths = [np.arange(8), np.arange(0, 8, 2), np.array([0, 3, 6]), np.array([0, 2, 3, 5, 6])][int(rng.integers(4))]
    score = []
    for bar in range(n_bars):
        chord = np.sort(key.chord(bar, lowest))
        for index, eighth in enumerate(eighths):
            start = (bar * 4 + eighth / 2) * key.beat_seconds
            struck = chord[[index % 3]] if broken else chord
            gain = rng.uniform(0.6, 1.0)
            score += [Event(start + 0.012 * i, int(pitch), gain) for i, pitch in enumerate(struck)]
    return perform_patch(score, patch, clock)


def bass_stem(rng: np.random.Generator, key: Key, clock: Clock, n_bars: int) -> np.ndarray:
    """Play the chords' roots on a bass in one rhythm."""
    patch = Patch(int(rng.integers(4, 10)), rng.uniform(1.0, 2.0), rng.uniform(0.2, 0.6), 1.0, 0.006, key.beat_seconds)
    beats = [(0.0, 1.0, 2.0, 3.0), (0.0, 1.5, 2.0, 3.5), (0.0, 2.0), (0.0, 0.5, 1.5, 2.0, 3.0)][int(rng.integers(4))]
    score = [
        Event((bar * 4 + beat) * key.beat_seconds, int(key.chord(bar, 31)[0]), rng.uniform(0.7, 1.0))
        for bar in range(n_bars)
        for beat in beats
    ]
    return perform_patch(score, patch, clock)


def pad_stem(rng: np.random.Generator, key: Key, clock: Clock, n_bars: int) -> np.ndarray:
    """Hold each chord for its bar, swelling in and out, each note by two players a little out of tune."""
    bar_seconds = 4 * key.beat_seconds
    patch = Patch(int(rng.integers(4, 14)), rng.uniform(0.8, 1.8), 30.0, 0.0, rng.uniform(0.1, 0.4), bar_seconds + 0.2)
    lowest = int(rng.integers(52, 64))
    score = [Event(bar * bar_seconds, int(pitch), 1.0) for bar in range(n_bars) for pitch in key.chord(bar, lowest)]
    stem = perform_patch(score, patch, clock)
    # A copy whose delay wanders is out of tune by a few cents.
    wander = 0.004 * clock.sample_rate * (1 + np.sin(2 * np.pi * rng.uniform(0.3, 0.9) * clock.frame_seconds))
    return stem + np.interp(np.arange(clock.n_samples) - clock.to_samples(wander), np.arange(clock.n_samples), stem)


def drum_sounds(rng: np.random.Generator, sample_rate: int) -> dict[int, np.ndarray]:
    """Render kick (0), snare (1) and hi-hat (2), each shape (n_samples,) of at most 0.3 s."""
    seconds = np.arange(int(0.3 * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(seconds))
    bright = np.diff(noise, n=2, prepend=[0.0, 0.0])
    low_hz, drop = rng.uniform(42, 60), rng.uniform(15, 35)
    kick = np.sin(2 * np.pi * (low_hz * seconds - 6 * np.exp(-drop * seconds) / drop * 10)) * np.exp(-seconds / 0.09)
    drum = np.sin(2 * np.pi * rng.uniform(160, 230) * seconds) * np.exp(-seconds / 0.04)
    snare = 0.6 * drum + 0.4 * noise * np.exp(-seconds / rng.uniform(0.04, 0.1))
    hat = 0.12 * bright * np.exp(-seconds / rng.uniform(0.015, 0.07))
    return {0: kick * 1.3, 1: snare, 2: hat}


def drums_stem(rng: np.random.Generator, key: Key, clock: Clock, n_bars: int) -> np.ndarray:
    """Play one pattern of kick, snare and hi-hat, with ghost notes."""
    kicks = [(0, 8), (0, 6, 8), (0, 8, 10), (0, 4, 8, 12)][int(rng.integers(4))]
    hats = range(0, 16, int(rng.choice([1, 2, 2, 4])))
    pattern = [(0, at, 1.0) for at in kicks] + [(1, at, 0.8) for at in (4, 12)] + [(2, at, 0.6) for at in hats]
    score = []
    for bar in range(n_bars):
        ghosts = [(1, int(at), 0.25) for at in rng.integers(16, size=2)]
        for drum, sixteenth, gain in pattern + ghosts:
            score.append(Event((bar * 4 + sixteenth / 4) * key.beat_seconds, drum, gain * rng.uniform(0.7, 1.0)))
    return perform(score, drum_sounds(rng, clock.sample_rate), clock)


def accompany(rng: np.random.Generator, key: Key, clock: Clock) -> np.ndarray:
    """Play chords, bass and mostly pad and drums through the whole song; shape (n_samples,), RMS 1."""
    n_bars = int(np.ceil(clock.n_samples / clock.sample_rate / (4 * key.beat_seconds)))
    parts = [(chords_stem, 1.0, -3, 3), (bass_stem, 1.0, -4, 2), (pad_stem, 0.6, -9, -2), (drums_stem, 0.85, -4, 3)]
    mix = np.zeros(clock.n_samples)
    for stem, probability, quietest_db, loudest_db in parts:
        if rng.random() < probability:
            mix += at_level(stem(rng, key, clock, n_bars), rng.uniform(quietest_db, loudest_db))
    return at_level(mix, 0.0)


# ---- the song ---------------------------------------------------------------------------------------------------------


def plan_intervals(rng: np.random.Generator, seconds: float) -> tuple[Interval, ...]:
    """Divide a song into alternating intervals, 45 to 55 % of it sung, most of them 1.5 to 5 s long.

    Parameters
    ----------
    seconds : float
        Length of the song.

    Returns
    -------
    tuple of Interval
        The first is sung or not by chance.
    """
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


def draw_key(rng: np.random.Generator) -> Key:
    """Draw tempo, key and chord progression."""
    return Key(
        beat_seconds=60 / rng.uniform(72, 132),
        root=int(rng.integers(12)),
        scale=SCALES[str(rng.choice(list(SCALES)))],
        progression=PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))],
    )


def at_level(stem: np.ndarray, level_db: float) -> np.ndarray:
    """Scale a stem so that its RMS where it sounds is so many dB above 1; silence stays silence."""
    sounding = stem[stem != 0]
    if not len(sounding):
        return stem
    return stem * (10 ** (level_db / 20) / np.sqrt(np.mean(sounding**2)))


def vocals_stem(rng: np.random.Generator, key: Key, clock: Clock, intervals: tuple[Interval, ...]) -> np.ndarray:
    """Sing one phrase in each sung interval, all by one singer; shape (n_samples,), RMS 1 where sung."""
    singer = draw_singer(rng)
    stem = np.zeros(clock.n_samples)
    for interval in intervals:
        if interval.label == "sing":
            phrase = clock.part(interval.start_seconds, interval.end_seconds)
            stem[phrase] = _phrase(rng, key, clock, phrase, singer)
    return at_level(stem, 0.0)


def leads_stem(rng: np.random.Generator, key: Key, clock: Clock, intervals: tuple[Interval, ...]) -> np.ndarray:
    """Let two leads play in most rests of the voice and beneath some of its phrases; shape (n_samples,), RMS 1."""
    leads = [draw_lead(rng), draw_lead(rng)]
    stem = np.zeros(clock.n_samples)
    for interval in intervals:
        if rng.random() < {"nosing": 0.9, "sing": 0.3}[interval.label]:
            early, late = rng.uniform(-0.3, 0.3, size=2)
            phrase = clock.part(interval.start_seconds + early, interval.end_seconds + late)
            stem[phrase] += _phrase(rng, key, clock, phrase, leads[int(rng.integers(2))])
    return at_level(stem, 0.0)


def _phrase(rng: np.random.Generator, key: Key, clock: Clock, phrase: slice, player: Singer | Lead) -> np.ndarray:
    own_clock = Clock(phrase.stop - phrase.start, clock.sample_rate)
    melody = compose_melody(rng, player, key, own_clock.n_samples / clock.sample_rate)
    if isinstance(player, Singer):
        sound = sing(rng, melody, player, own_clock)
    else:
        sound = play_lead(rng, melody, player, own_clock)
    return at_level(sound, rng.uniform(-1.5, 1.5))


def reverberate(rng: np.random.Generator, audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Add what a small room or hall answers: decaying noise of 0.2 to 0.7 s, 10 to 22 dB below the direct sound."""
    length_seconds = rng.uniform(0.2, 0.7)
    seconds = np.arange(int(length_seconds * sample_rate)) / sample_rate
    response = rng.standard_normal(len(seconds)) * np.exp(-6.9 * seconds / length_seconds)
    response *= 10 ** (-rng.uniform(10, 22) / 20) / np.sqrt(np.sum(response**2))
    return audio + fftconvolve(audio, response)[: len(audio)]


def synthesise_song(rng: np.random.Generator, *, seconds: float, sample_rate: int) -> SyntheticSong:
    """Make one song.

    Parameters
    ----------
    rng : Generator
        All that the song is follows from its state.
    seconds : float
        Length.
    sample_rate : int
        Hz.

    Returns
    -------
    SyntheticSong
        The peak of its audio lies between 0.5 and 0.95.
    """
    clock = Clock(round(seconds * sample_rate), sample_rate)
    key, intervals = draw_key(rng), plan_intervals(rng, clock.n_samples / sample_rate)
    voice = at_level(vocals_stem(rng, key, clock, intervals), rng.uniform(-4, 4))
    leads = at_level(leads_stem(rng, key, clock, intervals), rng.uniform(-4, 4))

    mix = accompany(rng, key, clock) + leads + voice
    if rng.random() < 0.7:
        mix = reverberate(rng, mix, sample_rate)
    scale = rng.uniform(0.5, 0.95) / np.abs(mix).max()
    return SyntheticSong((scale * mix).astype(np.float32), (scale * voice).astype(np.float32), intervals, sample_rate)


# ---- files ------------------------------------------------------------------------------------------------------------


def song_names(settings: SynthesisSettings) -> dict[str, tuple[str, ...]]:
    """Name the songs of each split: ``synthetic-train-01`` and so on."""
    counts = zip(SPLITS, (settings.n_train, settings.n_valid, settings.n_test), strict=True)
    return {split: tuple(f"synthetic-{split}-{i:02d}" for i in range(1, count + 1)) for split, count in counts}


def write_song(folder: str | os.PathLike, name: str, settings: SynthesisSettings, seed: int) -> None:
    """Make a song and write ``audio/{name}.flac`` (16 bits) and ``labels/{name}.lab``.

    Parameters
    ----------
    folder : path-like
        Of the corpus.
    name : str
        One of `song_names`. The song follows from seed, name, length and sample rate, whatever else the corpus holds.
    settings : SynthesisSettings
    seed : int
        The seed of the run.
    """
    rng = rng_for(seed, "synthesis", name)
    song = synthesise_song(rng, seconds=settings.seconds, sample_rate=settings.sample_rate)
    lines = [f"{start:.3f} {end:.3f} {label}\n" for start, end, label in song.intervals]
    with replacing(Path(folder, "audio", f"{name}.flac")) as path:
        soundfile.write(path, song.audio, song.sample_rate, subtype="PCM_16")
    with replacing(Path(folder, "labels", f"{name}.lab")) as path:
        path.write_text("".join(lines), encoding="utf-8")


def write_lists(folder: str | os.PathLike, settings: SynthesisSettings, *, seed: int) -> None:
    """Write ``filelists/{train,valid,test}`` and a README that says what the folder holds."""
    for split, names in song_names(settings).items():
        with replacing(Path(folder, "filelists", split)) as path:
            path.write_text("".join(f"{name}.flac\n" for name in names), encoding="utf-8")
    with replacing(Path(folder, "README.txt")) as path:
        path.write_text(
            "Synthetic songs with exact labels, made by veracity (veracity/synthesis.py). Nobody sang or played here.\n"
            f"Seed {seed}; {settings}.\n",
            encoding="utf-8",
        )


def write_corpus(folder: str | os.PathLike, settings: SynthesisSettings, *, seed: int) -> None:
    """Write the whole corpus in the layout of Jamendo; a second call writes the same bytes.

    Parameters
    ----------
    folder : path-like
        Made when missing; files of the same names are replaced, others are left alone.
    settings : SynthesisSettings
    seed : int
        The seed of the run.
    """
    for names in song_names(settings).values():
        for name in names:
            write_song(folder, name, settings, seed)
    write_lists(folder, settings, seed=seed)
