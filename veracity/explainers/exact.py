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

    Of several smallest sets, the one of the highest value. Where no set decides for the label, or the fill alone does (the
    empty set), Shapley values alone rank, and ``smallest_size`` says so.
    """
    values = question.all_values()
    smallest = readouts.smallest_flip_sets(question.decides(values))
    if len(smallest):
        question.note(smallest_size=int(smallest[0]).bit_count(), n_smallest=len(smallest))
    return set_before_others(values, smallest, readouts.shapley(probability(values)), question.rng)


def set_before_others(values: np.ndarray, sets: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return weights that rank one of some sets first, that of the highest value, then the other segments; both by weights.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)
    sets : ndarray of int
        Mask indices; of none, the weights alone rank.
    weights : ndarray, shape (n_segments,)
    rng : Generator
        Breaks ties.
    """
    rank = np.argsort(np.lexsort((rng.random(len(weights)), weights))) / len(weights)  # 0 <= rank < 1
    if not len(sets):
        return rank
    return rank + masks_of(sets[[np.argmax(values[sets])]], len(weights))[0]


def _on(question: Question, scale: Scale) -> np.ndarray:
    one_of(scale, get_args(Scale), f"scale of the explainer '{question.meter.explainer}'")
    values = question.all_values()
    if scale == "decision":
        return question.decides(values).astype(np.float64)
    return probability(values) if scale == "probability" else values
