"""Explainers that read gradients of the label's logit, by captum; attributions of points are summed over each segment.

The zero of a log-mel spectrogram is arbitrary (magnitude 1), so that methods which multiply by the input take its difference
from what an absent segment holds, and *input x gradient* is kept for comparison only. Complex representations are taken apart
into real and imaginary parts, whose attributions add up.

References
----------
Saliency: K. Simonyan et al., ICLR workshop 2014. Integrated gradients: M. Sundararajan et al., ICML 2017. SmoothGrad:
D. Smilkov et al., 2017. captum: N. Kokhlikyan et al., 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .question import Question

if TYPE_CHECKING:
    from torch import Tensor


def saliency(question: Question) -> np.ndarray:
    """Return the mean absolute gradient in each segment: how much any change would matter, of either sign."""
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
    """Return gradient times (excerpt less what absent segments hold), summed over each segment."""
    from captum.attr import Saliency

    inputs, off = _parts(question)
    slope = Saliency(_forward(question)).attribute(inputs, abs=False)
    return question.grid.sums(_per_point(slope * (inputs - off)))


def integrated_gradients(question: Question, *, n_steps: int = 200) -> np.ndarray:
    """Return gradients integrated from what absent segments hold to the excerpt, summed over each segment.

    How far they are from adding up to the change of the logit is noted as ``completeness_error``, relative to that change.
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
    """Return `gradient_x_difference` averaged over noisy excerpts.

    Parameters
    ----------
    question : Question
    n_samples : int
    noise : float
        Standard deviation of the noise, as a share of the range of the excerpt's values.
    """
    from captum.attr import NoiseTunnel, Saliency

    inputs, off = _parts(question)
    spread = float(inputs.max() - inputs.min()) * noise
    tunnel = NoiseTunnel(Saliency(_forward(question)))
    slope = tunnel.attribute(inputs, nt_type="smoothgrad", nt_samples=n_samples, stdevs=spread, abs=False)
    return question.grid.sums(_per_point(slope * (inputs - off)))


def _forward(question: Question) -> Callable[[Tensor], Tensor]:
    """Return the logit as captum wants it: of real inputs."""
    import torch

    if not question.excerpt.is_complex():
        return question.logits
    return lambda parts: question.logits(torch.view_as_complex(parts.contiguous()))


def _parts(question: Question) -> tuple[Tensor, Tensor]:
    """Return excerpt and fill as batches of one, complex ones as pairs of real numbers."""
    import torch

    pair = question.excerpt[None], question.off[None]
    inputs, off = (torch.view_as_real(x) if x.is_complex() else x for x in pair)
    return inputs.clone().contiguous(), off.clone().contiguous()


def _per_point(attributions: Tensor) -> np.ndarray:
    points = attributions.detach()[0].cpu().double().numpy()
    return points.sum(axis=-1) if points.ndim == 3 else points
