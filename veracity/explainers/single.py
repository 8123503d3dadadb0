"""Explainers that switch single segments on or off; they need the fewest queries of all model-agnostic explainers.

References
----------
Occlusion: M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
"""

import numpy as np

from .task import ExplanationTask


def leave_one_out(task: ExplanationTask) -> np.ndarray:
    """Return the decrease of the label's logit when a single segment is switched off (occlusion)."""
    n = task.grid.n_segments
    values = task.values(np.concatenate([np.ones((1, n), dtype=bool), ~np.eye(n, dtype=bool)]))
    return values[0] - values[1:]


def add_one_in(task: ExplanationTask) -> np.ndarray:
    """Return the increase of the label's logit when a single segment is switched on."""
    n = task.grid.n_segments
    values = task.values(np.concatenate([np.zeros((1, n), dtype=bool), np.eye(n, dtype=bool)]))
    return values[1:] - values[0]
