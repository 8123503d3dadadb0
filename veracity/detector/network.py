"""A trained detector as a standardisation and a list of layers.

Batch norm and zero-mean kernels are folded into the weights. Prediction, attacks and exact tables all use this list, so that
kernel sizes and strides are defined only once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .convolution import channels_last, frozen_convolution
from .settings import checked_frames


@dataclass(frozen=True)
class Layer:
    """Layer of a folded network, either a convolution without padding and with stride 1, or a max-pool.

    Attributes
    ----------
    kernel : tuple of int
        Size in frames and bands. The stride of a pool equals its kernel.
    weight : Tensor, shape (n_out, n_in, *kernel), or None
        Weights of a convolution; None for a max-pool.
    bias : Tensor, shape (n_out,), or None
        Bias of a convolution.
    activated : bool
        Whether a leaky ReLU follows.
    """

    kernel: tuple[int, int]
    weight: Tensor | None = None
    bias: Tensor | None = None
    activated: bool = False

    @property
    def is_pool(self) -> bool:
        """Whether the layer is a max-pool."""
        return self.weight is None

    @property
    def stride(self) -> tuple[int, int]:
        """Stride in frames and bands."""
        return self.kernel if self.is_pool else (1, 1)


@dataclass(frozen=True)
class Network:
    """Trained detector as a function of log-mel excerpts.

    Attributes
    ----------
    mean, scale : Tensor, shape (n_mels,)
        Standardisation, ``(log_mel - mean) * scale``.
    layers : tuple of Layer
        Layers from the standardised excerpt to the logit.
    n_dense : int
        Number of dense layers at the end. The kernel of the first covers its whole input.
    excerpt_frames : int
        Number of frames of an excerpt.
    """

    mean: Tensor
    scale: Tensor
    layers: tuple[Layer, ...]
    n_dense: int
    excerpt_frames: int

    def __post_init__(self) -> None:
        features = self.layers[: len(self.layers) - self.n_dense]
        checked_frames(self.excerpt_frames, [(layer.kernel[0], layer.is_pool) for layer in features])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Network":
        """Return the network on another device or in another precision."""
        layers = self._layers_to(device, dtype)
        return replace(self, mean=self.mean.to(device, dtype), scale=self.scale.to(device, dtype), layers=layers)

    def lowered(self, dtype: torch.dtype) -> "Network":
        """Return a network that computes its layers in a lower precision; the standardisation keeps its precision."""
        return replace(self, layers=self._layers_to(None, dtype))

    def _layers_to(self, device: torch.device | str | None, dtype: torch.dtype | None) -> tuple[Layer, ...]:
        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device=device, dtype=dtype)

        return tuple(replace(layer, weight=move(layer.weight), bias=move(layer.bias)) for layer in self.layers)

    @property
    def _layers_dtype(self) -> torch.dtype:
        assert self.layers[0].weight is not None
        return self.layers[0].weight.dtype

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.mean.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the standardisation and, unless the network is `lowered`, of the weights."""
        return self.mean.dtype

    def standardise(self, log_mel: Tensor) -> Tensor:
        """Standardise each mel band of an array of shape (..., n_mels)."""
        return (log_mel - self.mean) * self.scale

    def logits(self, excerpts: Tensor) -> Tensor:
        """Compute the logit of "sing" for separate excerpts.

        Parameters
        ----------
        excerpts : Tensor, shape (n_excerpts, excerpt_frames, n_mels)
            Natural log of mel magnitude, not standardised.

        Returns
        -------
        Tensor, shape (n_excerpts,)
            Logit of P(sing).
        """
        x = channels_last(self.standardise(excerpts)).to(self._layers_dtype)
        return apply_layers(self.layers, x).reshape(len(excerpts)).to(excerpts.dtype)

    def dense_logits(self, log_mel: Tensor) -> Tensor:
        """Compute the logit of "sing" for every excerpt of a song at once (fully convolutional evaluation).

        Pools have stride 1 in time and later kernels are dilated in time, so that the result for each excerpt equals that of
        `logits`.

        Parameters
        ----------
        log_mel : Tensor, shape (n_excerpts + excerpt_frames - 1, n_mels)
            Natural log of mel magnitude, padded with silence; see `veracity.songs.frontend.pad_silence`.

        Returns
        -------
        Tensor, shape (n_excerpts,)
            Logit of P(sing).
        """
        x = channels_last(self.standardise(log_mel)[None]).to(self._layers_dtype)
        return apply_layers(self.layers, x, dense=True).reshape(-1).to(log_mel.dtype)

    def predict(self, excerpts: Tensor | np.ndarray, *, batch: int = 64) -> Tensor:
        """Compute P(sing) of excerpts in batches without gradients; shapes as in `logits`."""
        with torch.inference_mode():
            parts = [self.logits(part.to(self.device, self.dtype)) for part in torch.as_tensor(excerpts).split(batch)]
        return torch.sigmoid(torch.cat(parts)) if parts else self.mean.new_zeros(0)


def apply_layers(layers: Iterable[Layer], x: Tensor, *, dense: bool = False) -> Tensor:
    """Apply folded layers to a batch of images.

    Parameters
    ----------
    layers : iterable of Layer
        Layers in the order of application.
    x : Tensor, shape (n, n_channels, n_frames, n_bands), channels last
        Input images.
    dense : bool
        Whether to evaluate at every frame, False by default. If True, pools have stride 1 in time and later kernels are dilated
        in time.

    Returns
    -------
    Tensor, shape (n, n_channels, n_frames, n_bands), channels last
        Output images.
    """
    dilation = 1
    for layer in layers:
        if layer.is_pool:
            stride = (1, layer.stride[1]) if dense else layer.stride
            x = functional.max_pool2d(x, layer.kernel, stride, dilation=(dilation, 1))
            dilation *= layer.kernel[0] if dense else 1
        else:
            assert layer.weight is not None
            x = frozen_convolution(x, layer.weight, layer.bias, dilation=dilation, activated=layer.activated)
    return x


def dense_in_chunks(network: Network, log_mel_frames: Tensor, chunk_frames: int = 4096) -> Tensor:
    """Compute `Network.dense_logits` of a padded song in chunks, which limits memory.

    Parameters
    ----------
    network : Network
        The trained detector.
    log_mel_frames : Tensor, shape (n_excerpts + excerpt_frames - 1, n_mels)
        Natural log of mel magnitude of a song, padded with silence.
    chunk_frames : int
        Number of excerpts per chunk, 4096 by default.

    Returns
    -------
    Tensor, shape (n_excerpts,)
        Logit of P(sing).
    """
    context = network.excerpt_frames - 1
    starts = range(0, len(log_mel_frames) - context, chunk_frames)
    return torch.cat([network.dense_logits(log_mel_frames[s : s + chunk_frames + context]) for s in starts])
