"""Accompaniment of the synthetic corpus: chords, pad, bass and drums."""

import functools
from collections.abc import Callable

import numpy as np

from .voices import Clock, Key, at_level

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major and minor
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 3), (0, 2, 3, 4))  # degrees of the scale
RHYTHMS = ((0.0, 1.0, 2.0, 3.0), (0.0, 1.5, 3.0), (0.0, 1.0, 1.5, 2.5, 3.0), tuple(np.arange(0, 4, 0.5)))  # beats of a bar
KICK, SNARE, HAT = range(3)


def draw_instrument(
    rng: np.random.Generator, sample_rate: int, *, decay_seconds: float, attack_seconds: float, length_seconds: float
) -> Callable[[int], np.ndarray]:
    """Choose the timbre of a plucked, struck or sustained instrument at random.

    Parameters
    ----------
    rng : Generator
        Random number generator that determines the timbre.
    sample_rate : int
        Sample rate in Hz.
    decay_seconds, attack_seconds, length_seconds : float
        Decay time constant, attack time and total length of a note in seconds.

    Returns
    -------
    callable
        Function from a MIDI pitch to the samples of a note.
    """
    slope, n_drawn, damping = rng.uniform(0.7, 1.8), int(rng.integers(5, 15)), rng.uniform(0.3, 3.0)
    seconds = np.arange(int(length_seconds * sample_rate)) / sample_rate
    fall = np.minimum((length_seconds - seconds) / max(0.02, attack_seconds), 1)
    envelope = np.exp(-seconds / decay_seconds) * np.minimum(seconds / attack_seconds, 1) * fall

    def render(pitch: int) -> np.ndarray:
        f0_hz = 440 * 2 ** ((pitch - 69) / 12)
        fundamental = np.exp((2j * np.pi * f0_hz - damping) * seconds)  # its k-th power is harmonic k, decaying k times as fast
        total = np.zeros_like(fundamental)
        for k in range(min(n_drawn, int(0.45 * sample_rate / f0_hz)), 0, -1):
            total = (total + k**-slope) * fundamental
        return total.imag * envelope

    return render


def draw_drums(rng: np.random.Generator, sample_rate: int) -> Callable[[int], np.ndarray]:
    """Choose a drum kit at random, and return a function that renders `KICK`, `SNARE` or `HAT`."""
    seconds = np.arange(int(0.3 * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(seconds))
    drop = rng.uniform(15, 35)
    kick = np.sin(2 * np.pi * (rng.uniform(42, 60) * seconds - 60 * np.exp(-drop * seconds) / drop)) * np.exp(-seconds / 0.09)
    drum = np.sin(2 * np.pi * rng.uniform(160, 230) * seconds) * np.exp(-seconds / 0.04)
    snare = 0.6 * drum + 0.4 * noise * np.exp(-seconds / rng.uniform(0.04, 0.1))
    hat = 0.12 * np.diff(noise, n=2, prepend=[0.0, 0.0]) * np.exp(-seconds / rng.uniform(0.015, 0.07))
    return {KICK: 1.3 * kick, SNARE: snare, HAT: hat}.__getitem__


def accompany(rng: np.random.Generator, key: Key, clock: Clock) -> np.ndarray:
    """Render chords and bass, and usually a pad and drums, for a whole song.

    Parameters
    ----------
    rng : Generator
        Source of all random choices.
    key : Key
        Tempo and harmony.
    clock : Clock
        Length and sample rate of the song.

    Returns
    -------
    ndarray, shape (n_samples,)
        Mix with an RMS of 1.
    """
    bar_seconds = 4 * key.beat_seconds
    bars = range(int(np.ceil(clock.n_samples / clock.sample_rate / bar_seconds)))
    chord_rhythm, bass_rhythm, kick_rhythm = (RHYTHMS[i] for i in rng.integers(len(RHYTHMS), size=3))
    lowest = int(rng.integers(50, 62))
    drum_beats = [(b, KICK) for b in kick_rhythm] + [(1.0, SNARE), (3.0, SNARE)] + [(b / 2, HAT) for b in range(8)]

    instrument = functools.partial(draw_instrument, rng, clock.sample_rate)
    plucked = instrument(decay_seconds=rng.uniform(0.25, 1), attack_seconds=0.005, length_seconds=rng.uniform(0.8, 1.4))
    bass = instrument(decay_seconds=rng.uniform(0.2, 0.6), attack_seconds=0.006, length_seconds=key.beat_seconds)
    pad = instrument(decay_seconds=30.0, attack_seconds=rng.uniform(0.1, 0.4), length_seconds=bar_seconds + 0.2)
    parts = [  # sound, function from a bar to its notes (beat, pitch), probability, level in dB
        (plucked, lambda bar: [(beat, p) for beat in chord_rhythm for p in key.chord(bar, lowest)], 1.0, 0.0),
        (bass, lambda bar: [(beat, key.chord(bar, 31)[0]) for beat in bass_rhythm], 1.0, -1.0),
        (pad, lambda bar: [(0.0, p) for p in key.chord(bar, lowest)], 0.6, -5.0),
        (draw_drums(rng, clock.sample_rate), lambda bar: drum_beats, 0.85, -1.0),
    ]
    mix = np.zeros(clock.n_samples)
    for sound, notes_of, probability, level_db in parts:
        if rng.random() < probability:
            render = functools.cache(sound)
            stem = np.zeros(clock.n_samples)
            for bar in bars:
                for beat, pitch in notes_of(bar):
                    room = stem[int((4 * bar + beat) * key.beat_seconds * clock.sample_rate) :]
                    note = render(int(pitch))[: len(room)]
                    room[: len(note)] += rng.uniform(0.6, 1.0) * note
            mix += at_level(stem, level_db + rng.uniform(-3, 3))
    return at_level(mix, 0.0)
