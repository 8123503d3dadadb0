"""Solution concepts of a game from all of its 2**n values: exact attributions, interactions, and flip sets.

Throughout, ``values`` has shape (2**n_segments,) in the order of mask indices (bit ``i`` is segment ``i``; see
`veracity.games.grid`). ``flips`` is the boolean counterpart, True where a mask flips the label. Sets of segments are given as
mask indices. Most functions need only a few passes over the array.

References
----------
L. S. Shapley, "A value for n-person games", 1953. J. F. Banzhaf, "Weighted voting doesn't work", Rutgers Law Review, 1965. A.
Ignatiev et al., "From contrastive to abductive explanations and back again", AI*IA 2020 (inclusion-minimal sets).
"""

import functools
from dataclasses import dataclass
from math import comb

import numpy as np


def n_segments_of(values: np.ndarray) -> int:
    """Return the number of segments, or raise ValueError if the number of values is not a power of two."""
    n_segments = len(values).bit_length() - 1
    if len(values) != 1 << n_segments:
        raise ValueError(f"values: must be 2**n values for n segments, got {len(values)}.")
    return n_segments


@functools.lru_cache(maxsize=4)
def sizes(n_segments: int) -> np.ndarray:
    """Return the number of segments that each mask switches on, shape (2**n_segments,), int8."""
    count = np.zeros(1, dtype=np.int8)
    for _ in range(n_segments):
        count = np.concatenate([count, count + 1])
    count.flags.writeable = False
    return count


def sums_where_on(values: np.ndarray) -> np.ndarray:
    """Sum the values of all masks in which a segment is on, for each segment.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)
        Values of all masks.

    Returns
    -------
    ndarray, shape (n_segments,), float64
        Sum for each segment.
    """
    n_segments = n_segments_of(values)
    values = np.asarray(values, dtype=np.float64)  # sums of booleans or small integers would overflow
    totals = np.empty(n_segments)
    # Folding from the highest bit halves the array each time: 2**(n + 1) additions in all.
    for segment in reversed(range(n_segments)):
        low, high = values.reshape(2, -1)
        totals[segment] = high.sum()
        values = low + high
    return totals


def shapley(values: np.ndarray) -> np.ndarray:
    """Return the exact Shapley value of each segment, shape (n_segments,), in the unit of `values`.

    Examples
    --------
    Two segments with no effect alone and a joint effect of 1 share it equally:

    >>> shapley(np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    n = n_segments_of(values)
    # v(S) counts with weight (|S|-1)! (n-|S|)! / n! for members of S and with weight -|S|! (n-|S|-1)! / n! for all others.
    gives = np.array([0.0] + [1 / (n * comb(n - 1, size - 1)) for size in range(1, n + 1)])
    takes = np.array([1 / (n * comb(n - 1, size)) for size in range(n)] + [0.0])
    return _gains(values, gives, takes)


def banzhaf(values: np.ndarray) -> np.ndarray:
    """Return the exact Banzhaf value of each segment, shape (n_segments,), in the unit of `values`."""
    n = n_segments_of(values)
    share = np.full(n + 1, 2.0 ** (1 - n))
    return _gains(values, share, share)


def _gains(values: np.ndarray, gives: np.ndarray, takes: np.ndarray) -> np.ndarray:
    size = sizes(n_segments_of(values))
    taken = takes[size] * values
    return sums_where_on(gives[size] * values) - (taken.sum() - sums_where_on(taken))


def walsh_spectrum(values: np.ndarray) -> np.ndarray:
    """Return the Walsh-Hadamard coefficients c, where ``values[z] = sum_S c[S] * (-1)**|S & z|``."""
    coefficients = np.array(values, dtype=np.float64)
    for bit in range(n_segments_of(values)):
        pairs = coefficients.reshape(-1, 2, 1 << bit)
        low, high = pairs[:, 0].copy(), pairs[:, 1]
        pairs[:, 0] += high
        pairs[:, 1] = low - high
    return coefficients / len(coefficients)


def variance_by_order(values: np.ndarray) -> np.ndarray:
    """Return the variance over all masks that each order of interaction contributes.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)
        Values of all masks.

    Returns
    -------
    ndarray, shape (n_segments,)
        Variance of order 1, 2, ..., n_segments. The sum is the variance of `values`. Under uniform weights, the share of order
        1 is an upper bound on the R^2 of any additive surrogate.
    """
    n = n_segments_of(values)
    return np.bincount(sizes(n), weights=walsh_spectrum(values) ** 2, minlength=n + 1)[1:]


@dataclass(frozen=True)
class FlipCurve:
    """Flips by number of segments k, for k = 0, ..., n_segments; arrays of shape (n_segments + 1,).

    Attributes
    ----------
    best : ndarray of bool
        Whether at least one set of k segments flips the label.
    worst : ndarray of bool
        Whether every set of k segments flips the label.
    mean : ndarray of float
        Share of the sets of k segments that flip the label, which is the expectation for a random set.
    """

    best: np.ndarray
    worst: np.ndarray
    mean: np.ndarray


def flip_curve(flips: np.ndarray) -> FlipCurve:
    """Return whether the best and the worst set of each size flip the label, and the share of sets that do.

    Examples
    --------
    Segment 0 flips the label alone and together with segment 1:

    >>> curve = flip_curve(np.array([False, True, False, True]))
    >>> curve.best.tolist(), curve.worst.tolist(), curve.mean.tolist()
    ([False, True, True], [False, False, True], [0.0, 0.5, 1.0])
    """
    n = n_segments_of(flips)
    counts = np.bincount(sizes(n), weights=flips, minlength=n + 1)
    totals = np.array([comb(n, k) for k in range(n + 1)])
    return FlipCurve(best=counts > 0, worst=counts == totals, mean=counts / totals)


def flips_along(flips: np.ndarray, ranking: np.ndarray) -> np.ndarray:
    """Return whether the first 1, 2, ... segments of a ranking flip the label, shape (n_ranked,), bool."""
    return flips[np.cumsum(1 << np.asarray(ranking, dtype=np.int64))]


def smallest_flip_sets(flips: np.ndarray) -> np.ndarray:
    """Return all flip sets of the smallest size as increasing mask indices; empty if no set flips.

    Examples
    --------
    >>> smallest_flip_sets(np.array([False, True, False, True])).tolist()  # the set of segment 0
    [1]
    """
    flipping = np.flatnonzero(flips)
    if len(flipping) == 0:
        return flipping
    size = sizes(n_segments_of(flips))[flipping]
    return flipping[size == size.min()]


def best_sets(values: np.ndarray) -> np.ndarray:
    """Return the set with the largest value for each size 0, 1, ..., n_segments, as mask indices, shape (n_segments + 1,).

    Examples
    --------
    >>> best_sets(np.array([0.0, 0.2, 0.1, 0.5])).tolist()
    [0, 1, 3]
    """
    size = sizes(n_segments_of(values))
    order = np.lexsort((-values, size))  # by size, then by decreasing value
    return order[np.searchsorted(size[order], np.arange(size[-1] + 1))]


def minimal_flip_sets(flips: np.ndarray) -> np.ndarray:
    """Return all inclusion-minimal flip sets (no proper subset flips) as increasing mask indices."""
    holds_flip = np.array(flips, dtype=bool)  # whether a set or any of its subsets flips
    for bit in range(n_segments_of(flips)):
        pairs = holds_flip.reshape(-1, 2, 1 << bit)
        pairs[:, 1] |= pairs[:, 0]
    smaller = np.zeros_like(holds_flip)  # whether a set still contains a flip set without one of its segments
    for bit in range(n_segments_of(flips)):
        smaller.reshape(-1, 2, 1 << bit)[:, 1] |= holds_flip.reshape(-1, 2, 1 << bit)[:, 0]
    return np.flatnonzero(flips & ~smaller)


def core(sets: np.ndarray) -> int:
    """Return the segments common to all given sets, as a mask index; 0 if there are no sets."""
    return int(np.bitwise_and.reduce(sets)) if len(sets) else 0


def necessary(flips: np.ndarray) -> np.ndarray:
    """Return whether removing each segment alone from the full set undoes the flip.

    Parameters
    ----------
    flips : ndarray of bool, shape (2**n_segments,)
        Whether each mask flips the label.

    Returns
    -------
    ndarray of bool, shape (n_segments,)
        Whether each segment is necessary; all False if the full set does not flip.
    """
    everything = len(flips) - 1
    return ~flips[everything ^ (1 << np.arange(n_segments_of(flips)))] & flips[everything]


def within(flips: np.ndarray, segments: int) -> np.ndarray:
    """Return the flips restricted to subsets of given segments (a mask index); all other masks count as not flipping."""
    indices = np.arange(len(flips))
    return flips & ((indices & ~segments) == 0)
