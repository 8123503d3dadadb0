"""Privileged explainers of the fill game: the change of an attribution from the clean to the adversarial excerpt.

Each explains the fill game of both excerpts and returns the difference of the weights. They show what access to the clean
excerpt contributes without the perturbation game.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import torch

from ..errors import ConfigError
from ..games.game import Fill, fill_game
from . import exact, single
from . import lime as surrogates
from .task import ExplanationTask


def lime_logit(task: ExplanationTask, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int = 8192) -> np.ndarray:
    """Return the difference of the weights of exact LIME on the logit.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task with access to the clean excerpt.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default.
    alpha : float
        Ridge penalty, 1 by default.
    n_samples : int
        Number of masks of the sampled fit whose shrinkage is matched, 8192 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Weight for the adversarial excerpt minus weight for the clean excerpt.
    """
    settings = {"kernel_width": kernel_width, "alpha": alpha, "n_samples": n_samples}
    return _difference(task, lambda of_game: surrogates.fit_exact(of_game.all_values(), **settings).weights)  # type: ignore[arg-type]


def shapley(task: ExplanationTask, *, scale: exact.Scale = "probability") -> np.ndarray:
    """Return the difference of exact Shapley values; see `veracity.explainers.exact.shapley` for the scales."""
    return _difference(task, lambda of_game: exact.shapley(of_game, scale=scale))


def occlusion(task: ExplanationTask) -> np.ndarray:
    """Return the difference of occlusion values: the decrease of the label's logit when a segment is switched off."""
    return _difference(task, single.leave_one_out)


def _difference(task: ExplanationTask, answer: Callable[[ExplanationTask], np.ndarray]) -> np.ndarray:
    return answer(task) - answer(_of_clean(task))


def _of_clean(task: ExplanationTask) -> ExplanationTask:
    """Return the same task for the clean excerpt, with the same type of fill computed from that excerpt."""
    if task.clean is None:
        raise ConfigError(f"explainers.{task.queries.explainer}: requires the clean excerpt. Set privileged: true.")
    for fill in get_args(Fill):
        if torch.equal(fill_game(task.excerpt, task.grid, fill).off, task.off):
            clean = fill_game(task.clean, task.grid, fill)
            return replace(task, excerpt=clean.on, off=clean.off.clone())
    raise ConfigError(
        f"explainers.{task.queries.explainer}.fill: must be one of {', '.join(get_args(Fill))}, because it compares fill "
        "games, got 'clean'."
    )
