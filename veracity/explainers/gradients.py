"""Gradient-based explainers, computed with captum; attributions of points are summed (saliency: averaged) over each segment.

The zero of a log-mel spectrogram is arbitrary (magnitude 1). Methods that multiply by the input therefore use its difference
from the fill, and *input x gradient* is included for comparison only. Complex representations are split into real and imaginary
parts, whose attributions are added.

References
----------
Saliency: K. Simonyan et al., ICLR workshop 2014. Integrated gradients: M. Sundararajan et al., ICML 2017. SmoothGrad: D.
Smilkov et al., 2017. captum: N. Kokhlikyan et al., 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .task import ExplanationTask

if TYPE_CHECKING:
    from torch import Tensor


def saliency(task: ExplanationTask) -> np.ndarray:
    """Return the mean absolute gradient in each segment, which measures the effect of a small change of either sign."""
    from captum.attr import Saliency

    inputs, _ = _parts(task)
    points = _per_point(Saliency(_forward(task)).attribute(inputs, abs=True))
    return task.grid.sums(points) / task.grid.sums(np.ones_like(points))


def input_x_gradient(task: ExplanationTask) -> np.ndarray:
    """Return input times gradient, summed over each segment."""
    from captum.attr import InputXGradient

    inputs, _ = _parts(task)
    return task.grid.sums(_per_point(InputXGradient(_forward(task)).attribute(inputs)))


def gradient_x_difference(task: ExplanationTask) -> np.ndarray:
    """Return gradient times the difference between excerpt and fill, summed over each segment."""
    from captum.attr import Saliency

    inputs, off = _parts(task)
    gradient = Saliency(_forward(task)).attribute(inputs, abs=False)
    return task.grid.sums(_per_point(gradient * (inputs - off)))


def integrated_gradients(task: ExplanationTask, *, n_steps: int = 200) -> np.ndarray:
    """Return gradients integrated along the line from the fill to the excerpt, summed over each segment.

    ``completeness_error`` is noted with the attribution. It is the difference between the sum of the attributions and the
    change of the logit, relative to that change.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.
    n_steps : int
        Number of integration steps, 200 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Integrated gradients, summed over each segment.
    """
    from captum.attr import IntegratedGradients

    inputs, off = _parts(task)
    attributions, delta = IntegratedGradients(_forward(task)).attribute(
        inputs, baselines=off, n_steps=n_steps, internal_batch_size=32, return_convergence_delta=True
    )
    total = float(attributions.sum()) - float(delta)
    task.note(completeness_error=abs(float(delta)) / max(abs(total), 1e-12))
    return task.grid.sums(_per_point(attributions))


def smoothgrad(task: ExplanationTask, *, n_samples: int = 50, noise: float = 0.15) -> np.ndarray:
    """Return the mean gradient over noisy excerpts times the difference between excerpt and fill, summed over each segment.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.
    n_samples : int
        Number of noisy excerpts, 50 by default.
    noise : float
        Standard deviation of the noise as a share of the range of the excerpt's values, 0.15 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Attribution of each segment.
    """
    from captum.attr import NoiseTunnel, Saliency

    inputs, off = _parts(task)
    spread = float(inputs.max() - inputs.min()) * noise
    tunnel = NoiseTunnel(Saliency(_forward(task)))
    gradient = tunnel.attribute(inputs, nt_type="smoothgrad", nt_samples=n_samples, stdevs=spread, abs=False)
    return task.grid.sums(_per_point(gradient * (inputs - off)))


def _forward(task: ExplanationTask) -> Callable[[Tensor], Tensor]:
    """Return the logit as a function of real inputs, which captum requires."""
    import torch

    if not task.excerpt.is_complex():
        return task.logits
    return lambda parts: task.logits(torch.view_as_complex(parts.contiguous()))


def _parts(task: ExplanationTask) -> tuple[Tensor, Tensor]:
    """Return excerpt and fill as batches of one, with complex values as pairs of real numbers."""
    import torch

    pair = task.excerpt[None], task.off[None]
    inputs, off = (torch.view_as_real(x) if x.is_complex() else x for x in pair)
    return inputs.clone().contiguous(), off.clone().contiguous()


def _per_point(attributions: Tensor) -> np.ndarray:
    points = attributions.detach()[0].cpu().double().numpy()
    return points.sum(axis=-1) if points.ndim == 3 else points
