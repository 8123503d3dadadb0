"""Explainers that switch one segment at a time: the cheapest that ask the model at all.

References
----------
Occlusion: M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
"""

import numpy as np

from .question import Question


def leave_one_out(question: Question) -> np.ndarray:
    """Return how far the label's logit falls when a segment alone is switched off (occlusion)."""
    n = question.grid.n_segments
    values = question.values(np.concatenate([np.ones((1, n), dtype=bool), ~np.eye(n, dtype=bool)]))
    return values[0] - values[1:]


def add_one_in(question: Question) -> np.ndarray:
    """Return how far the label's logit rises when a segment alone is switched on."""
    n = question.grid.n_segments
    values = question.values(np.concatenate([np.zeros((1, n), dtype=bool), np.eye(n, dtype=bool)]))
    return values[1:] - values[0]
