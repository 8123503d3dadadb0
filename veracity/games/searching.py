"""Search for the smallest flip sets where it is too expensive to evaluate all masks.

A beam search finds a flip set and removes the segments that it does not need, which gives an upper bound on the smallest size.
All sets are then tried in order of size as far as the query budget allows. If all sets smaller than the best set were tried,
the best set is proved to be a smallest one.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from .grid import masks_of

WIDTH = 4  # number of sets that the beam search keeps
AT_ONCE = 256  # largest number of masks per evaluation


@dataclass(frozen=True)
class FoundSet:
    """Result of a search for a smallest flip set.

    Attributes
    ----------
    size : int
        Number of segments of the smallest flip set found; -1 if none was found.
    mask : int
        The smallest flip set found, as a mask index; 0 if none was found.
    proved : bool
        Whether the set is proved to be a smallest flip set because all smaller sets were tried.
    known : int
        Largest size up to which all sets were tried.
    best : ndarray of bool, shape (n_segments + 1,)
        Whether any of the tried sets of k segments flips, for each k.
    n_queries : int
        Number of evaluated masks.
    """

    size: int
    mask: int
    proved: bool
    known: int
    best: np.ndarray
    n_queries: int


def smallest_flip_set(
    values: Callable[[np.ndarray], np.ndarray], flips: Callable[[np.ndarray], np.ndarray], n_segments: int, budget: int
) -> FoundSet:
    """Search for a smallest set of segments that flips the label.

    Parameters
    ----------
    values : callable
        Function from masks, shape (n_masks, n_segments), to values that increase towards the flip, shape (n_masks,).
    flips : callable
        Function from those values to whether the label flips, bool.
    n_segments : int
        Number of segments.
    budget : int
        Query budget: largest number of masks to evaluate.

    Returns
    -------
    FoundSet
        The smallest flip set found, and whether it is proved.
    """
    search = _Search(values, flips, n_segments, budget)
    search.climb()
    known = search.exhaust()
    search.improve(known)
    proved = 0 <= search.size <= known + 1
    return FoundSet(search.size, search.mask, proved, known, search.best, len(search.tried))


class _Search:
    def __init__(self, values: Callable, flips: Callable, n_segments: int, budget: int) -> None:
        self.values, self.flips, self.n, self.budget = values, flips, n_segments, budget
        self.tried: dict[int, float] = {}
        self.best = np.zeros(n_segments + 1, dtype=bool)
        self.size, self.mask = -1, 0

    @property
    def left(self) -> int:
        return self.budget - len(self.tried)

    def ask(self, indices: Iterable[int]) -> list[float]:
        """Return the values of masks.

        Each mask is evaluated only once. Masks beyond the budget have the value minus infinity.
        """
        wanted = list(indices)
        new = [index for index in dict.fromkeys(wanted) if index not in self.tried][: self.left]
        for start in range(0, len(new), AT_ONCE):
            part = np.array(new[start : start + AT_ONCE], dtype=np.int64)
            answers = self.values(masks_of(part, self.n))
            for index, value, flipped in zip(part.tolist(), answers.tolist(), self.flips(answers), strict=True):
                self.tried[index] = value
                size = index.bit_count()
                self.best[size] |= flipped
                if flipped and (self.size < 0 or size < self.size):
                    self.size, self.mask = size, index
        return [self.tried.get(index, -np.inf) for index in wanted]

    def climb(self) -> None:
        """Add the most helpful segments until the label flips, then remove those that are not needed."""
        self.ask([(1 << self.n) - 1])
        beams = [0]
        for size in range(self.n):
            longer = list(dict.fromkeys(beam | 1 << s for beam in beams for s in range(self.n) if not beam >> s & 1))
            if 0 <= self.size <= size or len(longer) > self.left // 2:
                break
            order = np.argsort(-np.array(self.ask(longer)), kind="stable")
            beams = [longer[i] for i in order[:WIDTH]]
        while self.size > 1:
            size, members = self.size, [s for s in range(self.n) if self.mask >> s & 1]
            self.ask(self.mask & ~(1 << s) for s in members)
            if self.size == size:
                break

    def exhaust(self) -> int:
        """Try all sets in order of size and return the size up to which all were tried."""
        known = 0
        for size in range(1, self.n + 1):
            tried = sum(index.bit_count() == size for index in self.tried)
            if 0 <= self.size < size or comb(self.n, size) - tried > self.left:
                break
            for part in _in_parts(_sets(range(self.n), size)):
                self.ask(part)
            known = size
        return known

    def improve(self, known: int) -> None:
        """Use the remaining budget for sets one segment smaller than the best one found.

        Combinations of the segments with the highest single values are tried first.
        """
        alone = np.array(self.ask(1 << s for s in range(self.n)))
        ranking = np.argsort(-alone, kind="stable").tolist()
        while self.size > known + 1 and self.left > 0:
            size = self.size
            for part in _in_parts(_sets(ranking, size - 1)):
                self.ask(part)
                if self.size < size or self.left == 0:
                    break
            else:
                break


def _sets(segments: Iterable[int], size: int) -> Iterator[int]:
    return (sum(1 << s for s in chosen) for chosen in itertools.combinations(segments, size))


def _in_parts(sets: Iterator[int]) -> Iterator[list[int]]:
    while part := list(itertools.islice(sets, AT_ONCE)):
        yield part
