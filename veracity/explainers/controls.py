"""Control explainers that do not use the model.

They are the baselines that any other explainer must exceed. One is the norm of the perturbation, which the paper uses in place
of a ground truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from .task import ExplanationTask

if TYPE_CHECKING:
    from torch import Tensor


def energy(task: ExplanationTask) -> np.ndarray:
    """Return the squared difference between the excerpt and its fill, summed over each segment."""
    return _squares(task, task.excerpt - task.off)


def random_order(task: ExplanationTask) -> np.ndarray:
    """Return uniformly random weights."""
    return task.rng.random(task.grid.n_segments)


def constant(task: ExplanationTask) -> np.ndarray:
    """Return the same weight for every segment. Ties are broken at random, so the scores must be at chance level."""
    return np.zeros(task.grid.n_segments)


def perturbation_norm(task: ExplanationTask) -> np.ndarray:
    """Return the squared norm of the perturbation in each segment, the paper's reference ranking (section 5.2).

    Raises
    ------
    ConfigError
        If the explainer has no access to the clean excerpt.
    """
    if task.clean is None:
        raise ConfigError(f"explainers.{task.queries.explainer}: requires the clean excerpt. Set privileged: true.")
    return _squares(task, task.excerpt - task.clean)


def _squares(task: ExplanationTask, difference: Tensor) -> np.ndarray:
    return task.grid.sums(np.abs(difference.cpu().numpy().astype(np.complex128)) ** 2)
