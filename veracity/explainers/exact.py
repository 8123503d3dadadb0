"""Explainers that use the values of all masks: Shapley and Banzhaf values, and the smallest sufficient set.

A *deciding* set is a set of segments that alone yields the label. A smallest one is a *sufficient input subset* (Carter et al.)
of the explained game, found exactly.

References
----------
B. Carter et al., "What made you do this? Understanding black-box decisions with sufficient input subsets", AISTATS 2019. See
`veracity.games.solution_concepts` for Shapley and Banzhaf values.
"""

from typing import Literal, get_args

import numpy as np

from ..detector.decisions import probability
from ..errors import one_of
from ..games import solution_concepts
from ..games.grid import masks_of
from .task import ExplanationTask

Scale = Literal["probability", "logit", "decision"]


def shapley(task: ExplanationTask, *, scale: Scale = "probability") -> np.ndarray:
    """Return exact Shapley values of the label's probability, of its logit, or of the decision (0 or 1).

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.
    scale : {"probability", "logit", "decision"}
        Value of a mask, "probability" by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Shapley value of each segment.
    """
    return solution_concepts.shapley(_on(task, scale))


def banzhaf(task: ExplanationTask, *, scale: Scale = "probability") -> np.ndarray:
    """Return exact Banzhaf values; see `shapley` for the scales."""
    return solution_concepts.banzhaf(_on(task, scale))


def smallest_set(task: ExplanationTask) -> np.ndarray:
    """Return weights that rank the smallest deciding set first, then the other segments, each ordered by Shapley value.

    If there are several smallest sets, the one with the highest value comes first. Shapley values alone rank the segments if no
    set decides, or if the empty set (the fill alone) already does. The size and the number of smallest sets are noted with the
    attribution as ``smallest_size`` and ``n_smallest``, unless no set decides.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.

    Returns
    -------
    ndarray, shape (n_segments,)
        Weight of each segment; only the order of the weights has a meaning.
    """
    values = task.all_values()
    smallest = solution_concepts.smallest_flip_sets(task.decides(values))
    if len(smallest):
        task.note(smallest_size=int(smallest[0]).bit_count(), n_smallest=len(smallest))
    return set_before_others(values, smallest, solution_concepts.shapley(probability(values)), task.rng)


def set_before_others(values: np.ndarray, sets: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return weights that rank one set first, then the other segments, each ordered by given weights.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)
        Values of all masks, which select the set with the highest value.
    sets : ndarray of int
        Candidate sets as mask indices. If empty, the weights alone determine the ranking.
    weights : ndarray, shape (n_segments,)
        Weights that order the segments within and outside the set.
    rng : Generator
        Source of randomness for breaking ties.

    Returns
    -------
    ndarray, shape (n_segments,)
        Rank in [0, 1) of each segment, plus 1 for members of the set.
    """
    rank = np.argsort(np.lexsort((rng.random(len(weights)), weights))) / len(weights)  # 0 <= rank < 1
    if not len(sets):
        return rank
    return rank + masks_of(sets[[np.argmax(values[sets])]], len(weights))[0]


def _on(task: ExplanationTask, scale: Scale) -> np.ndarray:
    one_of(scale, get_args(Scale), f"explainers.{task.queries.explainer}.options.scale")
    values = task.all_values()
    if scale == "decision":
        return task.decides(values).astype(np.float64)
    return probability(values) if scale == "probability" else values
