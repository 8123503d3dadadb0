"""Front end: from audio to the log-mel spectrogram, the input of the detector (paper section 4.2).

Axis 0 (or -2) of a spectrogram is time, and axis 1 (or -1) is frequency, low first. Frame ``i`` is centred at ``i /
frames_per_second`` seconds, and the audio is reflected at its ends. Magnitudes are linear, and log-mel is the natural logarithm
of mel magnitude. All functions are differentiable.
"""

import functools

import numpy as np
import torch
from torch import Tensor

# The settings module does not import torch. Its functions are re-exported here for code that uses tensors.
from .settings import FrontEnd as FrontEnd
from .settings import excerpt_samples as excerpt_samples
from .settings import mel_filterbank as mel_filterbank
from .settings import n_frames as n_frames


def magnitudes(audio: Tensor | np.ndarray, frontend: FrontEnd) -> Tensor:
    """Compute the centred short-time Fourier magnitudes.

    Parameters
    ----------
    audio : Tensor or ndarray, shape (..., n_samples)
        Audio at the sample rate of the front end.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    Tensor, shape (..., n_frames, n_bins)
        Linear magnitude (not power).
    """
    return _stft(torch.as_tensor(audio), frontend, center=True)


def excerpt_magnitudes(audio: Tensor | np.ndarray, frontend: FrontEnd) -> Tensor:
    """Compute the magnitudes of audio that includes half a window on both sides (see `excerpt_samples`)."""
    return _stft(torch.as_tensor(audio), frontend, center=False)


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


def log_mel(magnitude: Tensor | np.ndarray, frontend: FrontEnd) -> Tensor:
    """Compute the log-mel spectrogram.

    Parameters
    ----------
    magnitude : Tensor or ndarray, shape (..., n_frames, n_bins)
        Linear magnitudes. Negative mel values, which an attack may cause, are replaced by the floor.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    Tensor, shape (..., n_frames, n_mels)
        Natural logarithm of mel magnitude.
    """
    magnitude = torch.as_tensor(magnitude)
    filters = _filterbank_tensor(frontend, magnitude.device, magnitude.dtype)
    return torch.log(torch.clamp(magnitude @ filters, min=frontend.floor))


@functools.lru_cache(maxsize=8)
def _filterbank_tensor(frontend: FrontEnd, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(mode=False):  # the cached tensor must be usable in computations with gradients
        return torch.as_tensor(mel_filterbank(frontend)).to(device=device, dtype=dtype)


def pad_silence(log_mel_frames: Tensor, frontend: FrontEnd) -> Tensor:
    """Add half an excerpt of digital silence on both sides, so that every frame is the centre of an excerpt.

    Parameters
    ----------
    log_mel_frames : Tensor, shape (n_frames, n_mels)
        Log-mel spectrogram of a song.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    Tensor, shape (n_frames + excerpt_frames - 1, n_mels)
        Padded spectrogram. Excerpt ``i`` is ``[i : i + excerpt_frames]``, and its centre is frame ``i`` of the song.
    """
    return silence_around(log_mel_frames, frontend.half_excerpt, frontend.half_excerpt, frontend)


def silence_around(log_mel_frames: Tensor, before: int, after: int, frontend: FrontEnd) -> Tensor:
    """Add frames of digital silence at both ends of a log-mel spectrogram.

    Parameters
    ----------
    log_mel_frames : Tensor, shape (n_frames, n_mels)
        Log-mel spectrogram.
    before, after : int
        Number of frames to add at the start and at the end.
    frontend : FrontEnd
        Settings of the front end, which determine the value of silence.

    Returns
    -------
    Tensor, shape (before + n_frames + after, n_mels)
        Padded spectrogram.
    """
    return torch.nn.functional.pad(log_mel_frames, (0, 0, before, after), value=frontend.silence)
