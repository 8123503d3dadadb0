"""A network as exact tables see it: steps on maps, one sum over the last map, and what follows it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from .convolution import SLOPE, channels_last
from .network import Layer, Network, apply_layers


@dataclass(frozen=True)
class Step:
    """One step from map to map; kernel axes (time, frequency).

    Attributes
    ----------
    apply : callable
        From a map, Tensor of shape (n, n_channels, n_frames, n_bands), to the next.
    kernel, stride, padding : tuple of int
        Extent of what an output sees (dilation included), advance, and how far both ends are padded.
    unpadded : callable or None
        The same on maps that hold their padding already; None where there is no padding.
    is_max : bool
        Whether padding counts as minus infinity, as in a max-pool; zero otherwise.
    """

    apply: Callable[[Tensor], Tensor]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    unpadded: Callable[[Tensor], Tensor] | None = None
    is_max: bool = False


@dataclass(frozen=True)
class Stack:
    """A network of plain layers.

    Attributes
    ----------
    enter : callable
        From excerpts, shape (n, n_frames, n_bands), to the first map, (n, n_channels, n_frames, n_bands); point by point.
    steps : tuple of Step
    weight : Tensor, shape (width, n_channels, n_frames, n_bands)
        Of the sum over the last map: the first dense layer, and whatever else is linear around it.
    bias : Tensor, shape (width,)
    tail : callable
        From those sums, which it may overwrite, shape (n, width), to logits of shape (n,).
    """

    enter: Callable[[Tensor], Tensor]
    steps: tuple[Step, ...]
    weight: Tensor
    bias: Tensor
    tail: Callable[[Tensor], Tensor]

    def logits(self, excerpts: Tensor) -> Tensor:
        """Compute logits, shape (n, n_frames, n_bands) to (n,)."""
        last = through(self.steps, self.enter(excerpts))
        return self.tail(torch.einsum("nctf,wctf->nw", last, self.weight) + self.bias)


def through(steps: Iterable[Step], x: Tensor) -> Tensor:
    """Apply steps one after the other."""
    for step in steps:
        x = step.apply(x)
    return x


def stack_of(network: Network) -> Stack:
    """Return a trained detector as a stack.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Stack
    """
    features, dense = network.layers[: -network.n_dense], network.layers[-network.n_dense :]
    weight, bias = dense[0].weight, dense[0].bias
    assert weight is not None
    steps = (Step(partial(apply_layers, (layer,)), layer.kernel, layer.stride, is_max=layer.is_pool) for layer in features)
    return Stack(
        enter=lambda excerpts: channels_last(network.standardise(excerpts)),
        steps=tuple(steps),
        weight=weight,
        bias=weight.new_zeros(len(weight)) if bias is None else bias,
        tail=partial(_tail, dense),
    )


def _tail(dense: Sequence[Layer], sums: Tensor) -> Tensor:
    """Apply what follows the first dense layer's sums; overwrites them. Shape (n, width) to (n,)."""
    x = functional.leaky_relu_(sums, SLOPE) if dense[0].activated else sums
    for layer in dense[1:]:
        assert layer.weight is not None
        x = functional.linear(x, layer.weight.flatten(1), layer.bias)
        x = functional.leaky_relu_(x, SLOPE) if layer.activated else x
    return x[:, 0]
