"""Explainers that know the value of every mask: Shapley and Banzhaf values, and the smallest set that keeps the decision.

References
----------
See `veracity.games.readouts`. The smallest set that alone makes the model decide for the label is a *sufficient input subset*
(B. Carter et al., "What made you do this?", AISTATS 2019) of the question's own game, found exactly.
"""

from typing import Literal, get_args

import numpy as np

from ..detector.decisions import probability
from ..errors import one_of
from ..games import readouts
from ..games.grid import masks_of
from .question import Question

Scale = Literal["probability", "logit", "decision"]


def shapley(question: Question, *, scale: Scale = "probability") -> np.ndarray:
    """Return exact Shapley values of the label's probability, of its logit, or of the decision (0 or 1)."""
    return readouts.shapley(_on(question, scale))


def banzhaf(question: Question, *, scale: Scale = "probability") -> np.ndarray:
    """Return exact Banzhaf values; scales as in `shapley`."""
    return readouts.banzhaf(_on(question, scale))


def smallest_set(question: Question) -> np.ndarray:
    """Return weights that rank the smallest deciding set first, then the other segments; both by Shapley values.

    Of several smallest sets, the one of the highest value. Where no set decides for the label, Shapley values alone rank.
    """
    values = question.all_values()
    rank = np.argsort(np.argsort(readouts.shapley(probability(values)))) / question.grid.n_segments  # 0 <= rank < 1
    smallest = readouts.smallest_flip_sets(question.decides(values))
    if not len(smallest):
        return rank
    chosen = smallest[np.argmax(values[smallest])]
    question.note(smallest_size=int(chosen).bit_count(), n_smallest=len(smallest))
    return rank + masks_of(np.array([chosen]), question.grid.n_segments)[0]


def _on(question: Question, scale: Scale) -> np.ndarray:
    one_of(scale, get_args(Scale), f"scale of the explainer '{question.meter.explainer}'")
    values = question.all_values()
    if scale == "decision":
        return question.decides(values).astype(np.float64)
    return probability(values) if scale == "probability" else values
