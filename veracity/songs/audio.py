"""Audio files: decoded, mixed to one channel, resampled."""

import os
from pathlib import Path

import numpy as np

from ..errors import CorpusError


def load_audio(path: str | os.PathLike, *, sample_rate: int, min_seconds: float = 0.0) -> np.ndarray:
    """Decode a file to one channel (the mean of all) at a sample rate.

    Parameters
    ----------
    path : path-like
    sample_rate : int
        Hz.
    min_seconds : float
        The shortest audio that is of use.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        Full scale is +-1.

    Raises
    ------
    CorpusError
        When the file is missing, empty, undecodable or too short, or holds samples that are not finite.
    """
    import soundfile

    if not Path(path).is_file():
        raise CorpusError(f"There is no audio file {path}: add it, or remove its line from the lists.")
    try:
        samples, original_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(error).rstrip(".").split(": ")[-1]
        raise CorpusError(f"{path} cannot be decoded ({reason}): replace it by an intact ogg, mp3, flac or wav file.") from None
    if not len(samples):
        raise CorpusError(f"{path} holds no samples: replace it, or remove its line from the lists.")
    mono = sum(samples.T) / samples.shape[1]  # the mean of all, which NumPy takes a quarter of decoding for along this axis
    if not np.isfinite(mono).all():
        raise CorpusError(f"{path} holds samples that are not finite (NaN or infinite): export the audio again.")
    if len(mono) < min_seconds * original_rate:
        raise CorpusError(
            f"{path} lasts {len(mono) / original_rate:.2f} s, less than one excerpt of {min_seconds:.2f} s: "
            "remove its line from the lists."
        )
    if original_rate != sample_rate:
        import soxr  # what librosa.resample calls too; librosa takes longer to import than a song to decode

        mono = soxr.resample(mono, original_rate, sample_rate, quality="HQ")
    return mono
