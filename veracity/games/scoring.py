"""Scores of segment rankings against the exact flips of all masks.

``flips`` has shape (2**n_segments,) in the order of mask indices (see `veracity.games.solution_concepts`). It is True for each
set of segments of the perturbation that flips the label when added to the clean excerpt. The empty set must not flip and the
full set must flip. A *ranking* orders the segments from most to least responsible. `chance` returns the expected scores of a
random ranking.

The inclusion-minimal flip sets are the *contrastive explanations* of the clean decision and the minimal *sufficient reasons* of
the adversarial decision. The *core* consists of the segments that are in every smallest flip set. Being in every
inclusion-minimal flip set is a stronger condition, which often no segment meets. *Relevant* segments are those in at least one
smallest flip set.

References
----------
A. Ignatiev et al., "From contrastive to abductive explanations and back again", AI*IA 2020 (the duality of the sets). D. S.
Watson et al., "Local explanations via necessity and sufficiency", UAI 2021 (`necessity`, `sufficiency`). J. DeYoung et al.,
"ERASER", ACL 2020 (sufficiency and comprehensiveness). L. Arras et al., "CLEVR-XAI", Information Fusion 2022 (relevance rank
and mass accuracy). J. Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016 (the pointing game).
"""

from dataclasses import dataclass
from math import comb

import numpy as np

from . import solution_concepts
from .grid import masks_of

TOP = 3  # number of top segments, as in Table 1 of the paper


def best_ranking(flips: np.ndarray) -> np.ndarray:
    """Return a ranking with the largest attainable area under the flip curve, shape (n_segments,).

    The best sets of different sizes need not be nested, so a ranking may not reach the best curve of
    `veracity.games.solution_concepts.flip_curve`. Dynamic programming over all sets finds the best ranking. The best path to a
    set extends the best path to that set without one of its segments.

    Examples
    --------
    Any two of three segments flip the label together:

    >>> best_ranking(np.array([0, 0, 0, 1, 0, 1, 1, 1], dtype=bool)).tolist()
    [2, 1, 0]
    """
    n = solution_concepts.n_segments_of(flips)
    size, ways = solution_concepts.sizes(n), np.zeros(len(flips), dtype=np.int8)
    order = np.argsort(size, kind="stable")
    starts = np.searchsorted(size[order], np.arange(n + 2))
    for k in range(1, n + 1):
        sets = order[starts[k] : starts[k + 1]]
        most = np.full(len(sets), -1, dtype=np.int8)
        for segment in range(n):
            bit = 1 << segment
            most = np.maximum(most, np.where(sets & bit, ways[sets & ~bit], -1))
        ways[sets] = most + flips[sets] * (k < n)
    ranking, rest = [], len(flips) - 1
    for _ in range(n):
        held = [segment for segment in range(n) if rest >> segment & 1]
        last = max(held, key=lambda segment: (ways[rest & ~(1 << segment)], -segment))
        ranking.append(last)
        rest &= ~(1 << last)
    return np.array(ranking[::-1])


def robust(flips: np.ndarray) -> np.ndarray:
    """Return whether each set and all of its supersets flip the label, with the shape of `flips`."""
    kept = np.array(flips, dtype=bool)
    for bit in range(solution_concepts.n_segments_of(flips)):
        pairs = kept.reshape(-1, 2, 1 << bit)
        pairs[:, 0] &= pairs[:, 1]
    return kept


def necessity(flips: np.ndarray, segments: int) -> float:
    """Return P(no flip | none of these segments is added) for a uniformly random set of the others (PN of Watson et al.)."""
    return float(1 - flips[(np.arange(len(flips)) & segments) == 0].mean())


def sufficiency(flips: np.ndarray, segments: int) -> float:
    """Return P(flip | all of these segments are added) for a uniformly random set of the others (PS of Watson et al.)."""
    return float(flips[(np.arange(len(flips)) & segments) == segments].mean())


@dataclass(frozen=True)
class Truth:
    """Ground truth of one excerpt, against which rankings are scored.

    Attributes
    ----------
    flips : ndarray of bool, shape (2**n_segments,)
        Whether each mask flips the label.
    smallest : ndarray of int
        All smallest flip sets, as mask indices.
    minimal_union, minimal_core : int
        Segments in at least one, and in every, inclusion-minimal flip set, as mask indices.
    n_minimal : int
        Number of inclusion-minimal flip sets.
    best : ndarray of int, shape (n_segments,)
        Best ranking; see `best_ranking`.
    aufc_random, aufc_best : float
        Area under the flip curve of a random ranking (expected) and of the best ranking.
    """

    flips: np.ndarray
    smallest: np.ndarray
    minimal_union: int
    minimal_core: int
    n_minimal: int
    best: np.ndarray
    aufc_random: float
    aufc_best: float

    @property
    def n(self) -> int:
        """Number of segments."""
        return solution_concepts.n_segments_of(self.flips)

    @property
    def size(self) -> int:
        """Number of segments of a smallest flip set."""
        return int(self.smallest[0]).bit_count()

    @property
    def core(self) -> int:
        """Segments in every smallest flip set, as a mask index."""
        return solution_concepts.core(self.smallest)

    @property
    def relevant(self) -> np.ndarray:
        """Whether each segment is in at least one smallest flip set, shape (n_segments,)."""
        return masks_of(np.array([np.bitwise_or.reduce(self.smallest)]), self.n)[0]


def aufc(flips: np.ndarray, ranking: np.ndarray) -> float:
    """Return the area under the flip curve: the share of k = 1, ..., n - 1 for which the first k segments flip the label."""
    return float(solution_concepts.flips_along(flips, ranking)[:-1].mean()) if len(ranking) > 1 else 0.0


def scores(truth: Truth, ranking: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """Return the scores of a ranking; `SCORES` describes each of them.

    Parameters
    ----------
    truth : Truth
        Ground truth of the excerpt.
    ranking : ndarray of int, shape (n_segments,)
        Segments from most to least responsible.
    weights : ndarray, shape (n_segments,), optional
        Weights of the segments, larger for more evidence for the adversarial label. Scores that need weights are NaN without
        them.

    Returns
    -------
    dict of str to float
        Value of each score. Undefined scores are NaN, for example the precision of an empty core.
    """
    n, size = truth.n, truth.size
    prefix = np.cumsum(1 << np.asarray(ranking, dtype=np.int64))
    curve, top = truth.flips[prefix], int(prefix[min(TOP, n) - 1])
    area = aufc(truth.flips, ranking)
    span = truth.aufc_best - truth.aufc_random
    first = int(prefix[size - 1])
    in_core, relevant = (first & truth.core).bit_count(), truth.relevant
    n_relevant = int(relevant.sum())
    return {
        "aufc": area,
        "aufc_normalised": (area - truth.aufc_random) / span if span > 1e-12 else np.nan,
        "excess_k": float(np.argmax(curve) + 1 - size),
        "sufficiency": float(curve[min(TOP, n) - 1]),
        "comprehensiveness": float(not truth.flips[(len(truth.flips) - 1) ^ top]),
        "best_match_recall": max((first & int(flip_set)).bit_count() for flip_set in truth.smallest) / size,
        "core_precision": in_core / size if truth.core else np.nan,
        "core_recall": in_core / truth.core.bit_count() if truth.core else np.nan,
        "pointing": float(truth.minimal_union >> int(ranking[0]) & 1),
        "pointing_strict": float(truth.core >> int(ranking[0]) & 1) if truth.core else np.nan,
        "rank_accuracy": float(relevant[ranking[:n_relevant]].mean()),
        "mass_accuracy": _mass(weights, relevant),
        "roc_auc": _roc_auc(weights, relevant),
        "necessity": necessity(truth.flips, top),
        "sufficiency_of_top": sufficiency(truth.flips, top),
    }


#: Description of each score; higher is better except for ``excess_k``.
SCORES = {
    "aufc": "area under the flip curve: share of k = 1, ..., n - 1 for which the first k segments flip the label",
    "aufc_normalised": "area under the flip curve, scaled so that 0 is a random ranking and 1 the best ranking",
    "excess_k": "number of segments until the first flip minus the size of a smallest flip set",
    "sufficiency": f"whether the first {TOP} segments alone flip the label",
    "comprehensiveness": f"whether the label does not flip with all segments except the first {TOP}",
    "best_match_recall": "share of the best-matching smallest set that is among the same number of first segments",
    "core_precision": "share of the first s segments that are in every smallest set, where s is the size of a smallest set",
    "core_recall": "share of the segments in every smallest set that are among the first s segments",
    "pointing": "whether the first segment is in at least one inclusion-minimal set",
    "pointing_strict": "whether the first segment is in every smallest set",
    "rank_accuracy": "share of the segments in any smallest set that are among the same number of first segments",
    "mass_accuracy": "share of the positive weight that is on segments in any smallest set",
    "roc_auc": "area under the ROC curve of the weights for the segments in any smallest set",
    "necessity": f"P(no flip | none of the first {TOP} is added), with the other segments at random",
    "sufficiency_of_top": f"P(flip | all of the first {TOP} are added), with the other segments at random",
}


def chance(truth: Truth, rng: np.random.Generator, n_rankings: int = 10_000) -> dict[str, float]:
    """Return the expected score of a random ranking, for each score.

    All values are exact except ``excess_k`` and ``best_match_recall``, which are means over random rankings.

    Parameters
    ----------
    truth : Truth
        Ground truth of the excerpt.
    rng : Generator
        Source of the random rankings.
    n_rankings : int
        Number of random rankings, 10 000 by default.

    Returns
    -------
    dict of str to float
        Expected value of each score, NaN where the score is undefined.
    """
    n, size, top = truth.n, truth.size, min(TOP, truth.n)
    curve = solution_concepts.flip_curve(truth.flips).mean
    by_size = np.bincount(solution_concepts.sizes(n), weights=truth.flips, minlength=n + 1)
    totals = np.array([comb(n, k) for k in range(n + 1)], dtype=float)
    held = np.array([comb(k, top) for k in range(n + 1)]) / (comb(n, top) * 2.0 ** (n - top))
    prefix = np.cumsum(1 << rng.permuted(np.tile(np.arange(n), (n_rankings, 1)), axis=1), axis=1)
    share, n_core = float(truth.relevant.mean()), truth.core.bit_count()
    return {
        "aufc": truth.aufc_random,
        "aufc_normalised": 0.0 if truth.aufc_best - truth.aufc_random > 1e-12 else np.nan,
        "excess_k": float((np.argmax(truth.flips[prefix], axis=1) + 1 - size).mean()),
        "sufficiency": float(curve[top]),
        "comprehensiveness": float(1 - curve[n - top]),
        "best_match_recall": float(_best_match(prefix[:, size - 1], truth.smallest).mean() / size),
        "core_precision": n_core / n if n_core else np.nan,
        "core_recall": size / n if n_core else np.nan,
        "pointing": truth.minimal_union.bit_count() / n,
        "pointing_strict": n_core / n if n_core else np.nan,
        "rank_accuracy": share,
        "mass_accuracy": share,
        "roc_auc": 0.5 if 0 < share < 1 else np.nan,
        "necessity": float(((totals - by_size) * held[::-1]).sum()),
        "sufficiency_of_top": float((by_size * held).sum()),
    }


def _best_match(tops: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return the size of the largest overlap of each set in `tops` with any set in `sets`."""
    most = np.zeros(len(tops), dtype=np.uint8)
    for flip_set in sets:
        np.maximum(most, np.bitwise_count(tops & flip_set), out=most)
    return most


def _mass(weights: np.ndarray | None, relevant: np.ndarray) -> float:
    positive = np.maximum(0 if weights is None else weights, np.zeros(len(relevant)))
    return float(positive[relevant].sum() / positive.sum()) if positive.sum() > 0 else np.nan


def _roc_auc(weights: np.ndarray | None, relevant: np.ndarray) -> float:
    from scipy.stats import rankdata

    n_relevant = int(relevant.sum())
    if weights is None or not 0 < n_relevant < len(relevant):
        return np.nan
    above = rankdata(weights)[relevant].sum() - n_relevant * (n_relevant + 1) / 2
    return float(above / (n_relevant * (len(relevant) - n_relevant)))


def truth_of(flips: np.ndarray) -> Truth:
    """Return the ground truth of an excerpt from the flips of all masks.

    Parameters
    ----------
    flips : ndarray of bool, shape (2**n_segments,)
        Whether each mask flips the label.

    Returns
    -------
    Truth
        Flip sets, best ranking and reference areas.

    Raises
    ------
    ValueError
        If the empty set flips the label or the full set does not.
    """
    if flips[0] or not flips[-1]:
        raise ValueError("flips: must be true for the full set and false for the empty set")
    minimal = solution_concepts.minimal_flip_sets(flips)
    curve, best = solution_concepts.flip_curve(flips).mean, best_ranking(flips)
    return Truth(
        flips=flips,
        smallest=solution_concepts.smallest_flip_sets(flips),
        minimal_union=int(np.bitwise_or.reduce(minimal)),
        minimal_core=solution_concepts.core(minimal),
        n_minimal=len(minimal),
        best=best,
        aufc_random=float(curve[1:-1].mean()) if len(curve) > 2 else 0.0,
        aufc_best=aufc(flips, best),
    )
