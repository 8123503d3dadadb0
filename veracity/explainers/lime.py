"""LIME: a linear surrogate of the detector around an excerpt, sampled or exact (paper sections 2 and 4.4).

The surrogate predicts P(sing) of a masked excerpt from its mask (`veracity.games`) by ridge regression with an unpenalised
intercept; masks near the whole excerpt weigh more. Sampled LIME fits N_s random masks, as the paper does. Exact LIME fits all
2**n_segments masks in closed form: what the sampled one converges to.

Explaining "no sing" is the same fit with the opposite sign, so one fit serves both: see `ranking`.

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
from ..games.readouts import n_segments_of, sizes, sums_where_on
from ..labels import Label, towards
from ..settings import Several, between, settings

if TYPE_CHECKING:
    from ..games.explained import GameValues

METHODS = ("sampled", "exact")
BYTES_OF_A_BIT = 30  # of a sampled mask while it is drawn and fitted: as bool and, three times, as float64
MAX_BYTES = 16 * 2**30  # of all masks of a fit; 28 million masks of the paper's grid


@settings("lime")
class LimeSettings:
    """Settings of LIME; the defaults are the paper's (section 4.4).

    Attributes
    ----------
    n_time, n_band : int
        Number of segments along time and along frequency.
    n_samples : int
        Number of masks of the sampled fit (N_s).
    kernel_width : float
        Width of the kernel in cosine distance.
    alpha : float
        Ridge penalty.
    fill : {"mean", "zero", "min"}
        Content of switched-off segments in figures and tables.
    fills : tuple of the same
        Fills for which explanations are computed, `fill` among them.
    exact : bool
        Whether results that need all masks are computed, too, where the evaluator can.
    evaluator : {"auto", "direct"}
        ``auto``: exact tables where the model allows them. ``direct``: one forward pass for each mask.
    """

    n_time: Annotated[int, between(1, 2000)] = 5
    n_band: Annotated[int, between(1, 1000)] = 4
    n_samples: Annotated[int, Field(strict=True, ge=2)] = 8192  # how many fit into memory depends on the grid
    kernel_width: Annotated[float, between(0.01, 1000)] = 0.25
    alpha: Annotated[float, between(1e-12, 1e12)] = 1.0
    fill: Fill = "mean"
    fills: Several[Fill] = ("mean", "zero", "min")
    exact: Annotated[bool, Field(strict=True)] = True
    evaluator: Literal["auto", "direct"] = "auto"

    def __post_init__(self) -> None:
        checked_samples(self.n_samples, self.n_time * self.n_band, "lime.n_samples")
        if self.fill not in self.fills:
            raise ConfigError(f"lime.fill: not among lime.fills {list(self.fills)}, got {self.fill!r}. Add it there.")

    def grid(self, n_frames: int, n_mels: int) -> SegmentGrid:
        """Return the grid on excerpts of this shape."""
        return SegmentGrid(self.n_time, self.n_band, n_frames, n_mels)

    @property
    def surrogate(self) -> dict[str, float]:
        """Arguments of every fit."""
        return {"kernel_width": self.kernel_width, "alpha": self.alpha}


@dataclass(frozen=True)
class LimeFit:
    """A surrogate of P(sing).

    Attributes
    ----------
    weights : ndarray, shape (n_segments,)
        Change of P(sing) for each segment that is switched on.
    intercept : float
    fidelity : float
        Weighted coefficient of determination (R^2) on the masks that were fitted.
    local_prediction : float
        The surrogate's P(sing) of the whole excerpt; not confined to 0 .. 1.
    """

    weights: np.ndarray
    intercept: float
    fidelity: float
    local_prediction: float


def checked_samples(n_samples: int, n_segments: int, what: str) -> int:
    """Return the number of sampled masks; raises ConfigError when they are too few, or more than memory holds."""
    most = MAX_BYTES // (n_segments * BYTES_OF_A_BIT)
    if isinstance(n_samples, int) and n_samples > most:
        gibibytes = min(n_samples * n_segments * BYTES_OF_A_BIT, 2**100) / 2**30
        raise ConfigError(
            f"{what} {shortened(n_samples)} on {n_segments} segments would take {gibibytes:.3g} GiB of memory: "
            f"choose at most {most}"
        )
    within(n_samples, 2, most, what, whole=True)
    return n_samples


def sample_masks(rng: np.random.Generator, n_samples: int, n_segments: int) -> np.ndarray:
    """Draw the neighbourhood: fair independent bits, the first row all on; shape (n_samples, n_segments), bool."""
    masks = rng.integers(0, 2, size=(n_samples, n_segments), dtype=np.uint8).astype(bool)
    masks[0] = True
    return masks


def kernel(n_segments: int, width: float) -> np.ndarray:
    """Return the weight of a mask by the number of segments that it switches on.

    Parameters
    ----------
    n_segments : int
    width : float
        Kernel width, in cosine distance.

    Returns
    -------
    ndarray, shape (n_segments + 1,)
        ``exp(-d**2 / (2 width**2))`` with ``d`` the cosine distance between mask and all ones, 1 - sqrt(m / n_segments)
        for m ones (1 for the empty mask).
    """
    distance = 1 - np.sqrt(np.arange(n_segments + 1) / n_segments)
    return np.exp(-(distance**2) / (2 * width**2))


def effective_samples(n_samples: int, n_segments: int, kernel_width: float) -> float:
    """Return how many equally weighted masks a sample is worth on average, by the kernel: (sum w)^2 / sum w^2.

    Parameters
    ----------
    n_samples, n_segments : int
    kernel_width : float
        In cosine distance.
    """
    weights = kernel(n_segments, kernel_width)
    counts = np.array([comb(n_segments, size) for size in range(n_segments + 1)], dtype=np.float64)
    expected = np.minimum((n_samples - 1) * counts / counts.sum(), n_samples)
    expected[-1] += 1  # the first mask is all on
    return float((expected @ weights) ** 2 / (expected @ weights**2))


def fit_sampled(masks: np.ndarray, p_sing: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0) -> LimeFit:
    """Fit the surrogate to sampled masks.

    Parameters
    ----------
    masks : ndarray of bool, shape (n_samples, n_segments)
    p_sing : ndarray, shape (n_samples,)
        P(sing) of each masked excerpt.
    kernel_width : float
        In cosine distance; the paper has 0.25.
    alpha : float
        Ridge penalty on the weights; the published implementation has 1.
    """
    from sklearn.linear_model import Ridge

    features = masks.astype(np.float64)
    sample_weight = kernel(masks.shape[1], kernel_width)[masks.sum(axis=1)]
    from_first = p_sing - p_sing[0]  # keeps the digits of saturated predictions, and makes constant ones exactly 0
    surrogate = Ridge(alpha=alpha).fit(features, from_first, sample_weight=sample_weight)
    fidelity = surrogate.score(features, from_first, sample_weight=sample_weight)
    weights, intercept = np.asarray(surrogate.coef_), float(surrogate.intercept_ + p_sing[0])
    return LimeFit(weights, intercept, float(fidelity), intercept + float(weights.sum()))


def fit_exact(p_sing: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int | None = 8192) -> LimeFit:
    """Fit the surrogate to all masks, in closed form.

    The weighted covariance of the bits has one value on its diagonal and one off it, so its inverse is known; only the
    n_segments weighted sums of the values are computed.

    Parameters
    ----------
    p_sing : ndarray, shape (2**n_segments,)
        P(sing) of every mask, in the order of indices.
    kernel_width : float
    alpha : float
        Ridge penalty.
    n_samples : int or None
        With a number, `alpha` is scaled by 2**n_segments / n_samples, so that weights shrink as in a sampled fit of that
        size. With None, `alpha` is used as it is.

    Examples
    --------
    A game that adds up is found but for the ridge penalty:

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

    # Saturated predictions differ in their last digits only: centre them before anything is squared.
    centred = p_sing - p_sing[-1]
    mean_from_last = (by_size[size] * centred).sum() / total
    centred -= mean_from_last
    weighted = by_size[size] * centred
    covariance = sums_where_on(weighted) - mean_bit * weighted.sum()
    # (a I + b J)^-1 = (I - b / (a + n b) J) / a, by Sherman and Morrison.
    a, b = diagonal - off_diagonal + penalty, off_diagonal
    weights = (covariance - b / (a + n * b) * covariance.sum()) / a
    intercept = float(p_sing[-1] + mean_from_last - mean_bit * weights.sum())

    spread = (weighted * centred).sum()
    explained = 2 * weights @ covariance
    model = (diagonal - off_diagonal) * (weights @ weights) + off_diagonal * weights.sum() ** 2
    fidelity = float((explained - model) / spread) if spread > 0 else 1.0
    return LimeFit(weights, intercept, fidelity, intercept + float(weights.sum()))


def fit_all(values: np.ndarray, settings: LimeSettings) -> LimeFit:
    """Fit the surrogate to all values of a game, shape (2**n_segments,), on whatever scale; shrunk as a sampled fit is."""
    return fit_exact(values.astype(np.float64), **settings.surrogate, n_samples=settings.n_samples)


def ranking(weights: np.ndarray, label: Label) -> np.ndarray:
    """Order the segments from most to least in favour of a label.

    Parameters
    ----------
    weights : ndarray, shape (..., n_segments)
        Of a surrogate of P(sing).
    label : {"sing", "nosing"}
        The explained label; "nosing" ranks by falling negative weight.

    Returns
    -------
    ndarray of int, shape (..., n_segments)

    Raises
    ------
    ConfigError
        When there is no such label.

    Examples
    --------
    >>> ranking(np.array([0.1, -0.3, 0.2]), "sing").tolist(), ranking(np.array([0.1, -0.3, 0.2]), "nosing").tolist()
    ([2, 0, 1], [1, 0, 2])
    """
    return np.argsort(-towards(label) * weights, axis=-1, kind="stable")


def fits(values: "GameValues", settings: LimeSettings, rng: np.random.Generator) -> list[LimeFit | None]:
    """Return the sampled and the exact fit, in the order of `METHODS`; None for the exact one where not all masks are known."""
    masks = sample_masks(rng, settings.n_samples, values.game.grid.n_segments)
    sampled = fit_sampled(masks, values.of(masks), **settings.surrogate)
    if values.all_values is None:
        return [sampled, None]
    return [sampled, fit_all(values.all_values, settings)]
