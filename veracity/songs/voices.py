"""Singers and lead instruments of the synthetic corpus, which share one synthesiser (see `veracity.songs.synthesis`)."""

from dataclasses import dataclass

import numpy as np

# Formants 1-3 in Hz; gains of harmonics, of breath through the formants, and of frication; centre of the frication in Hz.
PHONEMES = {
    "a": (730, 1090, 2440, 1.0, 0.0, 0.0, 4000),
    "e": (530, 1840, 2480, 1.0, 0.0, 0.0, 4000),
    "i": (270, 2290, 3010, 1.0, 0.0, 0.0, 4000),
    "o": (570, 840, 2410, 1.0, 0.0, 0.0, 4000),
    "u": (300, 870, 2240, 1.0, 0.0, 0.0, 4000),
    "m": (250, 1000, 2200, 0.30, 0.0, 0.0, 4000),
    "n": (250, 1600, 2600, 0.30, 0.0, 0.0, 4000),
    "l": (360, 1100, 2700, 0.45, 0.0, 0.0, 4000),
    "z": (300, 1600, 2600, 0.25, 0.0, 0.5, 6000),
    "s": (300, 1700, 2600, 0.0, 0.0, 1.0, 6300),
    "h": (500, 1500, 2500, 0.0, 0.5, 0.0, 4000),
    "t": (350, 1800, 2600, 0.0, 0.3, 1.2, 4800),
    "k": (350, 2000, 2500, 0.0, 0.3, 1.2, 2000),
    "stop": (350, 1500, 2500, 0.0, 0.0, 0.0, 4000),
}
ONSETS = ((), ("m",), ("n",), ("l",), ("z",), ("s",), ("h",), ("stop", "t"), ("stop", "k"))  # phonemes that may precede a vowel


@dataclass(frozen=True)
class Clock:
    """Samples and control frames of a section of audio, with windows of about 23 ms and a hop of a quarter window.

    Attributes
    ----------
    n_samples : int
        Length of the section in samples.
    sample_rate : int
        Sample rate in Hz.
    """

    n_samples: int
    sample_rate: int

    @property
    def window_samples(self) -> int:
        """Length of a window in samples, a power of two."""
        return int(2 ** np.round(np.log2(0.023 * self.sample_rate)))

    @property
    def hop_samples(self) -> int:
        """Hop between frames in samples."""
        return self.window_samples // 4

    @property
    def frame_seconds(self) -> np.ndarray:
        """Times of the frames in seconds, shape (n_frames,), as in `scipy.signal.stft`."""
        return np.arange(-(-self.n_samples // self.hop_samples) + 1) * (self.hop_samples / self.sample_rate)

    @property
    def bins_hz(self) -> np.ndarray:
        """Frequencies of the bins in Hz, shape (n_bins,)."""
        return np.fft.rfftfreq(self.window_samples, 1 / self.sample_rate)

    def smooth(self, tracks: np.ndarray, seconds: float) -> np.ndarray:
        """Smooth tracks of shape (n_frames, ...) over time with a Gaussian whose standard deviation is `seconds`."""
        from scipy.ndimage import gaussian_filter1d

        return gaussian_filter1d(tracks, seconds * self.sample_rate / self.hop_samples, axis=0, mode="nearest")


@dataclass(frozen=True)
class Key:
    """Tempo and harmony, with one chord of the progression per bar of four beats.

    Attributes
    ----------
    beat_seconds : float
        Length of a beat in seconds.
    root : int
        Pitch class of the root, 0 for C.
    scale : tuple of int
        Semitones of the seven degrees above the root.
    progression : tuple of int
        Degree of the chord of each bar, counted from 0; repeated over the song.
    """

    beat_seconds: float
    root: int
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    def chord(self, bar: int, lowest: int) -> np.ndarray:
        """Return the three pitches of the triad of a bar, root first, each within the octave above `lowest`."""
        degrees = self.progression[bar % len(self.progression)] + np.array([0, 2, 4])
        return lowest + (self.root + np.array(self.scale)[degrees % 7] - lowest) % 12


@dataclass(frozen=True)
class Voice:
    """Singer or lead instrument.

    Attributes
    ----------
    low : int
        Lowest MIDI pitch of a range of 16 semitones.
    glide_seconds : float
        Portamento between notes in seconds (standard deviation of the smoothing of pitch).
    vibrato_hz, vibrato_semitones : float
        Rate and depth of the vibrato.
    tilt_db : float
        Spectral slope of the source in dB per octave.
    noise : float
        Level of breath or bow noise relative to the harmonics.
    formant_scale : float
        Factor applied to all resonance frequencies, larger for a shorter vocal tract.
    body_hz : tuple of float or None
        Three lowest resonances of an instrument in Hz; None for a singer, whose resonances vary.
    sweep_octaves : float
        Range in octaves over which an instrument shifts all resonances together, like a wah-wah pedal.
    tongued : bool
        Whether the notes of an instrument begin with a gap and a burst of noise.
    """

    low: int
    glide_seconds: float
    vibrato_hz: float
    vibrato_semitones: float
    tilt_db: float
    noise: float
    formant_scale: float
    body_hz: tuple[float, float, float] | None
    sweep_octaves: float
    tongued: bool


def draw_voice(rng: np.random.Generator, *, sings: bool) -> Voice:
    """Draw a singer, or a lead instrument, which differs in the movements of its pitch and resonances."""
    low = int(rng.integers(44, 62))
    return Voice(
        low=low,
        glide_seconds=rng.uniform(0.03, 0.06) if sings else rng.uniform(0.004, 0.01),
        vibrato_hz=rng.uniform(4.8, 6.8),
        vibrato_semitones=rng.uniform(0.4, 1) if sings else rng.uniform(0, 0.05),
        tilt_db=rng.uniform(-9, -5),
        noise=rng.uniform(0.005, 0.06),
        formant_scale=0.98 + 0.2 * (low - 44) / 17 + rng.uniform(-0.04, 0.04),
        body_hz=None if sings else (rng.uniform(280, 750), rng.uniform(850, 2200), rng.uniform(2300, 3000)),
        sweep_octaves=0.35 * (rng.random() < 0.25),
        tongued=bool(rng.random() < 0.5),
    )


def compose(rng: np.random.Generator, voice: Voice, key: Key, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a melody as a random walk on the scale within the range of a player.

    Parameters
    ----------
    rng : Generator
        Source of rhythm and pitches.
    voice : Voice
        Singer or lead instrument.
    key : Key
        Tempo and scale.
    seconds : float
        Length of the phrase in seconds.

    Returns
    -------
    starts : ndarray, shape (n_notes,)
        Start of each note in seconds.
    pitches : ndarray, shape (n_notes,)
        MIDI pitch of each note.
    """
    values = rng.choice([0.5, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0], size=int(seconds / (0.5 * key.beat_seconds)) + 1)
    starts = np.concatenate([[0.0], np.cumsum(values * key.beat_seconds)])
    starts = starts[starts < max(seconds - 0.18, 1e-3)]  # a shorter last note would contain a consonant but no vowel

    pitches = np.arange(voice.low, voice.low + 17)
    ladder = pitches[np.isin((pitches - key.root) % 12, key.scale)]
    position = rng.integers(len(ladder)) + np.cumsum(rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3], size=len(starts)))
    # Reflect the walk at the ends of the range.
    position = np.abs((position + len(ladder) - 1) % (2 * len(ladder) - 2) - (len(ladder) - 1))
    return starts, ladder[position]


def articulate_syllables(rng: np.random.Generator, note_starts: np.ndarray, clock: Clock) -> np.ndarray:
    """Draw a syllable for each note, most with a consonant and some with two vowels.

    Parameters
    ----------
    rng : Generator
        Source of the syllables.
    note_starts : ndarray, shape (n_notes,)
        Start of each note in seconds.
    clock : Clock
        Length and sample rate of the phrase.

    Returns
    -------
    ndarray, shape (n_frames, 7)
        Articulation of each frame, with the columns of `PHONEMES`.
    """
    starts: list[float] = []
    phonemes: list[str] = []
    ends = np.append(note_starts[1:], clock.n_samples / clock.sample_rate)
    for index, (start, end) in enumerate(zip(note_starts, ends, strict=True)):
        onset = ONSETS[rng.integers(len(ONSETS))]
        onset = onset if index else onset[-1:]  # no silent stop before the phrase's first sound
        onset_seconds = rng.uniform(0.07, 0.11)
        for phoneme in onset:
            starts.append(start)
            phonemes.append(phoneme)
            start += onset_seconds / len(onset)
        vowels = rng.choice(["a", "e", "i", "o", "u"], size=1 + int(rng.random() < 0.4), replace=False)
        starts.extend(start + (end - start) * np.array([0.0, rng.uniform(0.4, 0.7)])[: len(vowels)])
        phonemes.extend(map(str, vowels))
    at = np.searchsorted(starts, clock.frame_seconds, side="right") - 1
    return np.array([PHONEMES[phoneme] for phoneme in phonemes], dtype=float)[at]


def articulate_notes(rng: np.random.Generator, since_start: np.ndarray, lead: Voice, clock: Clock) -> np.ndarray:
    """Return the articulation of instrument notes.

    Parameters
    ----------
    rng : Generator
        Source of the sweep of resonances.
    since_start : ndarray, shape (n_frames,)
        Time since the start of the current note in seconds.
    lead : Voice
        Lead instrument.
    clock : Clock
        Length and sample rate of the phrase.

    Returns
    -------
    ndarray, shape (n_frames, 7)
        Articulation of each frame, with the columns of `PHONEMES`.
    """
    times = clock.frame_seconds
    attack = lead.tongued * (since_start < 0.04)
    sweep = 2 ** (lead.sweep_octaves * np.sin(2 * np.pi * (rng.uniform(0.7, 2.0) * times + rng.random())))
    formants_hz = sweep[:, None] * np.array(lead.body_hz)
    return np.column_stack([formants_hz, 1 - attack, 0.3 * attack, np.zeros_like(times), np.full_like(times, 4000)])


def play_phrase(rng: np.random.Generator, voice: Voice, key: Key, clock: Clock) -> np.ndarray:
    """Render a phrase of the length of `clock`.

    Parameters
    ----------
    rng : Generator
        Source of all random choices.
    voice : Voice
        Singer or lead instrument.
    key : Key
        Tempo and harmony.
    clock : Clock
        Length and sample rate of the phrase.

    Returns
    -------
    ndarray, shape (n_samples,)
        Audio with zeros at both ends and an RMS of about 1.
    """
    from scipy.signal import istft, stft

    times = clock.frame_seconds
    starts, pitches = compose(rng, voice, key, clock.n_samples / clock.sample_rate)
    note = np.searchsorted(starts, times, side="right") - 1
    since_start = times - starts[note]

    # Notes glide into each other. Vibrato starts within the first half second of a note, and pitch and rate drift slightly.
    drift, rate_drift = (clock.smooth(rng.standard_normal(len(times)), seconds) for seconds in (0.03, 0.1))
    onset = np.clip((since_start - 0.12) / 0.35, 0, 1)
    cycles = np.cumsum(voice.vibrato_hz * (1 + 0.3 * rate_drift)) * clock.hop_samples / clock.sample_rate + rng.random()
    pitch = clock.smooth(pitches[note].astype(float), voice.glide_seconds) + 0.25 * drift
    f0_hz = 440 * 2 ** ((pitch + voice.vibrato_semitones * onset * np.sin(2 * np.pi * cycles) - 69) / 12)

    sings = voice.body_hz is None
    columns = articulate_syllables(rng, starts, clock) if sings else articulate_notes(rng, since_start, voice, clock)
    harmonics, breath, frication = clock.smooth(columns[:, 3:6], 0.008).T[:, :, None]  # each (n_frames, 1)
    formants_hz = clock.smooth(columns[:, :3], 0.025)
    formants_hz = np.column_stack([formants_hz, np.full((len(times), 2), [3400.0, 4300.0])]) * voice.formant_scale
    # High voices raise their first formant to the fundamental.
    formants_hz[:, 0] = np.maximum(formants_hz[:, 0], f0_hz)

    octaves = np.log2(np.maximum(clock.bins_hz, 200) / 200)  # the source is flat below 200 Hz
    tract = cascade_gains(formants_hz, clock)
    hiss = np.exp(-0.5 * (np.log2(np.maximum(clock.bins_hz, 50) / columns[:, 6:]) / 0.4) ** 2)
    harmonic_gains = harmonics * tract * 10 ** (voice.tilt_db * octaves / 20)
    noise_gains = (breath + voice.noise * harmonics) * tract * 10 ** (-3 * octaves / 20) + frication * hiss

    stft_settings = {"fs": clock.sample_rate, "nperseg": clock.window_samples, "noverlap": 3 * clock.hop_samples}
    source = pulses(np.interp(np.arange(clock.n_samples), np.arange(len(times)) * clock.hop_samples, f0_hz), clock.sample_rate)
    spectrum = stft(source, **stft_settings)[2] * harmonic_gains.T  # (n_bins, n_frames), as in SciPy
    spectrum += stft(3 * rng.standard_normal(clock.n_samples), **stft_settings)[2] * noise_gains.T
    accents = rng.uniform(-3, 3, len(pitches))[note]
    sound = istft(spectrum * 10 ** (clock.smooth(accents, 0.05) / 20), **stft_settings)[1][: clock.n_samples]

    from_end = np.minimum(np.arange(clock.n_samples), np.arange(clock.n_samples)[::-1]) / (0.02 * clock.sample_rate)
    return at_level(sound * np.sin(np.pi / 2 * np.minimum(from_end, 1)) ** 2, rng.uniform(-1.5, 1.5))


def cascade_gains(resonances_hz: np.ndarray, clock: Clock) -> np.ndarray:
    """Compute the gains of resonators in series, from centres (n_frames, n_resonances) to gains (n_frames, n_bins)."""
    squared = np.ones((len(resonances_hz), len(clock.bins_hz)))
    for centre in resonances_hz.T[:, :, None]:  # (n_frames, 1)
        bandwidth = 50 + centre / 20
        squared *= (1 - (clock.bins_hz / centre) ** 2) ** 2 + (bandwidth * clock.bins_hz / centre**2) ** 2
    return 1 / np.sqrt(squared)


def pulses(f0_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sum cosines of equal amplitude at all harmonics below 0.45 of the sample rate, in closed form (Dirichlet kernel)."""
    phase = (2 * np.pi / sample_rate * np.cumsum(f0_hz)) % (2 * np.pi)
    count = np.floor(0.45 * sample_rate / f0_hz)
    sine = np.sin(phase / 2)
    ratio = np.divide(np.sin((count + 0.5) * phase), sine, out=2 * count + 1, where=sine > 1e-6)
    return (ratio - 1) / 2


def at_level(stem: np.ndarray, level_db: float) -> np.ndarray:
    """Scale a stem to `level_db`, the RMS over non-zero samples in dB relative to 1; silence stays silent."""
    sounding = stem[stem != 0]
    return stem * (10 ** (level_db / 20) / np.sqrt(np.mean(sounding**2))) if len(sounding) else stem
