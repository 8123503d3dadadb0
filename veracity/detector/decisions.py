"""Probability of "sing", decision, and flip, defined once for all modules.

`is_sing` and `flipped` accept NumPy arrays and torch tensors. Comparisons with the threshold are strict, as in the paper.
"""

from typing import Any

import numpy as np


def probability(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits, in float64."""
    from scipy.special import expit

    return expit(np.asarray(logits, dtype=np.float64))


def is_sing(p_sing: Any, threshold: float) -> Any:
    """Return whether the decision is "sing", which requires P(sing) strictly above the threshold."""
    return p_sing > threshold


def flipped(p_sing: Any, threshold: float, was_sing: Any) -> Any:
    """Return whether P(sing) gives a different decision than before.

    Parameters
    ----------
    p_sing : float, ndarray or Tensor
        P(sing) of excerpts.
    threshold : float
        Decision threshold for P(sing).
    was_sing : bool, ndarray or Tensor
        Decision before, broadcast to `p_sing`.

    Returns
    -------
    bool, ndarray or Tensor
        Whether the decision flips, shape as `p_sing`.

    Examples
    --------
    >>> flipped(np.array([0.2, 0.5, 0.6]), 0.5, was_sing=True).tolist()
    [True, True, False]
    """
    return is_sing(p_sing, threshold) != was_sing
