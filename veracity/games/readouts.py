"""What all 2**n values of a game tell: exact attributions, interactions, and which subsets flip the label.

Everywhere, ``values`` has shape (2**n_segments,) in the order of mask indices (bit ``i`` is segment ``i``; see
`veracity.games`), and ``flips`` is its boolean counterpart: whether a mask flips the label. Sets of segments are given as mask
indices. All of it is a few sweeps over the array.

References
----------
L. S. Shapley, "A value for n-person games", 1953. J. F. Banzhaf, "Weighted voting doesn't work", Rutgers Law Review, 1965.
"""

import functools
from dataclasses import dataclass
from math import comb

import numpy as np


def n_segments_of(values: np.ndarray) -> int:
    """Return the number of segments; raises ValueError when the length is no power of two."""
    n_segments = len(values).bit_length() - 1
    if len(values) != 1 << n_segments:
        raise ValueError(f"{len(values)} values are not all masks of any number of segments: give 2**n")
    return n_segments


@functools.lru_cache(maxsize=4)
def sizes(n_segments: int) -> np.ndarray:
    """Return how many segments each mask switches on, shape (2**n_segments,), int8."""
    count = np.zeros(1, dtype=np.int8)
    for _ in range(n_segments):
        count = np.concatenate([count, count + 1])
    count.flags.writeable = False
    return count


def sums_where_on(values: np.ndarray) -> np.ndarray:
    """Sum the values of all masks in which each segment is on.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)

    Returns
    -------
    ndarray, shape (n_segments,)
    """
    n_segments = n_segments_of(values)
    values = np.asarray(values, dtype=np.float64)  # booleans and small integers would not add up
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
    Two segments that do nothing alone and 1 together share it:

    >>> shapley(np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    n = n_segments_of(values)
    # A set S gives v(S) with weight (|S|-1)! (n-|S|)! / n! to its members and takes |S|! (n-|S|-1)! / n! from the others.
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
    """Return the Walsh-Hadamard coefficients: ``values[z] = sum_S c[S] * (-1)**|S & z|``, shape as `values`."""
    coefficients = np.array(values, dtype=np.float64)
    for bit in range(n_segments_of(values)):
        pairs = coefficients.reshape(-1, 2, 1 << bit)
        low, high = pairs[:, 0].copy(), pairs[:, 1]
        pairs[:, 0] += high
        pairs[:, 1] = low - high
    return coefficients / len(coefficients)


def variance_by_order(values: np.ndarray) -> np.ndarray:
    """Return how much of the variance over all masks each order of interaction carries.

    Parameters
    ----------
    values : ndarray, shape (2**n_segments,)

    Returns
    -------
    ndarray, shape (n_segments,)
        Variance of order 1, 2, ..., n_segments; they add up to the variance of `values`. Under uniform weights no
        additive surrogate reaches a higher R^2 than the share of order 1.
    """
    n = n_segments_of(values)
    return np.bincount(sizes(n), weights=walsh_spectrum(values) ** 2, minlength=n + 1)[1:]


@dataclass(frozen=True)
class FlipCurve:
    """Whether k segments flip the label, for k = 0 .. n_segments; arrays of shape (n_segments + 1,).

    Attributes
    ----------
    best : ndarray of bool
        Whether any set of k segments flips.
    worst : ndarray of bool
        Whether all sets of k segments flip.
    mean : ndarray of float
        Share of the sets of k segments that flip: the expectation of a random choice.
    """

    best: np.ndarray
    worst: np.ndarray
    mean: np.ndarray


def flip_curve(flips: np.ndarray) -> FlipCurve:
    """Return the best, worst and mean flip for every number of segments.

    Examples
    --------
    Segment 0 alone flips, and both together:

    >>> curve = flip_curve(np.array([False, True, False, True]))
    >>> curve.best.tolist(), curve.worst.tolist(), curve.mean.tolist()
    ([False, True, True], [False, False, True], [0.0, 0.5, 1.0])
    """
    n = n_segments_of(flips)
    counts = np.bincount(sizes(n), weights=flips, minlength=n + 1)
    totals = np.array([comb(n, k) for k in range(n + 1)])
    return FlipCurve(best=counts > 0, worst=counts == totals, mean=counts / totals)


def flips_along(flips: np.ndarray, ranking: np.ndarray) -> np.ndarray:
    """Look up whether the first 1, 2, ... segments of a ranking flip the label, shape (n_ranked,), bool."""
    return flips[np.cumsum(1 << np.asarray(ranking, dtype=np.int64))]


def smallest_flip_sets(flips: np.ndarray) -> np.ndarray:
    """Return all flipping sets of the smallest size, as mask indices, increasing; empty when nothing flips.

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
    """Return the set of largest value of each size 0, 1, ..., as mask indices, shape (n_segments + 1,).

    Examples
    --------
    >>> best_sets(np.array([0.0, 0.2, 0.1, 0.5])).tolist()
    [0, 1, 3]
    """
    size = sizes(n_segments_of(values))
    order = np.lexsort((-values, size))  # by size, then by falling value
    return order[np.searchsorted(size[order], np.arange(size[-1] + 1))]


def minimal_flip_sets(flips: np.ndarray) -> np.ndarray:
    """Return all flipping sets of which no proper subset flips, as mask indices, increasing."""
    holds_flip = np.array(flips, dtype=bool)  # of a set: does it or any subset of it flip?
    for bit in range(n_segments_of(flips)):
        pairs = holds_flip.reshape(-1, 2, 1 << bit)
        pairs[:, 1] |= pairs[:, 0]
    smaller = np.zeros_like(holds_flip)  # of a set: does it hold a flip after losing any one segment?
    for bit in range(n_segments_of(flips)):
        smaller.reshape(-1, 2, 1 << bit)[:, 1] |= holds_flip.reshape(-1, 2, 1 << bit)[:, 0]
    return np.flatnonzero(flips & ~smaller)


def core(sets: np.ndarray) -> int:
    """Return, as a mask index, the segments that are in every one of the sets; 0 when there are none."""
    return int(np.bitwise_and.reduce(sets)) if len(sets) else 0


def necessary(flips: np.ndarray) -> np.ndarray:
    """Tell of each segment whether the label flips back when it alone is taken out of the full set.

    Parameters
    ----------
    flips : ndarray of bool, shape (2**n_segments,)

    Returns
    -------
    ndarray of bool, shape (n_segments,)
    """
    everything = len(flips) - 1
    return ~flips[everything ^ (1 << np.arange(n_segments_of(flips)))] & flips[everything]


def within(flips: np.ndarray, segments: int) -> np.ndarray:
    """Return the flips of the game that may switch on only these segments (a mask index): all others never flip."""
    indices = np.arange(len(flips))
    return flips & ((indices & ~segments) == 0)
