"""Sounds of parts of a perturbation: segments of an excerpt taken from its perturbed version, the rest left as it was.

Both versions are taken apart into the frames and bins of the front end, mixed bin by bin, and put together again with their own
phases; where only magnitudes were perturbed, the phase is the original's, since they have none.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .settings import FrontEnd, mel_filterbank


def confined(
    clean: np.ndarray, perturbed: np.ndarray | Tensor, chosen: np.ndarray, frontend: FrontEnd, *, first_frame: int = 0
) -> np.ndarray:
    """Return audio that is perturbed in some points of an excerpt alone.

    Parameters
    ----------
    clean : ndarray, shape (n_samples,)
    perturbed : ndarray, shape (n_samples,) or (n_frames_in_all, n_bins)
        Audio, or magnitudes of all of its frames, which get the phase of `clean`.
    chosen : ndarray of bool, shape (n_frames, n_mels)
        Which points of the excerpt are taken from `perturbed`; all outside of it are clean.
    frontend : FrontEnd
    first_frame : int
        Of the excerpt.

    Returns
    -------
    ndarray, shape (n_samples,), float32
    """
    original = _spectrum(torch.as_tensor(clean, dtype=torch.float32), frontend)
    other = torch.as_tensor(perturbed, dtype=torch.float32)
    spectrum = _spectrum(other, frontend) if other.ndim == 1 else torch.polar(other.clamp(min=0).T, original.angle())
    mask = torch.zeros(original.shape, dtype=torch.bool)
    mask[:, first_frame : first_frame + len(chosen)] = torch.as_tensor(chosen[:, band_of_bin(frontend)].T)
    mixed = torch.where(mask, spectrum, original)
    return torch.istft(mixed, **_transform(frontend), length=len(clean)).numpy()


def redrawn(
    audio: np.ndarray, before: np.ndarray, after: np.ndarray, frontend: FrontEnd, *, first_frame: int = 0
) -> np.ndarray:
    """Return audio whose excerpt sounds as it was drawn: every bin grows as its mel band has grown.

    The original's bins are amplified, so the phase is the original's: a drawing has none. Where the song held nothing of what
    was drawn that is an invention, and digital silence stays silent.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,)
    before, after : ndarray, shape (n_frames, n_mels)
        Natural log of mel magnitude of the excerpt, and of what was drawn on it.
    frontend : FrontEnd
    first_frame : int
        Of the excerpt.

    Returns
    -------
    ndarray, shape (n_samples,), float32
    """
    spectrum = _spectrum(torch.as_tensor(audio, dtype=torch.float32), frontend)
    gain = np.exp((after.astype(np.float64) - before)[:, band_of_bin(frontend)]).T
    drawn = slice(first_frame, first_frame + len(before))
    spectrum[:, drawn] *= torch.as_tensor(gain, dtype=torch.float32)
    return torch.istft(spectrum, **_transform(frontend), length=len(audio)).numpy()


def band_of_bin(frontend: FrontEnd) -> np.ndarray:
    """Return the mel band that each bin counts most in, shape (n_bins,); bins beyond the bands go with the nearest."""
    filters = mel_filterbank(frontend)
    heard = filters.max(axis=1) > 0
    bins = np.flatnonzero(heard)
    nearest = bins[np.abs(np.arange(len(filters))[:, None] - bins).argmin(axis=1)]
    return filters.argmax(axis=1)[nearest]


def _spectrum(audio: Tensor, frontend: FrontEnd) -> Tensor:
    return torch.stft(audio, **_transform(frontend), pad_mode="reflect", return_complex=True)


def _transform(frontend: FrontEnd) -> dict[str, Any]:
    window = torch.hann_window(frontend.frame_samples)
    return {"n_fft": frontend.frame_samples, "hop_length": frontend.hop_samples, "window": window, "center": True}
