"""Classifiers made of a ``torch.nn.Module``: on a log-mel spectrogram, or on the waveform."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import within
from ..songs.frontend import FrontEnd, excerpt_magnitudes, log_mel


class MelClassifier:
    """A module on log-mel spectrograms, (n, excerpt_frames, n_mels) to (n,) or (n, n_labels).

    Parameters
    ----------
    module : nn.Module
        Is put into evaluation mode.
    labels : sequence of str
    sample_rate, frame_samples, hop_samples, n_mels, f_min, f_max, floor
        Of the spectrogram; see `veracity.songs.settings.FrontEnd`. Magnitudes, natural logarithm.
    excerpt_frames : int
    exclusive : bool
        Softmax (True) or a sigmoid for each label.

    Attributes
    ----------
    excerpt_samples : int
        The frames' windows lie wholly inside: (excerpt_frames - 1) * hop_samples + frame_samples.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        labels: Sequence[str],
        excerpt_frames: int,
        sample_rate: int = 22050,
        frame_samples: int = 1024,
        hop_samples: int = 315,
        n_mels: int = 80,
        f_min: float = 27.5,
        f_max: float = 8000.0,
        floor: float = 1e-7,
        exclusive: bool = False,
    ) -> None:
        within(excerpt_frames, 1, 10**6, "excerpt_frames of a classifier", whole=True)
        self.frontend = FrontEnd(sample_rate, frame_samples, hop_samples, n_mels, f_min, f_max, floor=floor)
        self.module, self.labels, self.exclusive = module.eval().requires_grad_(False), tuple(labels), exclusive
        self.sample_rate, self.excerpt_samples = sample_rate, (excerpt_frames - 1) * hop_samples + frame_samples

    def representation(self, audio: Tensor) -> Tensor:
        """Return log-mel spectrograms, shape (n, excerpt_frames, n_mels)."""
        return log_mel(excerpt_magnitudes(audio, self.frontend), self.frontend)

    def logits(self, representation: Tensor) -> Tensor:
        """Return what the module answers; a single label's axis may be left out."""
        answer = self.module(representation)
        return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer

    def layers(self) -> nn.Module:
        """Return a copy of the module."""
        return copy.deepcopy(self.module)


class WaveformClassifier:
    """A module on waveforms, (n, excerpt_samples) to (n,) or (n, n_labels).

    What is segmented is the complex short-time Fourier transform of the excerpt: masks act on it, and its inverse makes the
    masked waveform that the module hears. Of the fills, "zero" is silence; "mean" and "min" give every point the mean or least
    magnitude of the excerpt and keep its phase.

    Parameters
    ----------
    module : nn.Module or callable
        A module is put into evaluation mode.
    labels : sequence of str
    sample_rate : int
    excerpt_samples : int
    frame_samples, hop_samples : int
        Of the Hann window of the transform; the hop at most half of the frame.
    exclusive : bool
        Softmax (True) or a sigmoid for each label.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        labels: Sequence[str],
        sample_rate: int,
        excerpt_samples: int,
        frame_samples: int = 512,
        hop_samples: int = 128,
        exclusive: bool = False,
    ) -> None:
        within(frame_samples, 2, 2**16, "frame_samples of a classifier", whole=True)
        within(hop_samples, 1, frame_samples // 2, "hop_samples of a classifier", whole=True)
        within(excerpt_samples, frame_samples, 2**26, "excerpt_samples of a classifier", whole=True)
        if isinstance(module, nn.Module):
            module.eval()
            for parameter in module.parameters():
                parameter.requires_grad_(False)
        self.module, self.labels, self.exclusive = module, tuple(labels), exclusive
        self.sample_rate, self.excerpt_samples = sample_rate, excerpt_samples
        self.frame_samples, self.hop_samples = frame_samples, hop_samples

    def representation(self, audio: Tensor) -> Tensor:
        """Return complex spectra, shape (n, n_frames, n_bins)."""
        spectrum = torch.stft(
            audio,
            self.frame_samples,
            self.hop_samples,
            window=self._window(audio),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum.transpose(1, 2)

    def waveform(self, representation: Tensor) -> Tensor:
        """Return the excerpts that representations stand for, shape (n, excerpt_samples)."""
        spectrum = representation.transpose(1, 2)
        window = self._window(spectrum.real)
        return torch.istft(spectrum, self.frame_samples, self.hop_samples, window=window, length=self.excerpt_samples)

    def logits(self, representation: Tensor) -> Tensor:
        """Return what the module answers to the waveforms."""
        answer = self.module(self.waveform(representation))
        return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.frame_samples, dtype=like.dtype, device=like.device)
