"""Probability of "sing", decision, and flip, defined once for all modules.

`is_sing` and `flipped` accept NumPy arrays and torch tensors. Comparisons with the threshold are strict, as in the paper.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..labels import SING, Label, towards


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
        Previous decision, broadcast to `p_sing`.

    Returns
    -------
    bool, ndarray or Tensor
        Whether the decision flips, with the shape of `p_sing`.

    Examples
    --------
    >>> flipped(np.array([0.2, 0.5, 0.6]), 0.5, was_sing=True).tolist()
    [True, True, False]
    """
    return is_sing(p_sing, threshold) != was_sing


@dataclass(frozen=True)
class Flip:
    """Explained label of an excerpt, with the decision threshold of the model.

    Attributes
    ----------
    label : {"sing", "nosing"}
        Label of the adversarial excerpt, which differs from that of the clean excerpt.
    threshold : float
        Decision threshold for P(sing).
    """

    label: Label
    threshold: float

    @property
    def sign(self) -> int:
        """1 if a larger P(sing) is evidence for the label, otherwise -1."""
        return towards(self.label)

    def has_flipped(self, p_sing: Any) -> Any:
        """Return whether P(sing) gives the explained label, bool with the shape of `p_sing`."""
        return flipped(p_sing, self.threshold, was_sing=self.label != SING)
