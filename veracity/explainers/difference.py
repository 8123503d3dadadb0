"""Explainers with access to the clean excerpt that explain the fill game: what the attack has changed in the answer.

Each solves the fill game of the adversarial and that of the clean excerpt and returns the difference of the weights. They tell
what the access alone brings, without the perturbation game.
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
from .question import Question


def lime_logit(question: Question, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int = 8192) -> np.ndarray:
    """Return the difference of exact LIME's weights of the logit."""
    settings = {"kernel_width": kernel_width, "alpha": alpha, "n_samples": n_samples}
    return _difference(question, lambda one: surrogates.fit_exact(one.all_values(), **settings).weights)  # type: ignore[arg-type]


def shapley(question: Question, *, scale: exact.Scale = "probability") -> np.ndarray:
    """Return the difference of exact Shapley values; scales as in `veracity.explainers.exact.shapley`."""
    return _difference(question, lambda one: exact.shapley(one, scale=scale))


def occlusion(question: Question) -> np.ndarray:
    """Return the difference of how far the label's logit falls when a segment alone is switched off."""
    return _difference(question, single.leave_one_out)


def _difference(question: Question, answer: Callable[[Question], np.ndarray]) -> np.ndarray:
    return answer(question) - answer(_of_clean(question))


def _of_clean(question: Question) -> Question:
    """Return the same question of the clean excerpt, whose absent segments hold the same fill of that excerpt."""
    if question.clean is None:
        raise ConfigError(f"the explainer '{question.meter.explainer}' compares with the clean excerpt: set privileged: true")
    for fill in get_args(Fill):
        if torch.equal(fill_game(question.excerpt, question.grid, fill).off, question.off):
            clean = fill_game(question.clean, question.grid, fill)
            return replace(question, excerpt=clean.on, off=clean.off.clone())
    raise ConfigError(
        f"the explainer '{question.meter.explainer}' compares fill games, and is asked about the perturbation: "
        f"set fill to {', '.join(get_args(Fill))}"
    )
