"""The three facts that everything else asks for: how probable "sing" is, whether this is "sing", and whether it flipped.

The last two work alike on NumPy arrays and torch tensors. Comparisons with the threshold are strict, as in the paper.
"""

from typing import Any

import numpy as np


def probability(logits: np.ndarray) -> np.ndarray:
    """Return the probability of a logit, in float64."""
    from scipy.special import expit

    return expit(np.asarray(logits, dtype=np.float64))


def is_sing(p_sing: Any, threshold: float) -> Any:
    """Tell whether P(sing) means "sing": strictly above the threshold."""
    return p_sing > threshold


def flipped(p_sing: Any, threshold: float, was_sing: Any) -> Any:
    """Tell whether P(sing) lies on the other side of the threshold than a decision `was_sing`.

    Examples
    --------
    >>> flipped(np.array([0.2, 0.5, 0.6]), 0.5, was_sing=True).tolist()
    [True, True, False]
    """
    return is_sing(p_sing, threshold) != was_sing
