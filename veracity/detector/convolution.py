"""Convolutions with fixed weights, differentiable with respect to their input only.

The attacks pass through a trained detector hundreds of times. Three optimisations reduce their cost (`benchmarks/attacks.py`
measures the total effect). Gradients of weights are not computed, and images are stored channels last. Matrix products replace
two slow convolutions: the layer whose kernel spans all bands, and the gradient of the single-channel input layer.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SLOPE = 0.01  # negative slope of the leaky ReLU


def frozen_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *, dilation: int, activated: bool) -> Tensor:
    """Convolve without padding ('valid') and with stride 1; differentiable once, with respect to `x` only.

    If `activated` is true, the backward pass overwrites the gradient that is passed to it.

    Parameters
    ----------
    x : Tensor, shape (n, n_in, n_frames, n_bands), channels last
        Input images.
    weight : Tensor, shape (n_out, n_in, n_kernel_frames, n_kernel_bands), channels last
        Kernels.
    bias : Tensor, shape (n_out,), or None
        Bias of each output channel.
    dilation : int
        Dilation of the kernel along time.
    activated : bool
        Whether a leaky ReLU follows the convolution.

    Returns
    -------
    Tensor, shape (n, n_out, n_frames - dilation * (n_kernel_frames - 1), n_bands - n_kernel_bands + 1), channels last
        Output images.
    """
    return _FrozenConvolution.apply(x, weight, bias, dilation, activated)


def channels_last(images: Tensor) -> Tensor:
    """Add a channel axis to single-channel images, shape (n, n_frames, n_bands) to (n, 1, n_frames, n_bands).

    The strides mark the channel axis as the last one in memory. Otherwise torch would treat these images, and all results
    computed from them, as channels first.
    """
    return images[..., None].permute(0, 3, 1, 2)


class _FrozenConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, activated: bool) -> Tensor:
        ctx.shape, ctx.dilation = x.shape, dilation
        ctx.spans = weight.shape[3] == x.shape[3] and weight.shape[1] > 1
        y = _spanning(x, weight, bias, dilation) if ctx.spans else functional.conv2d(x, weight, bias, dilation=(dilation, 1))
        if activated:
            functional.leaky_relu_(y, SLOPE)
        ctx.save_for_backward(weight, y if activated else None)  # the leaky ReLU preserves the sign of its input
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad_output,), (weight, y) = grad_outputs, ctx.saved_tensors
        if y is not None:
            grad_output = (
                grad_output if grad_output.stride() == y.stride() else grad_output.contiguous(memory_format=torch.channels_last)
            )
            grad_output = torch.ops.aten.leaky_relu_backward.grad_input(grad_output, y, SLOPE, True, grad_input=grad_output)
        if weight.shape[1] == 1:
            gradient = _gradient_of_single(grad_output, weight, ctx.shape, ctx.dilation)
        elif ctx.spans:
            gradient = _gradient_of_spanning(grad_output, weight, ctx.shape, ctx.dilation)
        else:
            x = torch.empty(
                ctx.shape, dtype=grad_output.dtype, device=grad_output.device, memory_format=torch.channels_last
            )  # never read
            gradient = torch.ops.aten.convolution_backward(
                grad_output, x, weight, None, [1, 1], [0, 0], [ctx.dilation, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        return gradient, None, None, None, None


def _spanning(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """Convolve with a kernel as wide as the image, as a product of the flattened receptive fields and a matrix."""
    n, n_in, n_frames, n_bands = x.shape
    n_out, _, n_taps, _ = weight.shape
    size, n_left = n_in * n_bands, n_frames - dilation * (n_taps - 1)
    frames = x.permute(0, 2, 3, 1).contiguous()
    seen = frames.as_strided((n, n_left, n_taps, size), (n_frames * size, size, dilation * size, 1))
    y = seen.reshape(n * n_left, n_taps * size) @ weight.permute(2, 3, 1, 0).reshape(-1, n_out)
    return _as_images(y if bias is None else y.add_(bias), n, n_left, 1)


def _as_images(rows: Tensor, n: int, n_frames: int, n_bands: int) -> Tensor:
    """View rows of channels, one per pixel, as images."""
    return rows.view(n, n_frames, n_bands, -1).permute(0, 3, 1, 2)


def _gradient_of_spanning(grad_output: Tensor, weight: Tensor, shape: tuple[int, ...], dilation: int) -> Tensor:
    n, n_in, n_frames, n_bands = shape
    n_out, _, n_taps, _ = weight.shape
    n_left = grad_output.shape[2]
    parts = grad_output.permute(0, 2, 3, 1).reshape(-1, n_out) @ weight.permute(0, 2, 3, 1).reshape(n_out, -1)
    parts = parts.view(n, n_left, n_taps, n_bands * n_in)
    total = _wide_zeros((n, n_frames, n_bands * n_in), grad_output)
    for tap in range(n_taps):
        total[:, tap * dilation : tap * dilation + n_left] += parts[:, :, tap]
    return _as_images(total.to(grad_output.dtype).view(-1, n_in), n, n_frames, n_bands)


def _gradient_of_single(grad_output: Tensor, weight: Tensor, shape: tuple[int, ...], dilation: int) -> Tensor:
    n, n_out, n_left, n_bands_left = grad_output.shape
    parts = grad_output.permute(0, 2, 3, 1).reshape(-1, n_out) @ weight.reshape(n_out, -1)
    parts = parts.view(n, n_left, n_bands_left, *weight.shape[2:])
    total = _wide_zeros((n, shape[2], shape[3]), grad_output)
    for tap in range(weight.shape[2]):
        for band in range(weight.shape[3]):
            rows = slice(tap * dilation, tap * dilation + n_left)
            total[:, rows, band : band + n_bands_left] += parts[..., tap, band]
    return channels_last(total.to(grad_output.dtype))


def _wide_zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return zeros for accumulating sums, in at least float32."""
    return torch.zeros(shape, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
