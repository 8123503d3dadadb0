"""Audio files: decoding, downmixing, resampling and signal statistics."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isfinite, log10, nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, CorpusError, within
from ..jobs.files import kind_of, replacing
from .audio_stats import AudioStats

if TYPE_CHECKING:
    from torch import Tensor

    from .decoding import Decoder

MIN_RATE, MAX_RATE = 2000, 768000  # Hz
MAX_PEAK = 16.0  # 24 dB above full scale
MAX_SAMPLES = 2**30  # largest length of a song: 6.8 hours at 44.1 kHz, 4 GB
FULL_SCALE = 32767 / 32768  # largest 16-bit sample
SILENCE = 1e-3  # -60 dB relative to full scale


def load_audio(path: str | os.PathLike, *, sample_rate: int, min_seconds: float = 0.0, max_seconds: float = inf) -> np.ndarray:
    """Decode a file and return the mean of its channels at the given sample rate.

    Parameters
    ----------
    path : path-like
        Audio file.
    sample_rate : int
        Sample rate of the returned audio in Hz.
    min_seconds : float
        Shortest accepted length in seconds, 0 by default.
    max_seconds : float
        Longest accepted length in seconds, unlimited by default. Decoding stops there.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        Audio, where full scale is from -1 to 1.

    Raises
    ------
    CorpusError
        If the file is missing, empty, damaged, too short or too long, if its sample rate is implausible, or if its samples are
        not finite or far exceed full scale.
    """
    return load_audio_and_stats(path, sample_rate=sample_rate, min_seconds=min_seconds, max_seconds=max_seconds)[0]


def load_audio_and_stats(
    path: str | os.PathLike, *, sample_rate: int, min_seconds: float = 0.0, max_seconds: float = inf
) -> tuple[np.ndarray, AudioStats]:
    """Return the audio as `load_audio` does, and the properties of the file and its samples.

    Parameters
    ----------
    path : path-like
        Audio file.
    sample_rate : int
        Sample rate of the returned audio in Hz.
    min_seconds : float
        Shortest accepted length in seconds, 0 by default.
    max_seconds : float
        Longest accepted length in seconds, unlimited by default. Decoding stops there.

    Returns
    -------
    audio : ndarray, shape (n_samples,), float32
        Audio, where full scale is from -1 to 1.
    audio_stats : AudioStats
        Properties of the file and its samples.

    Raises
    ------
    CorpusError
        For the reasons listed in `load_audio`.
    """
    mono, audio_stats = _decode(Path(path), max_seconds)
    if audio_stats.seconds < min_seconds:
        raise CorpusError(
            f"{path}: shorter than one excerpt of {min_seconds:.2f} s, got {audio_stats.seconds:.2f} s. "
            "Remove the song from the corpus."
        )
    return resampled(mono, int(audio_stats.sample_rate), sample_rate), audio_stats


def resampled(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Resample audio from one sample rate to another, in Hz, shape (n_samples,)."""
    if rate == sample_rate:
        return mono
    within(rate, MIN_RATE, MAX_RATE, "sample rate of the audio")
    import soxr  # librosa.resample also calls soxr, but importing librosa takes longer than decoding a song

    return soxr.resample(mono, rate, sample_rate, quality="HQ")


def write_audio(path: str | os.PathLike, audio: "np.ndarray | Tensor", sample_rate: int) -> None:
    """Write audio to a WAV file of 32-bit floats, without clipping or scaling.

    Parameters
    ----------
    path : path-like
        Output file, whose name should end in ``.wav``.
    audio : ndarray or Tensor, shape (n_samples,)
        Audio of one channel.
    sample_rate : int
        Sample rate in Hz.

    Raises
    ------
    ConfigError
        If `audio` does not have one axis, or is empty.
    ArtefactError
        If the file cannot be written; see `veracity.jobs.files.replacing`.
    """
    import soundfile

    samples = one_channel(audio)
    with replacing(path) as temporary:
        encoded = io.BytesIO()  # in memory, because Python reports a full disk more clearly than libsndfile
        soundfile.write(encoded, samples, sample_rate, format="WAV", subtype="FLOAT")
        temporary.write_bytes(encoded.getvalue())


def one_channel(audio: "np.ndarray | Tensor") -> np.ndarray:
    """Return a copy of an array or tensor on any device as a float32 array, shape (n_samples,).

    Integers are scaled from the range of their type to the range from -1 to 1.

    Raises
    ------
    ConfigError
        If `audio` does not have one axis, is empty, is neither real nor integer, or has samples that are not finite or far
        exceed full scale.
    """
    if hasattr(audio, "detach"):
        audio = audio.detach().cpu()
        audio = (audio.float() if audio.is_floating_point() else audio).numpy()
    samples = np.asarray(audio)
    if samples.ndim != 1 or not len(samples):
        raise ConfigError(
            f"audio: must be one channel, got shape {samples.shape}. Give samples of shape (n_samples,), or a file."
        )
    if samples.dtype.kind in "iu":
        half = 2.0 ** (8 * samples.dtype.itemsize - 1)
        samples = samples / half - (1 if samples.dtype.kind == "u" else 0)
    if samples.dtype.kind != "f":
        raise ConfigError(f"audio: must be real numbers or integers, got {samples.dtype}. Convert the samples.")
    if problem := _implausible(samples):
        raise ConfigError(f"audio: {problem}.")
    return samples.astype(np.float32)


def _implausible(samples: np.ndarray) -> str:
    """Return why samples cannot be audio with a full scale of 1, with the cure, or an empty string."""
    if not np.isfinite(samples).all():
        return f"samples must be finite, got {np.count_nonzero(~np.isfinite(samples))} that are not. Replace them"
    return _too_loud(float(np.abs(samples).max()))


def _too_loud(peak: float) -> str:
    """Return that a peak far exceeds full scale, with the cure, or an empty string."""
    if peak <= MAX_PEAK:
        return ""
    return (
        f"the peak is much larger than full scale (1), which suggests integer samples, got {peak:.4g}. "
        "Divide the samples by the largest integer (32768 for 16 bits)"
    )


def claimed_length(path: str | os.PathLike) -> tuple[float, int, int]:
    """Return length, sample rate and number of channels of a file, without decoding it if its header is plausible.

    Parameters
    ----------
    path : path-like
        Audio file.

    Returns
    -------
    seconds : float
        Length in seconds.
    sample_rate : int
        Sample rate in Hz.
    n_channels : int
        Number of channels.

    Raises
    ------
    CorpusError
        If the file is missing or cannot be decoded.
    """
    with _decoder(Path(path)) as decoder:
        rate = decoder.file.samplerate
        claims = (decoder.stream_seconds, decoder.claimed_seconds)
        seconds = next((seconds for seconds in claims if seconds * rate <= MAX_SAMPLES), nan)
        if not isfinite(seconds):
            seconds = sum(map(len, decoder.blocks())) / rate
        return seconds, rate, decoder.file.channels


@contextmanager
def _decoder(path: Path) -> Iterator["Decoder"]:
    """Open a file for decoding, and convert errors to CorpusError."""
    import soundfile

    from . import decoding

    if not path.is_file():
        raise CorpusError(f"{path}: audio file is missing. Add it, or remove the song from the corpus.")
    where = ""
    try:
        if kind := kind_of(path):
            raise CorpusError(f"{path}: must be audio, got {kind}. Replace it with an ogg, mp3, flac or wav file.")
        with decoding.opened(path) as decoder:
            rate = decoder.file.samplerate
            if not MIN_RATE <= rate <= MAX_RATE:
                raise CorpusError(
                    f"{path}: sample rate must be from {MIN_RATE} to {MAX_RATE} Hz, got {rate}. Export it at another rate."
                )
            try:
                yield decoder
            finally:
                where = f"after {decoder.n_samples / rate:.1f} s " if decoder.n_samples else ""
    except soundfile.SoundFileError as error:
        reason = decoding.reason(error)
        raise CorpusError(
            f"{path}: cannot be decoded {where}({reason}). Replace it with an intact ogg, mp3, flac or wav file."
        ) from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}). Check the file and its permissions.") from None


def _decode(path: Path, max_seconds: float) -> tuple[np.ndarray, AudioStats]:
    """Decode a file in blocks, average its channels, and measure its properties."""
    means: list[np.ndarray] = []
    peak, n_clipped, power = 0.0, 0, 0.0
    with _decoder(path) as decoder:
        rate, channels = decoder.file.samplerate, decoder.file.channels
        for block in decoder.blocks():
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                means.append(sum(block.T) / channels)  # np.mean on this axis takes a quarter of the decoding time
                magnitude = np.abs(block)
                peak = float(np.maximum(peak, magnitude.max()))  # NaN stays NaN
                n_clipped += int((magnitude >= FULL_SCALE).sum())
                power += float(np.square(block, out=magnitude).sum(dtype=np.float64))
            if decoder.n_samples > MAX_SAMPLES:
                raise CorpusError(f"{path}: longer than {MAX_SAMPLES / rate / 3600:.1f} hours. Cut it into songs.")
            if decoder.n_samples > max_seconds * rate:  # here, because a small file may contain hours of silence
                raise CorpusError(f"{path}: longer than {max_seconds:.0f} s. Cut it.")
        n_samples = decoder.n_samples
    _check_samples(path, n_samples, peak)
    mono = np.concatenate(means)
    del means
    seconds = n_samples / rate
    claims = (decoder.claimed_seconds, decoder.stream_seconds)
    audio_stats = AudioStats(
        seconds=seconds,
        claimed_seconds=_claim(seconds, *claims),
        skipped_bytes=float(decoder.skipped_bytes),
        cut_off=decoder.cut_off,
        sample_rate=float(rate),
        channels=float(channels),
        peak=peak,
        clipped_share=n_clipped / (n_samples * channels),
        silent_share=_silent_share(mono, rate),
        dc_offset=float(mono.mean(dtype=np.float64)),
        averaging_loss_db=_loss_db(power / channels, float(np.square(mono).sum(dtype=np.float64))) if channels > 1 else 0.0,
        audio_digest=hashlib.sha256(mono.data).hexdigest()[:16],
    )
    return mono, audio_stats


def _check_samples(path: Path, n_samples: int, peak: float) -> None:
    """Reject files without samples and samples that are not finite or far exceed full scale."""
    if not n_samples:
        raise CorpusError(f"{path}: no samples. Replace it, or remove the song from the corpus.")
    if not isfinite(peak):
        raise CorpusError(f"{path}: samples are not finite (NaN or infinite). Export the audio again.")
    if problem := _too_loud(peak):
        raise CorpusError(f"{path}: {problem} and export the audio again.")


def _claim(seconds: float, claimed: float, in_stream: float) -> float:
    """Return the length in the header, or the length of the frames if only the latter differs from the decoded length."""
    padding = 0.25  # largest padding in seconds that MP3 encoders add and decoders remove
    if abs(in_stream - seconds) > padding and not abs(claimed - seconds) > padding:
        return in_stream
    return claimed


def _silent_share(mono: np.ndarray, rate: int) -> float:
    """Return the share of 10 ms blocks whose peak is below `SILENCE`."""
    length = min(rate // 100, len(mono))
    stretches = mono[: len(mono) // length * length].reshape(-1, length)
    return float((np.maximum(stretches.max(axis=1), -stretches.min(axis=1)) < SILENCE).mean())


def _loss_db(before: float, after: float) -> float:
    """Return the ratio of two powers in dB; 0 for silence."""
    if before == 0:
        return 0.0
    return 10 * log10(before / after) if after else inf
