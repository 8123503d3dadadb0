"""Feed-forward networks in the form that exact tables need: steps on maps, a linear layer over the last map, and a tail."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from ..detector.convolution import SLOPE, channels_last
from ..detector.network import Layer, Network, apply_layers


@dataclass(frozen=True)
class Step:
    """Step from one map to the next; axes of the kernel are (time, frequency).

    Attributes
    ----------
    apply : callable
        Function from a map, Tensor of shape (n, n_channels, n_frames, n_bands), to the next map.
    kernel, stride, padding : tuple of int
        Size of the kernel (dilation included), stride, and padding at both ends.
    unpadded : callable or None
        The same function for maps that already include the padding; None for steps without padding.
    is_max : bool
        Whether the padding is minus infinity, as in a max-pool; otherwise it is zero.
    """

    apply: Callable[[Tensor], Tensor]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    unpadded: Callable[[Tensor], Tensor] | None = None
    is_max: bool = False


@dataclass(frozen=True)
class FeedForward:
    """Feed-forward network, split into steps on maps, a sum over the last map, and a tail.

    Attributes
    ----------
    enter : callable
        Pointwise function from excerpts, shape (n, n_frames, n_bands), to the first map, (n, n_channels, n_frames, n_bands).
    steps : tuple of Step
        Steps from the first to the last map.
    weight : Tensor, shape (width, n_channels, n_frames, n_bands)
        Weights of the sum over the last map: the first dense layer, combined with adjacent linear operations.
    bias : Tensor, shape (width,)
        Bias of that sum.
    tail : callable
        Function from those sums, shape (n, width), to logits, shape (n,). It may overwrite its input.
    """

    enter: Callable[[Tensor], Tensor]
    steps: tuple[Step, ...]
    weight: Tensor
    bias: Tensor
    tail: Callable[[Tensor], Tensor]

    def logits(self, excerpts: Tensor) -> Tensor:
        """Compute logits of excerpts, shape (n, n_frames, n_bands) to (n,)."""
        last = through(self.steps, self.enter(excerpts))
        return self.tail(torch.einsum("nctf,wctf->nw", last, self.weight) + self.bias)


def through(steps: Iterable[Step], x: Tensor) -> Tensor:
    """Apply steps to a map in sequence."""
    for step in steps:
        x = step.apply(x)
    return x


def feedforward_of(network: Network) -> FeedForward:
    """Return a trained detector as a feed-forward network.

    Parameters
    ----------
    network : Network
        The trained detector.

    Returns
    -------
    FeedForward
        Feed-forward network with the logits of the detector.
    """
    features, dense = network.layers[: -network.n_dense], network.layers[-network.n_dense :]
    weight, bias = dense[0].weight, dense[0].bias
    assert weight is not None
    steps = (Step(partial(apply_layers, (layer,)), layer.kernel, layer.stride, is_max=layer.is_pool) for layer in features)
    return FeedForward(
        enter=lambda excerpts: channels_last(network.standardise(excerpts)),
        steps=tuple(steps),
        weight=weight,
        bias=weight.new_zeros(len(weight)) if bias is None else bias,
        tail=partial(_tail, dense),
    )


def _tail(dense: Sequence[Layer], sums: Tensor) -> Tensor:
    """Apply the remaining layers to the sums of the first dense layer, shape (n, width) to (n,); overwrites the sums."""
    x = functional.leaky_relu_(sums, SLOPE) if dense[0].activated else sums
    for layer in dense[1:]:
        assert layer.weight is not None
        x = functional.linear(x, layer.weight.flatten(1), layer.bias)
        x = functional.leaky_relu_(x, SLOPE) if layer.activated else x
    return x[:, 0]
