"""What an attack perturbs of a song, and how the detector's frames follow from it, a chunk at a time.

Frames are counted with the half excerpt of silence on either side of the song, so that excerpt ``i`` is frames
``i : i + excerpt_frames``. Chunks overlap by an excerpt less one frame: each excerpt lies within one chunk.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..songs.frontend import FrontEnd, excerpt_magnitudes, log_mel, magnitudes, n_frames, silence_around


class PerturbedSong(ABC):
    """What is perturbed of a song.

    Attributes
    ----------
    clean : Tensor
    n_excerpts : int
        As many as the song has frames.
    frontend : FrontEnd
    """

    def __init__(self, clean: Tensor, n_excerpts: int, frontend: FrontEnd) -> None:
        self.clean, self.n_excerpts, self.frontend = clean, n_excerpts, frontend

    def chunks(self, n: int) -> list[tuple[int, int]]:
        """Return first and last frame (exclusive) of chunks of at most so many excerpts."""
        context = self.frontend.excerpt_frames - 1
        return [(first, min(first + n, self.n_excerpts) + context) for first in range(0, self.n_excerpts, n)]

    def extended(self, x: Tensor) -> Tensor:
        """Return what frames are computed from, `x` being like `clean`."""
        return x

    def folded(self, slope: Tensor) -> Tensor:
        """Turn a gradient of what is extended into that of what is perturbed."""
        return slope

    @abstractmethod
    def seen(self, first: int, last: int) -> slice:
        """Return the part of what is extended that frames ``first : last`` see."""

    @abstractmethod
    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Compute frames ``first : last`` from what they see; shape (last - first, n_mels)."""


class Magnitudes(PerturbedSong):
    """Linear magnitudes, those of the silence around the song too, as in the published implementation.

    Parameters
    ----------
    samples : Tensor, shape (n_samples,)
    frontend : FrontEnd

    Notes
    -----
    ``clean`` has shape (n_excerpts + excerpt_frames - 1, n_bins).
    """

    def __init__(self, samples: Tensor, frontend: FrontEnd) -> None:
        own, half = magnitudes(samples, frontend), frontend.half_excerpt
        super().__init__(functional.pad(own, (0, 0, half, half)), len(own), frontend)

    def seen(self, first: int, last: int) -> slice:
        """Return those very frames."""
        return slice(first, last)

    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Compute log-mel frames from magnitudes."""
        return log_mel(part, self.frontend)


class Waveform(PerturbedSong):
    """Samples, shape (n_samples,); parameters as `Magnitudes`."""

    def __init__(self, samples: Tensor, frontend: FrontEnd) -> None:
        super().__init__(samples, n_frames(len(samples), frontend), frontend)

    def extended(self, x: Tensor) -> Tensor:
        """Reflect the audio at its ends."""
        margin = self.frontend.frame_samples // 2
        return functional.pad(x[None], (margin, margin), mode="reflect")[0]

    def folded(self, slope: Tensor) -> Tensor:
        """Add the gradients of the reflections to those of the samples."""
        x = torch.zeros_like(self.clean, requires_grad=True)
        return torch.autograd.grad(self.extended(x), x, slope)[0]

    def seen(self, first: int, last: int) -> slice:
        """Return the samples that the windows of frames ``first : last`` hold."""
        start, stop = (frame * self.frontend.hop_samples for frame in self._within(first, last))
        return slice(start, stop - self.frontend.hop_samples + self.frontend.frame_samples)

    def log_mel(self, part: Tensor, first: int, last: int) -> Tensor:
        """Compute log-mel frames from the samples that they see, silence where the song has not begun or has ended."""
        start, stop = self._within(first, last)
        half = self.frontend.half_excerpt
        own = log_mel(excerpt_magnitudes(part, self.frontend), self.frontend)
        return silence_around(own, start + half - first, last - half - stop, self.frontend)

    def _within(self, first: int, last: int) -> tuple[int, int]:
        """Return which frames of the song itself, counted from its start, lie in ``first : last``."""
        half = self.frontend.half_excerpt
        return max(first - half, 0), min(last - half, self.n_excerpts)


def central(audio: np.ndarray, seconds: float | None, sample_rate: int, hop_samples: int = 1) -> tuple[np.ndarray, float]:
    """Return the central seconds of a song and where they begin; all of it when `seconds` is None or longer."""
    if seconds is None or seconds * sample_rate >= len(audio):
        return audio, 0.0
    length = round(seconds * sample_rate)
    start = (len(audio) - length) // 2 // hop_samples * hop_samples  # on a frame of the whole song
    return audio[start : start + length], start / sample_rate
