"""Direct search for segments that yield the explained label, as a baseline for attributions with the same budget.

Each function returns a ranking as weights. A set of segments *decides* if it yields the label. The segments of the smallest
known deciding set rank first, in order of their importance to the search.

References
----------
Greedy backward: B. Carter et al., "What made you do this? Understanding black-box decisions with sufficient input subsets",
AISTATS 2019. Parallel local search: P. Hase, H. Xie and M. Bansal, "The out-of-distribution problem in explainability and
search methods for feature importance explanations", NeurIPS 2021. Reason for a search baseline: B. Bilodeau et al.,
"Impossibility theorems for feature attribution", PNAS 2024.
"""

import numpy as np

from .task import ExplanationTask

CHAINS = 8  # number of sets that a local search changes in parallel
BUDGET = 2048  # default for tasks without a query budget


def greedy_forward(task: ExplanationTask) -> np.ndarray:
    """Switch on the segment that raises the label's logit most, repeatedly within the query budget.

    Segments switched on earlier rank higher.
    """
    return _beam(task, width=1)


def beam_search(task: ExplanationTask, *, width: int = 4) -> np.ndarray:
    """Search like `greedy_forward`, but keep the `width` best sets of each size until one yields the label."""
    return _beam(task, width=width)


def greedy_backward(task: ExplanationTask) -> np.ndarray:
    """Switch off the segment whose removal leaves the highest logit of the label, repeatedly within the query budget.

    Segments switched off later rank higher.
    """
    n = task.grid.n_segments
    on, gone = np.ones(n, dtype=bool), []
    while on.any() and _affords(task, int(on.sum())):
        candidates = np.flatnonzero(on)
        masks = np.tile(on, (len(candidates), 1))
        masks[np.arange(len(candidates)), candidates] = False
        off = candidates[_best(task, task.values(masks))]
        on[off] = False
        gone.append(off)
    weights = np.full(n, float(n))
    weights[gone] = np.arange(len(gone))
    return weights


def random_search(task: ExplanationTask) -> np.ndarray:
    """Evaluate random sets, each smaller than the smallest deciding set so far.

    The search ends when the query budget is used up or a single segment yields the label.
    """
    n, known = task.grid.n_segments, _Known(task)
    while known.size > 1 and (n_masks := _rest(task, 32)) > 0:
        sizes = task.rng.integers(1, known.size, size=(n_masks, 1))
        masks = _random_sets(task.rng, n_masks, n, sizes)
        known.add(masks, task.values(masks))
    return known.weights()


def local_search(task: ExplanationTask) -> np.ndarray:
    """Exchange, add or drop random segments of several sets in parallel until the query budget is used up.

    A change is kept if it makes a deciding set smaller, makes a set decide, or raises the logit of a set that does not decide.
    """
    n = task.grid.n_segments
    known = _Known(task)
    if _rest(task, CHAINS) < CHAINS:
        return known.weights()
    sets = _random_sets(task.rng, CHAINS, n, max(1, n // 4))
    values = task.values(sets)
    known.add(sets, values)
    while _rest(task, CHAINS) >= CHAINS:
        trial = sets.copy()
        for row, decided in zip(trial, task.decides(values), strict=True):
            inside, outside = np.flatnonzero(row), np.flatnonzero(~row)
            if decided and len(inside) > 1:
                row[task.rng.choice(inside)] = False  # kept only if the smaller set still decides
            elif len(inside) and len(outside):
                row[task.rng.choice(inside)], row[task.rng.choice(outside)] = False, True
            if not decided and task.rng.random() < 0.25 and (~row).any():
                row[task.rng.choice(np.flatnonzero(~row))] = True
        tried = task.values(trial)
        known.add(trial, tried)
        smaller = task.decides(tried) & (trial.sum(axis=1) < sets.sum(axis=1))
        gained = ~task.decides(values) & (tried > values)
        keep = smaller | gained | (task.decides(tried) & ~task.decides(values))
        sets[keep], values[keep] = trial[keep], tried[keep]
    return known.weights()


class _Known:
    """Smallest deciding set so far, and the mean effect of each segment on the values of all evaluated sets."""

    def __init__(self, task: ExplanationTask) -> None:
        self.task, n = task, task.grid.n_segments
        self.mask, self.size, self.value = np.zeros(n, dtype=bool), n + 1, -np.inf
        self.sums, self.counts = np.zeros((2, n)), np.zeros((2, n))  # first row: segment off, second row: segment on

    def add(self, masks: np.ndarray, values: np.ndarray) -> None:
        for state in (0, 1):
            self.sums[state] += ((masks == state) * values[:, None]).sum(axis=0)
            self.counts[state] += (masks == state).sum(axis=0)
        decided = self.task.decides(values)
        for mask, value in zip(masks[decided], values[decided], strict=True):
            size = int(mask.sum())
            if size < self.size or (size == self.size and value > self.value):
                self.mask, self.size, self.value = mask.copy(), size, float(value)

    def weights(self) -> np.ndarray:
        means = self.sums / np.maximum(self.counts, 1)
        rank = np.argsort(np.argsort(np.where(self.counts.all(axis=0), means[1] - means[0], -np.inf))) / len(self.mask)
        if self.size <= len(self.mask):
            self.task.note(smallest_size=self.size)
        return rank + self.mask


def _beam(task: ExplanationTask, *, width: int) -> np.ndarray:
    n = task.grid.n_segments
    beams: list[tuple[int, ...]] = [()]
    while len(beams[0]) < n:
        longer = {frozenset((*beam, s)): (*beam, s) for beam in reversed(beams) for s in range(n) if s not in beam}
        if not _affords(task, len(longer)):
            break
        chosen = list(longer.values())
        masks = np.zeros((len(chosen), n), dtype=bool)
        for mask, segments in zip(masks, chosen, strict=True):
            mask[list(segments)] = True
        values = task.values(masks)
        order = np.lexsort((task.rng.random(len(values)), -values))
        if task.decides(values[order[:1]])[0]:
            width = 1  # once a set decides, a greedy search ranks the remaining segments
        beams = [chosen[i] for i in order[:width]]
    weights = np.zeros(n)
    weights[list(beams[0])] = n - np.arange(len(beams[0]))
    return weights


def _best(task: ExplanationTask, values: np.ndarray) -> int:
    """Return the index of the highest value, with ties broken at random."""
    return int(task.rng.choice(np.flatnonzero(values == values.max())))


def _rest(task: ExplanationTask, most: int) -> int:
    return min(most, (BUDGET if task.budget is None else task.budget) - task.queries.n_queries)


def _affords(task: ExplanationTask, rows: int) -> bool:
    return _rest(task, rows) >= rows


def _random_sets(rng: np.random.Generator, n_masks: int, n: int, size: int | np.ndarray) -> np.ndarray:
    order = rng.permuted(np.tile(np.arange(n), (n_masks, 1)), axis=1)
    return order < size
