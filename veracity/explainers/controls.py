"""Explainers that know nothing of the model: what any other must beat, and the paper's stand-in for the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from .question import Question

if TYPE_CHECKING:
    from torch import Tensor


def energy(question: Question) -> np.ndarray:
    """Return how far each segment of the excerpt lies from what it holds when switched off, summed squares."""
    return _squares(question, question.excerpt - question.off)


def random_order(question: Question) -> np.ndarray:
    """Return weights at random."""
    return question.rng.random(question.grid.n_segments)


def constant(question: Question) -> np.ndarray:
    """Return the same weight for every segment: ties are broken at random, so that it must score as chance."""
    return np.zeros(question.grid.n_segments)


def perturbation_norm(question: Question) -> np.ndarray:
    """Return the squared norm of the perturbation in each segment, the paper's stand-in for the truth (section 5.2)."""
    if question.clean is None:
        raise ConfigError(f"the explainer '{question.meter.explainer}' measures the perturbation: set privileged: true")
    return _squares(question, question.excerpt - question.clean)


def _squares(question: Question, difference: Tensor) -> np.ndarray:
    return question.grid.sums(np.abs(difference.cpu().numpy().astype(np.complex128)) ** 2)
