"""The smallest sets of segments that flip a label, by search, where not all masks can be evaluated.

A beam search finds a set that flips and drops what it does not need: an upper bound. Then all sets are tried, the smaller
first, as far as the budget goes: where that reaches the set's size, it is proved to be among the smallest.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from .grid import masks_of

WIDTH = 4  # of the beam
AT_ONCE = 256  # masks in one question


@dataclass(frozen=True)
class FoundSet:
    """What a search has found.

    Attributes
    ----------
    size : int
        Segments of the smallest set that was found to flip; -1 where none was.
    mask : int
        That set, as a mask index; 0 where none was.
    proved : bool
        Whether no smaller set flips: all of them were tried.
    known : int
        All sets of up to so many segments were tried.
    best : ndarray of bool, shape (n_segments + 1,)
        Whether any set of k segments that was tried flips.
    n_queries : int
        Masks that were evaluated.
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
        From masks, shape (n_masks, n_segments), to numbers that grow towards the flip.
    flips : callable
        From those numbers to whether they flip, bool.
    n_segments : int
    budget : int
        Masks that may be evaluated.

    Returns
    -------
    FoundSet
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
        """Return the values of masks; those tried before cost nothing, those beyond the budget are minus infinity."""
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
        """Add the segments that help most until the label flips, then drop those that are not needed."""
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
        """Try all sets, the smaller first; return up to how many segments."""
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
        """Spend what is left on sets one segment smaller than the smallest, of segments that help by themselves first."""
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
