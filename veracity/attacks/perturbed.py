"""Perturbed quantities of a song (samples or magnitudes), and the computation of its log-mel frames in chunks.

Frame 0 is the first frame of silence; half an excerpt of it precedes the song. Excerpt ``i`` therefore consists of the
frames ``i : i + excerpt_frames``. Adjacent chunks overlap by one frame less than an excerpt, so that each excerpt is completely
inside one chunk.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..songs.frontend import FrontEnd, excerpt_magnitudes, log_mel, magnitudes, n_frames, silence_around


class PerturbedSong(ABC):
    """Perturbed quantity of a song.

    Parameters
    ----------
    clean : Tensor, shape (n_samples,) or (n_frames, n_bins)
        Clean samples or magnitudes.
    n_excerpts : int
        Number of excerpts, which is the number of frames of the song.
    frontend : FrontEnd
        Settings of the front end.
    """

    def __init__(self, clean: Tensor, n_excerpts: int, frontend: FrontEnd) -> None:
        self.clean, self.n_excerpts, self.frontend = clean, n_excerpts, frontend

    def chunks(self, n: int) -> list[tuple[int, int]]:
        """Return the first and last frame (exclusive) of chunks of at most `n` excerpts each."""
        context = self.frontend.excerpt_frames - 1
        return [(first, min(first + n, self.n_excerpts) + context) for first in range(0, self.n_excerpts, n)]

    def extended(self, x: Tensor) -> Tensor:
        """Extend `x`, which has the shape of `clean`, by everything else that frames depend on."""
        return x

    def folded(self, gradient: Tensor) -> Tensor:
        """Convert a gradient with respect to `extended` into the gradient with respect to the perturbed quantity."""
        return gradient

    @abstractmethod
    def seen(self, first: int, last: int) -> slice:
        """Return the slice of `extended` on which the frames ``first : last`` depend."""

    @abstractmethod
    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Return the log-mel frames ``first : last``.

        Parameters
        ----------
        part : Tensor
            Part of `extended` given by `seen`.
        first, last : int
            First and last frame (exclusive).

        Returns
        -------
        Tensor, shape (last - first, n_mels)
            Log-mel frames.
        """


class Magnitudes(PerturbedSong):
    """Linear magnitudes of a song, including the silence around it as in the published implementation.

    Parameters
    ----------
    samples : Tensor, shape (n_samples,)
        Samples of the song.
    frontend : FrontEnd
        Settings of the front end.

    Notes
    -----
    ``clean`` has shape (n_excerpts + excerpt_frames - 1, n_bins).
    """

    def __init__(self, samples: Tensor, frontend: FrontEnd) -> None:
        of_song, half = magnitudes(samples, frontend), frontend.half_excerpt
        super().__init__(functional.pad(of_song, (0, 0, half, half)), len(of_song), frontend)

    def seen(self, first: int, last: int) -> slice:
        """Return the slice of the frames ``first : last``."""
        return slice(first, last)

    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Return log-mel frames from magnitudes."""
        return log_mel(part, self.frontend)


class Waveform(PerturbedSong):
    """Samples of a song, shape (n_samples,).

    Parameters
    ----------
    samples : Tensor, shape (n_samples,)
        Samples of the song.
    frontend : FrontEnd
        Settings of the front end.
    """

    def __init__(self, samples: Tensor, frontend: FrontEnd) -> None:
        super().__init__(samples, n_frames(len(samples), frontend), frontend)

    def extended(self, x: Tensor) -> Tensor:
        """Return the samples, reflected at both ends."""
        margin = self.frontend.frame_samples // 2
        return functional.pad(x[None], (margin, margin), mode="reflect")[0]

    def folded(self, gradient: Tensor) -> Tensor:
        """Add the gradients of the reflected samples to those of the original samples."""
        x = torch.zeros_like(self.clean, requires_grad=True)
        return torch.autograd.grad(self.extended(x), x, gradient)[0]

    def seen(self, first: int, last: int) -> slice:
        """Return the slice of the samples in the windows of the frames ``first : last``."""
        start, stop = (frame * self.frontend.hop_samples for frame in self._within(first, last))
        return slice(start, stop - self.frontend.hop_samples + self.frontend.frame_samples)

    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Return log-mel frames from samples, with silence before the start and after the end of the song."""
        start, stop = self._within(first, last)
        half = self.frontend.half_excerpt
        frames = log_mel(excerpt_magnitudes(part, self.frontend), self.frontend)
        return silence_around(frames, start + half - first, last - half - stop, self.frontend)

    def _within(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and last (exclusive) of the frames ``first : last`` inside the song, counted from its start."""
        half = self.frontend.half_excerpt
        return max(first - half, 0), min(last - half, self.n_excerpts)


def central(audio: np.ndarray, seconds: float | None, sample_rate: int, hop_samples: int = 1) -> tuple[np.ndarray, float]:
    """Return the central part of a song.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,)
        Audio of the song.
    seconds : float or None
        Length of the part in seconds; None for the whole song.
    sample_rate : int
        Sample rate in Hz.
    hop_samples : int
        Hop of the frames in samples, 1 by default. The start of the part is a multiple of it.

    Returns
    -------
    part : ndarray
        Central part, or the whole song if it is shorter than `seconds`.
    start_seconds : float
        Start of the part in seconds.
    """
    if seconds is None or seconds * sample_rate >= len(audio):
        return audio, 0.0
    length = round(seconds * sample_rate)
    start = (len(audio) - length) // 2 // hop_samples * hop_samples  # aligned with the frames of the whole song
    return audio[start : start + length], start / sample_rate
