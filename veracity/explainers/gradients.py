"""Gradient-based explainers, computed with captum; attributions of points are summed over each segment.

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

from .question import Question

if TYPE_CHECKING:
    from torch import Tensor


def saliency(question: Question) -> np.ndarray:
    """Return the mean absolute gradient in each segment, which measures the effect of a small change of either sign."""
    from captum.attr import Saliency

    inputs, _ = _parts(question)
    points = _per_point(Saliency(_forward(question)).attribute(inputs, abs=True))
    return question.grid.sums(points) / question.grid.sums(np.ones_like(points))


def input_x_gradient(question: Question) -> np.ndarray:
    """Return input times gradient, summed over each segment."""
    from captum.attr import InputXGradient

    inputs, _ = _parts(question)
    return question.grid.sums(_per_point(InputXGradient(_forward(question)).attribute(inputs)))


def gradient_x_difference(question: Question) -> np.ndarray:
    """Return gradient times the difference between excerpt and fill, summed over each segment."""
    from captum.attr import Saliency

    inputs, off = _parts(question)
    slope = Saliency(_forward(question)).attribute(inputs, abs=False)
    return question.grid.sums(_per_point(slope * (inputs - off)))


def integrated_gradients(question: Question, *, n_steps: int = 200) -> np.ndarray:
    """Return gradients integrated along the line from the fill to the excerpt, summed over each segment.

    ``completeness_error`` is noted with the attribution. It is the difference between the sum of the attributions and the
    change of the logit, relative to that change.

    Parameters
    ----------
    question : Question
        Explanation task.
    n_steps : int
        Number of integration steps, 200 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Integrated gradients, summed over each segment.
    """
    from captum.attr import IntegratedGradients

    inputs, off = _parts(question)
    attributions, delta = IntegratedGradients(_forward(question)).attribute(
        inputs, baselines=off, n_steps=n_steps, internal_batch_size=32, return_convergence_delta=True
    )
    total = float(attributions.sum()) - float(delta)
    question.note(completeness_error=abs(float(delta)) / max(abs(total), 1e-12))
    return question.grid.sums(_per_point(attributions))


def smoothgrad(question: Question, *, n_samples: int = 50, noise: float = 0.15) -> np.ndarray:
    """Return the mean gradient over noisy excerpts times the difference between excerpt and fill, summed over each segment.

    Parameters
    ----------
    question : Question
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

    inputs, off = _parts(question)
    spread = float(inputs.max() - inputs.min()) * noise
    tunnel = NoiseTunnel(Saliency(_forward(question)))
    slope = tunnel.attribute(inputs, nt_type="smoothgrad", nt_samples=n_samples, stdevs=spread, abs=False)
    return question.grid.sums(_per_point(slope * (inputs - off)))


def _forward(question: Question) -> Callable[[Tensor], Tensor]:
    """Return the logit as a function of real inputs, which captum requires."""
    import torch

    if not question.excerpt.is_complex():
        return question.logits
    return lambda parts: question.logits(torch.view_as_complex(parts.contiguous()))


def _parts(question: Question) -> tuple[Tensor, Tensor]:
    """Return excerpt and fill as batches of one, with complex values as pairs of real numbers."""
    import torch

    pair = question.excerpt[None], question.off[None]
    inputs, off = (torch.view_as_real(x) if x.is_complex() else x for x in pair)
    return inputs.clone().contiguous(), off.clone().contiguous()


def _per_point(attributions: Tensor) -> np.ndarray:
    points = attributions.detach()[0].cpu().double().numpy()
    return points.sum(axis=-1) if points.ndim == 3 else points
