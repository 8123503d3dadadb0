"""Front end: from audio to the log-mel spectrogram that the detector sees (paper section 4.2).

Axis 0 (or -2) of a spectrogram is time, axis 1 (or -1) is frequency, low first. Frame ``i`` belongs to time
``i / frames_per_second`` seconds: frames are centred, the audio is reflected at its ends. Magnitudes are linear, log-mel is the
natural logarithm. Everything here is differentiable.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class FrontEnd:
    """Settings of the front end; the defaults are the paper's (section 4.2, and its published implementation).

    Attributes
    ----------
    sample_rate : int
        Hz.
    frame_samples, hop_samples : int
        Length and advance of the Hann window, samples.
    n_mels : int
        Number of triangular bands.
    f_min, f_max : float
        Lower edge of the lowest and upper edge of the highest band, Hz.
    excerpt_frames : int
        Length of one input of the detector, frames.
    floor : float
        Smallest mel magnitude; smaller ones, negative ones too, are raised to it before the logarithm.
    """

    sample_rate: int = 22050
    frame_samples: int = 1024
    hop_samples: int = 315
    n_mels: int = 80
    f_min: float = 27.5
    f_max: float = 8000.0
    excerpt_frames: int = 115
    floor: float = 1e-7

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
        """Frames before (and after) the centre frame of an excerpt."""
        return self.excerpt_frames // 2

    @property
    def excerpt_seconds(self) -> float:
        """Length of an excerpt, seconds."""
        return self.excerpt_frames / self.frames_per_second

    @property
    def silence(self) -> float:
        """Log-mel value of digital silence."""
        return float(np.log(self.floor))


def n_frames(n_samples: int, frontend: FrontEnd) -> int:
    """Return the number of frames of so many samples."""
    return 1 + n_samples // frontend.hop_samples


@functools.lru_cache(maxsize=8)
def mel_filterbank(frontend: FrontEnd) -> np.ndarray:
    """Return triangular mel filters.

    Parameters
    ----------
    frontend : FrontEnd

    Returns
    -------
    ndarray, shape (n_bins, n_mels), float32
        Each column sums to one. Edges lie at equal distances in mel = 1127 ln(1 + f / 700). Bit-equal to the filters of
        the published implementation.
    """
    mel_edges = 1127 * np.log1p(np.array([frontend.f_min, frontend.f_max]) / 700)
    edges_hz = 700 * np.expm1(np.linspace(mel_edges[0], mel_edges[1], frontend.n_mels + 2) / 1127)
    bins_hz = np.arange(frontend.n_bins) * (frontend.sample_rate / frontend.frame_samples)
    # Each slope runs along the exact frequencies, but where it starts and how wide it counts is snapped to FFT bins.
    snapped = np.searchsorted(bins_hz, edges_hz)
    left, top, right = snapped[:-2], snapped[1:-1], snapped[2:]
    bins = np.arange(frontend.n_bins)[:, None]
    rising = (bins_hz[:, None] - edges_hz[:-2]) / np.maximum(top - left, 1)
    falling = (edges_hz[2:] - bins_hz[:, None]) / np.maximum(right - top, 1)
    filters = np.where((bins >= left) & (bins < top), rising, 0.0) + np.where((bins >= top) & (bins < right), falling, 0.0)
    return (filters / np.maximum(filters.sum(axis=0), 1e-12)).astype(np.float32)


def magnitudes(audio: Tensor, frontend: FrontEnd) -> Tensor:
    """Compute the centred short-time Fourier magnitudes.

    Parameters
    ----------
    audio : Tensor, shape (..., n_samples)
    frontend : FrontEnd

    Returns
    -------
    Tensor, shape (..., n_frames, n_bins)
        Linear magnitude (not power).
    """
    return _stft(audio, frontend, center=True)


def excerpt_magnitudes(audio: Tensor, frontend: FrontEnd) -> Tensor:
    """Compute the magnitudes of audio that already holds half a window on both sides (see `excerpt_samples`)."""
    return _stft(audio, frontend, center=False)


def _stft(audio: Tensor, frontend: FrontEnd, *, center: bool) -> Tensor:
    window = torch.hann_window(frontend.frame_samples, dtype=audio.dtype, device=audio.device)
    spectrum = torch.stft(
        audio,
        n_fft=frontend.frame_samples,
        hop_length=frontend.hop_samples,
        window=window,
        center=center,
        pad_mode="reflect",
        return_complex=True,
    )
    return spectrum.abs().transpose(-1, -2)  # (..., n_bins, n_frames) -> (..., n_frames, n_bins)


def excerpt_samples(start_frame: int, frontend: FrontEnd) -> slice:
    """Return the samples that an excerpt's frames see, for `excerpt_magnitudes`; negative at a song's very start."""
    start = start_frame * frontend.hop_samples - frontend.frame_samples // 2
    return slice(start, start + (frontend.excerpt_frames - 1) * frontend.hop_samples + frontend.frame_samples)


def log_mel(magnitude: Tensor, frontend: FrontEnd) -> Tensor:
    """Compute the log-mel spectrogram.

    Parameters
    ----------
    magnitude : Tensor, shape (..., n_frames, n_bins)
        Linear magnitudes; values that an attack has pushed below zero are absorbed by the floor.
    frontend : FrontEnd

    Returns
    -------
    Tensor, shape (..., n_frames, n_mels)
        Natural logarithm of mel magnitude.
    """
    filters = _filterbank_tensor(frontend, magnitude.device, magnitude.dtype)
    return torch.log(torch.clamp(magnitude @ filters, min=frontend.floor))


@functools.lru_cache(maxsize=8)
def _filterbank_tensor(frontend: FrontEnd, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(mel_filterbank(frontend)).to(device=device, dtype=dtype)


def pad_silence(log_mel_frames: Tensor, frontend: FrontEnd) -> Tensor:
    """Add half an excerpt of digital silence on both sides, so that every frame is the centre of an excerpt.

    Parameters
    ----------
    log_mel_frames : Tensor, shape (n_frames, n_mels)
    frontend : FrontEnd

    Returns
    -------
    Tensor, shape (n_frames + excerpt_frames - 1, n_mels)
        Excerpt ``i`` is ``[i : i + excerpt_frames]`` and its centre is frame ``i`` of the song.
    """
    return silence_around(log_mel_frames, frontend.half_excerpt, frontend.half_excerpt, frontend)


def silence_around(log_mel_frames: Tensor, before: int, after: int, frontend: FrontEnd) -> Tensor:
    """Add so many frames of digital silence before and after others."""
    return torch.nn.functional.pad(log_mel_frames, (0, 0, before, after), value=frontend.silence)
