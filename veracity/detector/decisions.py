"""The three facts that everything else asks for: how probable "sing" is, whether this is "sing", and whether it flipped.

The last two work alike on NumPy arrays and torch tensors. Comparisons with the threshold are strict, as in the paper.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..labels import SING, Label, towards


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


@dataclass(frozen=True)
class Flip:
    """The label that is explained of an excerpt, and where a model decides on it: all that masks are asked about.

    Attributes
    ----------
    label : {"sing", "nosing"}
        The label of the adversarial excerpt, which the clean one has not.
    threshold : float
        Of the model's decisions.
    """

    label: Label
    threshold: float

    @property
    def sign(self) -> int:
        """1 where P(sing) grows towards the label, -1 where it falls."""
        return towards(self.label)

    def has_flipped(self, p_sing: Any) -> Any:
        """Tell whether P(sing) means the label."""
        return flipped(p_sing, self.threshold, was_sing=self.label != SING)
