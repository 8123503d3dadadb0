"""Explainers that use the layers of a model, computed with captum.

References
----------
DeepLift: A. Shrikumar et al., ICML 2017. Grad-CAM: R. R. Selvaraju et al., ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .task import ExplanationTask

LARGEST_DELTA = 1e-4  # largest relative completeness error of DeepLift, whose rules are exact up to rounding
ROUNDING = 1e-5  # absolute tolerance in logits for float32, needed if the logit hardly changes


def deeplift(task: ExplanationTask) -> np.ndarray:
    """Return DeepLift attributions with the fill as baseline, summed over each segment.

    ``completeness_error`` is noted with the attribution.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.

    Returns
    -------
    ndarray, shape (n_segments,)
        Attribution of each segment.

    Raises
    ------
    ConfigError
        If the model has no module of layers, or if the attributions do not add up to the change of the logit.
    """
    from captum.attr import DeepLift

    module = task.module
    _keep_apart(module)
    attributions, delta = DeepLift(module).attribute(
        task.excerpt[None].clone(),
        baselines=task.off[None].clone().contiguous(),
        return_convergence_delta=True,
    )
    change = abs(float(attributions.detach().sum()))
    difference = float(delta.detach().abs().max())
    error = difference / max(change, 1e-6)
    task.note(completeness_error=error)
    if difference > LARGEST_DELTA * change + ROUNDING:  # for functional code captum returns wrong attributions without an error
        raise ConfigError(
            f"explainers.deeplift: attributions must add up to the change of the logit ({change:.3g}), got a relative "
            f"difference of {error:.2g} because captum does not support all layers of the model. Leave deeplift out."
        )
    return task.grid.sums(attributions.detach()[0].cpu().double().numpy())


def grad_cam(task: ExplanationTask, *, relu: bool = True) -> np.ndarray:
    """Return Grad-CAM of the last convolution, with each unit assigned to the centre of its receptive field.

    The units are taken after the activation of that convolution and summed over each segment.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.
    relu : bool
        Whether to set negative attributions to zero, as published; True by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Attribution of each segment.

    Raises
    ------
    ConfigError
        If the model is not a sequence of layers that contains a convolution.
    """
    from captum.attr import LayerGradCam

    module, x = task.module, task.excerpt[None].clone()
    layers = _in_a_row(module)
    last = _last_convolution(layers, x)
    if last is None:
        raise ConfigError(
            "explainers.grad_cam: requires a model whose layers form a sequence with a convolution. Leave it out."
        )
    task.queries.add(1)  # the forward pass of `_last_convolution`
    last += isinstance(layers[last + 1], nn.ReLU | nn.LeakyReLU)
    units = LayerGradCam(module, layers[last]).attribute(x, relu_attributions=relu)
    values = units.detach()[0, 0].cpu().double().numpy()
    frames, bands = (_centres(layers[: last + 1], axis, n) for axis, n in enumerate(values.shape))
    points = np.zeros(tuple(task.excerpt.shape))
    np.add.at(points, (frames[:, None], bands[None, :]), values)
    return task.grid.sums(points)


def _keep_apart(module: nn.Module) -> None:
    """Let every layer receive a copy of its input.

    captum 0.9.0 hooks the tensor between two layers twice if both have a rule (an activation and a pool). The first layer then
    receives the gradient from before the second rule, and attributions no longer add up.
    """
    for layer in module.modules():
        if not list(layer.children()):
            layer.register_forward_pre_hook(lambda _, inputs: tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs))


def _in_a_row(module: nn.Module) -> list[nn.Module]:
    """Return the layers of nested sequences in the order of execution; any other module counts as a single layer."""
    if (
        not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward
    ):  # a subclass may use its layers in another way
        return [module]
    return [layer for part in module for layer in _in_a_row(part)]


def _last_convolution(layers: Sequence[nn.Module], x: Tensor) -> int | None:
    """Return the index of the last convolution whose output has more than one position, or None."""
    last = None
    with torch.no_grad():
        for i, layer in enumerate(layers):
            x = layer(x)
            if isinstance(layer, nn.Conv2d) and x.shape[2] * x.shape[3] > 1:
                last = i
    return last


def _centres(layers: Sequence[nn.Module], axis: int, n: int) -> np.ndarray:
    """Return the input position at the centre of the receptive field of each of `n` units along an axis."""
    centre, step = 0.0, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, stride, padding, dilation = (
                value[axis] if isinstance(value, tuple) else int(value)
                for value in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
            )
            centre += step * (dilation * (kernel - 1) / 2 - padding)
            step *= stride
    return np.rint(centre + step * np.arange(n)).astype(np.int64).clip(0)
