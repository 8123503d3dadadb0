"""Settings of the front end, and functions that depend only on them (paper section 4.2); this module does not import torch."""

import functools
from typing import Annotated

import numpy as np

from ..errors import ConfigError, plain
from ..settings import between, settings


@settings("frontend")
class FrontEnd:
    """Settings of the front end; the defaults are the paper's (section 4.2 and the published implementation).

    Attributes
    ----------
    sample_rate : int
        Sample rate in Hz.
    frame_samples : int
        Length of the Hann window in samples.
    hop_samples : int
        Hop between adjacent windows in samples.
    n_mels : int
        Number of triangular bands.
    f_min : float
        Lower edge of the lowest band in Hz.
    f_max : float
        Upper edge of the highest band in Hz.
    excerpt_frames : int
        Length of an excerpt in frames; must be odd.
    floor : float
        Smallest mel magnitude before the logarithm; smaller and negative values are replaced by it.
    """

    sample_rate: Annotated[int, between(1, 1_000_000)] = 22050
    frame_samples: Annotated[int, between(1, 65536)] = 1024
    hop_samples: Annotated[int, between(1, 65536)] = 315
    n_mels: Annotated[int, between(1, 1000)] = 80
    f_min: Annotated[float, between(0, 1e6)] = 27.5
    f_max: Annotated[float, between(0, 1e6)] = 8000.0
    excerpt_frames: Annotated[int, between(1, 2000)] = 115
    floor: Annotated[float, between(1e-37, 0.1)] = 1e-7  # the lower limit is close to the smallest normal float32

    def __post_init__(self) -> None:
        if not self.f_min < self.f_max:
            raise ConfigError(
                f"frontend.f_min: must be below frontend.f_max {plain(self.f_max)}, got {plain(self.f_min)}. "
                "Lower it, or raise frontend.f_max."
            )
        if self.f_max > self.sample_rate / 2:
            raise ConfigError(
                f"frontend.f_max: above half of frontend.sample_rate {self.sample_rate}, got {plain(self.f_max)}. "
                f"Lower it to at most {plain(self.sample_rate / 2)}, or raise frontend.sample_rate."
            )
        if self.excerpt_frames % 2 == 0:
            raise ConfigError(
                f"frontend.excerpt_frames: must be odd, because an excerpt has a centre frame, got {self.excerpt_frames}. "
                "Choose an odd number."
            )
        if silent := _n_silent(self, self.n_mels):
            fewer = next((n for n in range(self.n_mels - 1, 0, -1) if not _n_silent(self, n)), None)
            lower = f"Lower it to {fewer}, or raise" if fewer else "Raise"
            raise ConfigError(
                f"frontend.n_mels: {silent} bands contain no frequency bin and would be constant, got {self.n_mels}. "
                f"{lower} frontend.frame_samples {self.frame_samples}."
            )

    @property
    def n_bins(self) -> int:
        """Number of frequency bins of a magnitude spectrogram."""
        return self.frame_samples // 2 + 1

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_samples

    @property
    def half_excerpt(self) -> int:
        """Number of frames before (and after) the centre frame of an excerpt."""
        return self.excerpt_frames // 2

    @property
    def excerpt_seconds(self) -> float:
        """Length of an excerpt in seconds."""
        return self.excerpt_frames / self.frames_per_second

    @property
    def silence(self) -> float:
        """Log-mel value of digital silence."""
        return float(np.log(self.floor))


def n_frames(n_samples: int, frontend: FrontEnd) -> int:
    """Return the number of frames of audio with `n_samples` samples."""
    return 1 + (n_samples - frontend.frame_samples % 2) // frontend.hop_samples


@functools.lru_cache(maxsize=8)
def band_hz(frontend: FrontEnd) -> np.ndarray:
    """Return the centre frequency of each mel band in Hz, shape (n_mels,)."""
    return _snapped_edges(frontend, frontend.n_mels)[1][1:-1]


def mel_filterbank(frontend: FrontEnd) -> np.ndarray:
    """Return triangular mel filters.

    Parameters
    ----------
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    ndarray, shape (n_bins, n_mels), float32
        Filters whose columns sum to one. The edges are equidistant on the scale mel = 1127 ln(1 + f / 700). The values equal
        those of the published implementation bit for bit.
    """
    # Slopes are computed from exact frequencies, but their start and their width are rounded to FFT bins.
    bins_hz, edges_hz, snapped = _snapped_edges(frontend, frontend.n_mels)
    left, top, right = snapped[:-2], snapped[1:-1], snapped[2:]
    bins = np.arange(frontend.n_bins)[:, None]
    rising = (bins_hz[:, None] - edges_hz[:-2]) / np.maximum(top - left, 1)
    falling = (edges_hz[2:] - bins_hz[:, None]) / np.maximum(right - top, 1)
    filters = np.where((bins >= left) & (bins < top), rising, 0.0) + np.where((bins >= top) & (bins < right), falling, 0.0)
    return (filters / np.maximum(filters.sum(axis=0), 1e-12)).astype(np.float32)


def _snapped_edges(frontend: FrontEnd, n_mels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frequencies of bins and of band edges in Hz, and the first bin at or above each edge."""
    mel_edges = 1127 * np.log1p(np.array([frontend.f_min, frontend.f_max]) / 700)
    edges_hz = 700 * np.expm1(np.linspace(mel_edges[0], mel_edges[1], n_mels + 2) / 1127)
    bins_hz = np.arange(frontend.n_bins) * (frontend.sample_rate / frontend.frame_samples)
    return bins_hz, edges_hz, np.searchsorted(bins_hz, edges_hz)


def _n_silent(frontend: FrontEnd, n_mels: int) -> int:
    """Return the number of bands in which no bin has a positive weight."""
    bins_hz, edges_hz, snapped = _snapped_edges(frontend, n_mels)
    left, top, right = snapped[:-2], snapped[1:-1], snapped[2:]
    last = len(bins_hz) - 1
    rises = (top > left) & (bins_hz[np.maximum(top - 1, 0)] - edges_hz[:-2] > 1e-9)
    falls = (right > top) & (edges_hz[2:] - bins_hz[np.minimum(top, last)] > 1e-9)
    return int((~(rises | falls)).sum())


def excerpt_samples(start_frame: int, frontend: FrontEnd) -> slice:
    """Return the slice of samples that the frames of an excerpt cover, for `excerpt_magnitudes`.

    The start may be negative for excerpts at the very start of a song.
    """
    start = start_frame * frontend.hop_samples - frontend.frame_samples // 2
    return slice(start, start + (frontend.excerpt_frames - 1) * frontend.hop_samples + frontend.frame_samples)


def excerpt_windows(audio: np.ndarray, start_frames: np.ndarray, frontend: FrontEnd) -> np.ndarray:
    """Return the samples that the frames of excerpts cover.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,)
        Audio of a song.
    start_frames : ndarray of int, shape (n_excerpts,)
        First frame of each excerpt. All analysis windows must be completely inside the audio.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    ndarray, shape (n_excerpts, n_excerpt_samples)
        Samples of each excerpt; see `excerpt_samples`.
    """
    return np.stack([audio[excerpt_samples(int(start), frontend)] for start in start_frames])


def first_inner_frame(frontend: FrontEnd) -> int:
    """Return the first frame whose analysis window is completely inside the audio."""
    return -(-(frontend.frame_samples // 2) // frontend.hop_samples)


def inner_start_frames(n_samples: int, frontend: FrontEnd) -> np.ndarray:
    """Return the start frames of all excerpts whose analysis windows are completely inside the audio."""
    first, last = first_inner_frame(frontend), excerpt_samples(0, frontend).stop
    return np.arange(first, max(first, (n_samples - last) // frontend.hop_samples + 1))
