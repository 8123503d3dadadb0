"""Resynthesis of partial perturbations and of drawings as audio.

Audio is decomposed into the frames and bins of the front end, modified or mixed bin by bin, and reconstructed with the original
phases. If only magnitudes are perturbed, they get the phase of the clean audio.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .settings import FrontEnd, mel_filterbank


def partly_perturbed(
    clean: np.ndarray, perturbed: np.ndarray | Tensor, chosen: np.ndarray, frontend: FrontEnd, *, first_frame: int = 0
) -> np.ndarray:
    """Return audio that is perturbed only at some points of an excerpt.

    Parameters
    ----------
    clean : ndarray, shape (n_samples,)
        Clean audio.
    perturbed : ndarray, shape (n_samples,) or (n_frames_in_all, n_bins)
        Perturbed audio, or perturbed magnitudes of all frames, which get the phase of `clean`.
    chosen : ndarray of bool, shape (n_frames, n_mels)
        Points of the excerpt to take from `perturbed`; all others are clean.
    frontend : FrontEnd
        Settings of the front end.
    first_frame : int
        First frame of the excerpt, 0 by default.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        Partially perturbed audio.
    """
    original = _spectrum(torch.as_tensor(clean, dtype=torch.float32), frontend)
    x = torch.as_tensor(perturbed, dtype=torch.float32)
    spectrum = _spectrum(x, frontend) if x.ndim == 1 else torch.polar(x.clamp(min=0).T, original.angle())
    mask = torch.zeros(original.shape, dtype=torch.bool)
    mask[:, first_frame : first_frame + len(chosen)] = torch.as_tensor(chosen[:, band_of_bin(frontend)].T)
    mixed = torch.where(mask, spectrum, original)
    return torch.istft(mixed, **_transform(frontend), length=len(clean)).numpy()


def redrawn(
    audio: np.ndarray, before: np.ndarray, after: np.ndarray, frontend: FrontEnd, *, first_frame: int = 0
) -> np.ndarray:
    """Return audio in which each bin of an excerpt is amplified like its mel band in a drawing.

    The phase is that of the original, because a drawing has none. Where the song has almost no energy in the drawn bands, the
    amplified sound is arbitrary. Digital silence stays silent.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,)
        Audio of the song.
    before, after : ndarray, shape (n_frames, n_mels)
        Natural log of mel magnitude of the excerpt before and after drawing.
    frontend : FrontEnd
        Settings of the front end.
    first_frame : int
        First frame of the excerpt, 0 by default.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        Audio with the drawing.
    """
    spectrum = _spectrum(torch.as_tensor(audio, dtype=torch.float32), frontend)
    gain = np.exp((after.astype(np.float64) - before)[:, band_of_bin(frontend)]).T
    drawn = slice(first_frame, first_frame + len(before))
    spectrum[:, drawn] *= torch.as_tensor(gain, dtype=torch.float32)
    return torch.istft(spectrum, **_transform(frontend), length=len(audio)).numpy()


def band_of_bin(frontend: FrontEnd) -> np.ndarray:
    """Return the mel band with the largest weight for each bin, shape (n_bins,); bins outside all bands get the nearest."""
    filters = mel_filterbank(frontend)
    is_covered = filters.max(axis=1) > 0
    bins = np.flatnonzero(is_covered)
    nearest = bins[np.abs(np.arange(len(filters))[:, None] - bins).argmin(axis=1)]
    return filters.argmax(axis=1)[nearest]


def _spectrum(audio: Tensor, frontend: FrontEnd) -> Tensor:
    return torch.stft(audio, **_transform(frontend), pad_mode="reflect", return_complex=True)


def _transform(frontend: FrontEnd) -> dict[str, Any]:
    window = torch.hann_window(frontend.frame_samples)
    return {"n_fft": frontend.frame_samples, "hop_length": frontend.hop_samples, "window": window, "center": True}
