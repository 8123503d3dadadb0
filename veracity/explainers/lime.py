"""LIME: a linear surrogate of the model around an excerpt, sampled or exact (paper sections 2 and 4.4).

The surrogate predicts P(sing) of a masked excerpt from its mask. It is a weighted ridge regression with an unpenalised
intercept, where masks close to the whole excerpt have larger weights. Sampled LIME fits N_s random masks, as in the paper.
Exact LIME fits all 2**n_segments masks in closed form and is the limit of sampled LIME for large N_s.

The surrogate for "no sing" has the same weights with the opposite sign, so one fit serves both labels; see `ranking`.

References
----------
M. T. Ribeiro, S. Singh and C. Guestrin, "Why should I trust you?", KDD 2016.
"""

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from ..errors import ConfigError, shortened, within
from ..games.game import Fill
from ..games.grid import SegmentGrid
from ..games.solution_concepts import n_segments_of, sizes, sums_where_on
from ..labels import Label, towards
from ..settings import Several, between, settings

if TYPE_CHECKING:
    from ..games.explained import GameValues

METHODS = ("sampled", "exact")
BYTES_OF_A_BIT = 30  # memory per bit of a sampled mask while drawn and fitted: one bool, three float64, and a margin
MAX_BYTES = 16 * 2**30  # memory limit for the masks of a fit: 28 million masks on the paper's grid


@settings("lime")
class LimeSettings:
    """Settings of LIME; the defaults are the paper's (section 4.4).

    Attributes
    ----------
    n_time : int
        Number of segments along time.
    n_band : int
        Number of segments along frequency.
    n_samples : int
        Number of masks that sampled LIME draws (N_s).
    kernel_width : float
        Width of the kernel in cosine distance.
    alpha : float
        Ridge penalty.
    fill : {"mean", "zero", "min"}
        Content of switched-off segments in figures and tables.
    fills : tuple of {"mean", "zero", "min"}
        Fills for which explanations are computed; must include `fill`.
    exact : bool
        Whether to compute results that need all masks, if the evaluator allows it.
    evaluator : {"auto", "direct"}
        ``auto``: exact tables if the model allows them. ``direct``: one forward pass for each mask.
    """

    n_time: Annotated[int, between(1, 2000)] = 5
    n_band: Annotated[int, between(1, 1000)] = 4
    n_samples: Annotated[int, Field(strict=True, ge=2)] = 8192  # the upper limit depends on the grid; see checked_samples
    kernel_width: Annotated[float, between(0.01, 1000)] = 0.25
    alpha: Annotated[float, between(1e-12, 1e12)] = 1.0
    fill: Fill = "mean"
    fills: Several[Fill] = ("mean", "min")
    exact: Annotated[bool, Field(strict=True)] = True
    evaluator: Literal["auto", "direct"] = "auto"

    def __post_init__(self) -> None:
        checked_samples(self.n_samples, self.n_time * self.n_band, "lime.n_samples")
        if self.fill not in self.fills:
            raise ConfigError(f"lime.fill: not among lime.fills {list(self.fills)}, got {self.fill!r}. Add it there.")

    def grid(self, n_frames: int, n_mels: int) -> SegmentGrid:
        """Return the segment grid for excerpts of the given shape."""
        return SegmentGrid(self.n_time, self.n_band, n_frames, n_mels)

    @property
    def surrogate(self) -> dict[str, float]:
        """Keyword arguments of every surrogate fit."""
        return {"kernel_width": self.kernel_width, "alpha": self.alpha}


@dataclass(frozen=True)
class LimeFit:
    """Linear surrogate of P(sing).

    Attributes
    ----------
    weights : ndarray, shape (n_segments,)
        Change of P(sing) for each segment that is switched on.
    intercept : float
        Intercept of the surrogate.
    fidelity : float
        Weighted coefficient of determination (R^2) on the fitted masks.
    local_prediction : float
        P(sing) of the whole excerpt according to the surrogate, not restricted to [0, 1].
    """

    weights: np.ndarray
    intercept: float
    fidelity: float
    local_prediction: float


def checked_samples(n_samples: int, n_segments: int, what: str) -> int:
    """Return the number of sampled masks after checking its range.

    Parameters
    ----------
    n_samples : int
        Number of sampled masks.
    n_segments : int
        Number of segments.
    what : str
        Name of the value in the error message.

    Returns
    -------
    int
        `n_samples`.

    Raises
    ------
    ConfigError
        If the number is below 2, or if the masks would exceed the memory limit of 16 GiB.
    """
    most = MAX_BYTES // (n_segments * BYTES_OF_A_BIT)
    if isinstance(n_samples, int) and n_samples > most:
        gibibytes = min(n_samples * n_segments * BYTES_OF_A_BIT, 2**100) / 2**30
        raise ConfigError(
            f"{what}: would require {gibibytes:.3g} GiB of memory on {n_segments} segments, got {shortened(n_samples)}. "
            f"Choose at most {most}."
        )
    within(n_samples, 2, most, what, whole=True)
    return n_samples


def sample_masks(rng: np.random.Generator, n_samples: int, n_segments: int) -> np.ndarray:
    """Draw the neighbourhood of LIME.

    Parameters
    ----------
    rng : Generator
        Source of the masks.
    n_samples : int
        Number of masks.
    n_segments : int
        Number of segments.

    Returns
    -------
    ndarray of bool, shape (n_samples, n_segments)
        Independent fair bits, except that all segments are on in the first row.
    """
    masks = rng.integers(0, 2, size=(n_samples, n_segments), dtype=np.uint8).astype(bool)
    masks[0] = True
    return masks


def kernel(n_segments: int, width: float) -> np.ndarray:
    """Return the weight of a mask for each number of segments that it switches on.

    Parameters
    ----------
    n_segments : int
        Number of segments.
    width : float
        Width of the kernel in cosine distance.

    Returns
    -------
    ndarray, shape (n_segments + 1,)
        ``exp(-d**2 / (2 width**2))``, where ``d`` is the cosine distance between the mask and all ones. For m segments switched
        on, d = 1 - sqrt(m / n_segments), and d = 1 for the empty mask.
    """
    distance = 1 - np.sqrt(np.arange(n_segments + 1) / n_segments)
    return np.exp(-(distance**2) / (2 * width**2))


def effective_samples(n_samples: int, n_segments: int, kernel_width: float) -> float:
    """Return the effective sample size of sampled masks under the kernel, (sum w)^2 / sum w^2, from expected counts.

    Parameters
    ----------
    n_samples : int
        Number of sampled masks.
    n_segments : int
        Number of segments.
    kernel_width : float
        Width of the kernel in cosine distance.

    Returns
    -------
    float
        Number of equally weighted masks that give the same precision.
    """
    weights = kernel(n_segments, kernel_width)
    counts = np.array([comb(n_segments, size) for size in range(n_segments + 1)], dtype=np.float64)
    expected = np.minimum((n_samples - 1) * counts / counts.sum(), n_samples)
    expected[-1] += 1  # the first mask has all segments on
    return float((expected @ weights) ** 2 / (expected @ weights**2))


def fit_sampled(masks: np.ndarray, p_sing: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0) -> LimeFit:
    """Fit the surrogate to sampled masks.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_samples, n_segments)
        Sampled masks.
    p_sing : ndarray, shape (n_samples,)
        P(sing) of each masked excerpt.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default as in the paper.
    alpha : float
        Ridge penalty on the weights, 1 by default as in the published implementation.

    Returns
    -------
    LimeFit
        Surrogate with its fidelity on the sampled masks.
    """
    from sklearn.linear_model import Ridge

    features = masks.astype(np.float64)
    sample_weight = kernel(masks.shape[1], kernel_width)[masks.sum(axis=1)]
    from_first = p_sing - p_sing[0]  # retains the digits of saturated predictions and makes constant predictions exactly 0
    surrogate = Ridge(alpha=alpha).fit(features, from_first, sample_weight=sample_weight)
    fidelity = surrogate.score(features, from_first, sample_weight=sample_weight)
    weights, intercept = np.asarray(surrogate.coef_), float(surrogate.intercept_ + p_sing[0])
    return LimeFit(weights, intercept, float(fidelity), intercept + float(weights.sum()))


def fit_exact(p_sing: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int | None = 8192) -> LimeFit:
    """Fit the surrogate to all masks in closed form.

    The weighted covariance matrix of the bits has one value on the diagonal and one off the diagonal, so its inverse is known.
    Only the n_segments weighted sums of the values need to be computed.

    Parameters
    ----------
    p_sing : ndarray, shape (2**n_segments,)
        P(sing) of all masks, in the order of their indices.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default.
    alpha : float
        Ridge penalty on the weights, 1 by default.
    n_samples : int or None
        Number of masks of the sampled fit whose shrinkage is matched, 8192 by default: `alpha` is multiplied by 2**n_segments /
        n_samples. If None, `alpha` is used as it is.

    Returns
    -------
    LimeFit
        Surrogate with its fidelity on all masks.

    Examples
    --------
    The weights of an additive game are recovered up to the effect of the ridge penalty:

    >>> masks = np.arange(8)[:, None] >> np.arange(3) & 1
    >>> fit_exact(masks @ [0.5, 0.125, 0.25], alpha=1e-9).weights.round(3).tolist()
    [0.5, 0.125, 0.25]
    """
    n = n_segments_of(p_sing)
    penalty = alpha if n_samples is None else alpha * len(p_sing) / n_samples
    size = sizes(n)
    by_size = kernel(n, kernel_width)
    mass = np.bincount(size) * by_size  # kernel weight of all masks of each size
    on = np.arange(n + 1)
    total = mass.sum()
    mean_bit = (mass * on).sum() / n / total  # weighted mean of any bit
    both = (mass * on * (on - 1)).sum() / (n * (n - 1)) if n > 1 else 0.0  # weighted count of any two bits
    diagonal = total * (mean_bit - mean_bit**2)
    off_diagonal = both - total * mean_bit**2

    # Saturated predictions differ only in their last digits, so they are centred before squaring.
    centred = p_sing - p_sing[-1]
    mean_from_last = (by_size[size] * centred).sum() / total
    centred -= mean_from_last
    weighted = by_size[size] * centred
    covariance = sums_where_on(weighted) - mean_bit * weighted.sum()
    # (a I + b J)^-1 = (I - b / (a + n b) J) / a, by the Sherman-Morrison formula.
    a, b = diagonal - off_diagonal + penalty, off_diagonal
    weights = (covariance - b / (a + n * b) * covariance.sum()) / a
    intercept = float(p_sing[-1] + mean_from_last - mean_bit * weights.sum())

    spread = (weighted * centred).sum()
    explained = 2 * weights @ covariance
    model = (diagonal - off_diagonal) * (weights @ weights) + off_diagonal * weights.sum() ** 2
    fidelity = float((explained - model) / spread) if spread > 0 else 1.0
    return LimeFit(weights, intercept, fidelity, intercept + float(weights.sum()))


def fit_all(values: np.ndarray, settings: LimeSettings) -> LimeFit:
    """Fit the surrogate to all values of a game, shape (2**n_segments,), with the shrinkage of a sampled fit.

    The values may be on any scale, such as probabilities or logits.
    """
    return fit_exact(values.astype(np.float64), **settings.surrogate, n_samples=settings.n_samples)


def ranking(weights: np.ndarray, label: Label) -> np.ndarray:
    """Rank the segments from most to least in favour of a label.

    Parameters
    ----------
    weights : ndarray, shape (..., n_segments)
        Weights of a surrogate of P(sing).
    label : {"sing", "nosing"}
        The explained label. For "sing" segments are ranked by decreasing weight, for "nosing" by increasing weight.

    Returns
    -------
    ndarray of int, shape (..., n_segments)
        Segments in the order of their rank.

    Raises
    ------
    ConfigError
        If there is no such label.

    Examples
    --------
    >>> ranking(np.array([0.1, -0.3, 0.2]), "sing").tolist(), ranking(np.array([0.1, -0.3, 0.2]), "nosing").tolist()
    ([2, 0, 1], [1, 0, 2])
    """
    return np.argsort(-towards(label) * weights, axis=-1, kind="stable")


def fits(values: "GameValues", settings: LimeSettings, rng: np.random.Generator) -> list[LimeFit | None]:
    """Return the sampled and the exact fit of a game, in the order of `METHODS`.

    Parameters
    ----------
    values : GameValues
        Values of the fill game.
    settings : LimeSettings
        Settings of LIME.
    rng : Generator
        Source of the sampled masks.

    Returns
    -------
    list of LimeFit or None
        The sampled fit, and the exact fit or None if not all masks are known.
    """
    masks = sample_masks(rng, settings.n_samples, values.game.grid.n_segments)
    sampled = fit_sampled(masks, values.of(masks), **settings.surrogate)
    if values.all_values is None:
        return [sampled, None]
    return [sampled, fit_all(values.all_values, settings)]
