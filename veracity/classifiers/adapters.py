"""Adapters that turn a ``torch.nn.Module`` for log-mel spectrograms or waveforms into a classifier."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, within
from ..songs.frontend import FrontEnd, excerpt_magnitudes, log_mel


class MelClassifier:
    """Classifier from a module that maps log-mel spectrograms, (n, excerpt_frames, n_mels), to logits, (n,) or (n, n_labels).

    The spectrogram is the natural logarithm of mel magnitudes.

    Parameters
    ----------
    module : nn.Module
        Module, which is put into evaluation mode.
    labels : sequence of str
        Names of the labels, in the order of the logits.
    excerpt_frames : int
        Number of frames of an excerpt.
    frontend : FrontEnd
        Settings of the spectrogram, by default the paper's. Its `excerpt_frames` is not used.
    exclusive : bool
        Whether an excerpt has exactly one label (softmax) or any number of labels (sigmoid, the default).

    Attributes
    ----------
    excerpt_samples : int
        Number of samples of an excerpt, which contains the windows of all frames completely: (excerpt_frames - 1) * hop_samples
        + frame_samples.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        labels: Sequence[str],
        excerpt_frames: int,
        frontend: FrontEnd | None = None,
        exclusive: bool = False,
    ) -> None:
        within(excerpt_frames, 1, 10**6, "excerpt_frames of a classifier", whole=True)
        self.frontend = frontend or FrontEnd()
        self.module, self.labels, self.exclusive = module.eval(), tuple(labels), exclusive
        self.sample_rate = self.frontend.sample_rate
        self.excerpt_samples = (excerpt_frames - 1) * self.frontend.hop_samples + self.frontend.frame_samples

    def representation(self, audio: Tensor) -> Tensor:
        """Return log-mel spectrograms, shape (n, excerpt_frames, n_mels)."""
        return log_mel(excerpt_magnitudes(audio, self.frontend), self.frontend)

    def logits(self, representation: Tensor) -> Tensor:
        """Return the logits of the module; the axis of a single label is removed."""
        return _logits(self.module, representation)

    def layers(self) -> nn.Module:
        """Return a copy of the module."""
        return copy.deepcopy(self.module)


class WaveformClassifier:
    """Classifier from a module that maps waveforms, (n, excerpt_samples), to logits, (n,) or (n, n_labels).

    The segmented representation is the complex short-time Fourier transform of the excerpt. Masks act on it, and the inverse
    transform gives the masked waveform for the module. The fill "zero" is silence. The fills "mean" and "min" replace
    magnitudes by the mean or minimum magnitude of the excerpt and keep the phase.

    Parameters
    ----------
    module : nn.Module or callable
        Model for waveforms, which is put into evaluation mode if it is a module.
    labels : sequence of str
        Names of the labels, in the order of the logits.
    sample_rate : int
        Sampling rate in Hz.
    excerpt_samples : int
        Number of samples of an excerpt.
    frame_samples : int
        Length of the Hann window of the transform in samples, 512 by default.
    hop_samples : int
        Hop of the transform in samples, 128 by default and at most half of `frame_samples`.
    exclusive : bool
        Whether an excerpt has exactly one label (softmax) or any number of labels (sigmoid, the default).
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
        """Return the waveforms of representations by the inverse transform, shape (n, excerpt_samples)."""
        spectrum = representation.transpose(1, 2)
        window = self._window(spectrum.real)
        return torch.istft(spectrum, self.frame_samples, self.hop_samples, window=window, length=self.excerpt_samples)

    def logits(self, representation: Tensor) -> Tensor:
        """Return the logits of the module for the waveforms of representations; the axis of a single label is removed."""
        return _logits(self.module, self.waveform(representation))

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.frame_samples, dtype=like.dtype, device=like.device)


def _logits(module: Any, x: Tensor) -> Tensor:
    """Return the logits of a module for a batch; an axis of a single label is removed.

    The batch is converted to the precision of the module's weights. If the result has a field ``logits``, as in
    transformers, that field is used.
    """
    weights = (weight for weight in module.parameters() if weight.is_floating_point()) if isinstance(module, nn.Module) else ()
    if (weight := next(iter(weights), None)) is not None:
        x = x.to(weight.dtype)
    answer = module(x)
    answer = answer.get("logits", answer) if isinstance(answer, Mapping) else getattr(answer, "logits", answer)
    if not isinstance(answer, Tensor):
        raise ConfigError(
            f"classifier.logits: the module must return a tensor, got {type(answer).__name__}. Wrap it in a module "
            "that returns only the logits."
        )
    return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 else answer
