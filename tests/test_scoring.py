"""Scores of rankings against all flips: slow implementations on small games, simulated chance levels, invariances."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veracity.games import scoring, solution_concepts


def game(seed, n=5, share=0.4):
    """Return flips of a random game that is not monotone, in which the empty set does not flip and the full set does."""
    flips = np.random.default_rng(seed).random(1 << n) < share
    flips[0], flips[-1] = False, True
    return flips


def sets_of(flips):
    n = solution_concepts.n_segments_of(flips)
    return {frozenset(i for i in range(n) if z >> i & 1): bool(flips[z]) for z in range(len(flips))}


def subsets(some):
    return map(frozenset, itertools.chain.from_iterable(itertools.combinations(some, k) for k in range(len(some) + 1)))


def slow_scores(flips, ranking, weights):
    """Compute every score from its definition, set by set."""
    n, known = solution_concepts.n_segments_of(flips), sets_of(flips)
    everything = frozenset(range(n))
    flipping = [s for s, flip in known.items() if flip]
    size = min(map(len, flipping))
    smallest = [s for s in flipping if len(s) == size]
    minimal = [s for s in flipping if not any(known[t] for t in subsets(s) if t != s)]
    core, relevant = frozenset.intersection(*smallest), frozenset.union(*smallest)
    first = [frozenset(ranking[:k]) for k in range(n + 1)]

    def area(order):
        return np.mean([known[frozenset(order[:k])] for k in range(1, n)])

    areas = [area(order) for order in itertools.permutations(range(n))]
    span = max(areas) - np.mean(areas)
    top, in_first = first[3], first[size]
    positive = {i: max(w, 0) for i, w in enumerate(weights)}
    pairs = [(a, b) for a in relevant for b in everything - relevant]
    return {
        "aufc": area(ranking),
        "aufc_normalised": (area(ranking) - np.mean(areas)) / span if span > 1e-12 else np.nan,
        "excess_k": next(k for k in range(1, n + 1) if known[first[k]]) - size,
        "sufficiency": known[top],
        "comprehensiveness": not known[everything - top],
        "best_match_recall": max(len(in_first & s) for s in smallest) / size,
        "core_precision": len(in_first & core) / size if core else np.nan,
        "core_recall": len(in_first & core) / len(core) if core else np.nan,
        "pointing": any(ranking[0] in s for s in minimal),
        "pointing_strict": ranking[0] in core if core else np.nan,
        "rank_accuracy": len(first[len(relevant)] & relevant) / len(relevant),
        "mass_accuracy": sum(positive[i] for i in relevant) / sum(positive.values()) if any(positive.values()) else np.nan,
        "roc_auc": np.mean([np.heaviside(weights[a] - weights[b], 0.5) for a, b in pairs]) if pairs else np.nan,
        "necessity": np.mean([not known[s] for s in subsets(everything - top)]),
        "sufficiency_of_top": np.mean([known[s | top] for s in subsets(everything - top)]),
    }


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_what_their_definitions_say(seed):
    flips = game(seed, share=(0.1, 0.3, 0.6, 0.9)[seed % 4])
    rng = np.random.default_rng(seed)
    weights = np.round(rng.normal(size=5), 1)
    ranking = np.lexsort((rng.random(5), -weights))
    found = scoring.scores(scoring.truth_of(flips), ranking, weights)
    assert found.keys() == scoring.SCORES.keys()
    for name, value in slow_scores(flips, ranking.tolist(), weights).items():
        np.testing.assert_allclose(found[name], value, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(6))
def test_chance_is_what_random_rankings_get(seed):
    flips = game(seed, share=(0.15, 0.4, 0.7)[seed % 3])
    truth = scoring.truth_of(flips)
    expected = scoring.chance(truth, np.random.default_rng(0), n_rankings=20_000)
    assert expected.keys() == scoring.SCORES.keys()
    found = [
        scoring.scores(truth, np.array(order), -np.argsort(order).astype(float)) for order in itertools.permutations(range(5))
    ]
    for name, value in expected.items():
        if name == "mass_accuracy":
            continue  # for random weights, see below
        mean = np.mean([one[name] for one in found])
        np.testing.assert_allclose(value, mean, atol=0.03 if name in ("excess_k", "best_match_recall") else 1e-12, err_msg=name)
    masses = [scoring.scores(truth, np.arange(5), w)["mass_accuracy"] for w in np.random.default_rng(1).random((4000, 5))]
    assert expected["mass_accuracy"] == pytest.approx(np.mean(masses), abs=0.02)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("seed", range(4))
def test_no_ranking_is_better_than_the_best(n, seed):
    flips = game(seed, n)
    best = scoring.best_ranking(flips)
    assert sorted(best) == list(range(n))
    orders = itertools.permutations(range(n))
    assert scoring.aufc(flips, best) == max(scoring.aufc(flips, np.array(order)) for order in orders)


@given(st.integers(0, 10_000), st.permutations(range(5)), st.floats(0.1, 5))
@settings(max_examples=60, deadline=None)
def test_names_of_segments_and_scales_of_weights_do_not_matter(seed, names, scale):
    flips, rng = game(seed), np.random.default_rng(seed)
    weights = rng.normal(size=5)
    found = scoring.scores(scoring.truth_of(flips), np.argsort(-weights), weights)
    names = np.array(names)  # segment i is called names[i]
    bits = np.arange(32)[:, None] >> np.arange(5) & 1
    renamed = np.empty_like(flips)
    renamed[(bits << names).sum(axis=1)] = flips
    other = np.empty(5)
    other[names] = scale * weights
    again = scoring.scores(scoring.truth_of(renamed), np.argsort(-other), other)
    for name, value in found.items():
        np.testing.assert_allclose(again[name], value, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(8))
def test_who_knows_the_truth_scores_1(seed):
    flips = game(seed)
    truth = scoring.truth_of(flips)
    known = scoring.scores(truth, scoring.best_ranking(flips))
    assert known["aufc_normalised"] == 1 or np.isnan(known["aufc_normalised"])
    segments = np.flatnonzero(truth.smallest[0] >> np.arange(5) & 1)
    first = np.concatenate([segments, np.setdiff1d(np.arange(5), segments)])
    found = scoring.scores(truth, first)
    assert found["excess_k"] == 0
    assert found["best_match_recall"] == 1
    assert found["pointing"] == 1


def test_robust_flips_and_watsons_numbers_by_brute_force():
    flips = game(3)
    known = sets_of(flips)
    everything = frozenset(range(5))
    slow = [all(known[s | extra] for extra in subsets(everything - s)) for s in known]
    assert scoring.robust(flips).tolist() == slow
    assert scoring.necessity(flips, 0b00101) == np.mean([not known[s] for s in subsets({1, 3, 4})])
    assert scoring.sufficiency(flips, 0b00101) == np.mean([known[s | {0, 2}] for s in subsets({1, 3, 4})])


def test_a_label_that_does_not_flip_has_no_truth():
    for flips in (np.zeros(8, dtype=bool), np.ones(8, dtype=bool)):
        with pytest.raises(ValueError, match="must be true for the full set"):
            scoring.truth_of(flips)


def test_the_core_of_smallest_sets_is_not_that_of_minimal_ones():
    flips = np.zeros(16, dtype=bool)
    for one in (0b0011, 0b0101, 0b1110):  # two smallest sets share segment 0, a larger minimal set lacks it
        for z in range(16):
            flips[z] |= z & one == one
    truth = scoring.truth_of(flips)
    assert (truth.size, truth.core, truth.minimal_core, truth.n_minimal) == (2, 0b0001, 0, 3)
    assert truth.relevant.tolist() == [True, True, True, False]


@pytest.mark.parametrize("seed", range(6))
def test_sets_of_both_decisions_are_dual(seed):
    """Minimal flip sets and minimal sets that preserve the label intersect; the core consists of sets of one segment."""
    flips = game(seed, share=(0.2, 0.5)[seed % 2])
    n, known = 5, sets_of(flips)
    everything = frozenset(range(n))
    flipping = [s for s, flip in known.items() if flip]
    minimal = [s for s in flipping if not any(known[t] for t in subsets(s) if t != s)]
    # An abductive explanation: with these segments held clean, whatever the others are, nothing flips.
    keeps = [held for held in known if not any(known[s] for s in subsets(everything - held))]
    abductive = [held for held in keeps if not any(other < held for other in keeps)]
    hitting = [h for h in known if all(h & s for s in minimal)]
    assert sorted(map(sorted, abductive)) == sorted(sorted(h) for h in hitting if not any(o < h for o in hitting))
    single = frozenset().union(*(held for held in abductive if len(held) == 1))
    core = scoring.truth_of(flips).minimal_core
    assert single == frozenset(i for i in range(n) if core >> i & 1)
