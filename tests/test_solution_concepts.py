"""Solution concepts of games compared with slow definitions and an independent implementation."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapiq import ExactComputer

from veracity.games import solution_concepts
from veracity.games.grid import indices_of, masks_of

ns = st.integers(1, 6)
games = ns.flatmap(lambda n: arrays(np.float64, 2**n, elements=st.floats(-1e3, 1e3)))
flip_games = ns.flatmap(lambda n: arrays(np.bool_, 2**n))
quick = settings(max_examples=40, deadline=None)


def random_game(n, seed=0):
    return np.random.default_rng(seed).normal(size=2**n)


def linear_game(coefficients, constant=0.0):
    return constant + masks_of(np.arange(2 ** len(coefficients)), len(coefficients)) @ np.asarray(coefficients)


def game_of_sets(n, *sets):
    """Return the flips of a game that flips for exactly these sets of segments."""
    flips = np.zeros(2**n, dtype=bool)
    flips[[index_of(s) for s in sets]] = True
    return flips


def index_of(segments):
    return sum(1 << segment for segment in segments)


def subsets(n, k=None):
    """Return all sets of k of n segments, or all sets."""
    return [set(s) for size in (range(n + 1) if k is None else [k]) for s in combinations(range(n), size)]


def flipping_sets(flips):
    return [s for s in subsets(solution_concepts.n_segments_of(flips)) if flips[index_of(s)]]


def by_shapiq(values, index):
    n = solution_concepts.n_segments_of(values)
    computer = ExactComputer(lambda masks: values[indices_of(np.asarray(masks, dtype=bool))], n)
    result = computer(index, order=1)
    return np.array([result[(segment,)] for segment in range(n)])


@pytest.mark.parametrize("n", [2, 5, 9])
@pytest.mark.parametrize(("ours", "index"), [(solution_concepts.shapley, "SV"), (solution_concepts.banzhaf, "BV")])
def test_attributions_equal_those_of_shapiq(ours, index, n):
    values = random_game(n, seed=n)
    np.testing.assert_allclose(ours(values), by_shapiq(values, index), atol=1e-9)


@quick
@given(games)
def test_attributions_of_any_game_equal_those_of_shapiq(values):
    np.testing.assert_allclose(solution_concepts.shapley(values), by_shapiq(values, "SV"), atol=1e-8)
    np.testing.assert_allclose(solution_concepts.banzhaf(values), by_shapiq(values, "BV"), atol=1e-8)


@quick
@given(games)
def test_shapley_values_add_up_to_the_whole_game(values):
    assert solution_concepts.shapley(values).sum() == pytest.approx(values[-1] - values[0], abs=1e-8)


def test_shapley_values_add_up_for_the_paper_s_twenty_segments():
    values = np.random.default_rng(0).random(2**20)
    assert solution_concepts.shapley(values).sum() == pytest.approx(values[-1] - values[0], abs=1e-11)


def test_banzhaf_value_is_the_mean_change():
    values = random_game(5)
    masks = masks_of(np.arange(32), 5)
    expected = [values[masks[:, i]].mean() - values[~masks[:, i]].mean() for i in range(5)]
    np.testing.assert_allclose(solution_concepts.banzhaf(values), expected, atol=1e-12)


@pytest.mark.parametrize("attribute", [solution_concepts.shapley, solution_concepts.banzhaf])
def test_a_linear_game_is_attributed_its_coefficients(attribute):
    coefficients = np.array([0.3, -1.0, 0.0, 2.5, 7.0, -0.25])
    np.testing.assert_allclose(attribute(linear_game(coefficients, constant=5.0)), coefficients, atol=1e-12)


def test_a_segment_that_never_matters_gets_nothing_and_twins_get_the_same():
    masks = masks_of(np.arange(16), 4)
    values = (masks[:, 0] & masks[:, 1]) + 0.5 * masks[:, 2]
    np.testing.assert_allclose(solution_concepts.shapley(values), [0.5, 0.5, 0.5, 0], atol=1e-12)


def test_attributions_of_flips_are_those_of_numbers():
    flips = np.random.default_rng(3).random(2**7) < 0.4
    np.testing.assert_allclose(solution_concepts.shapley(flips), by_shapiq(flips.astype(float), "SV"), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, bool])
def test_sums_where_on_for_any_type_of_values(dtype):
    values = (np.random.default_rng(0).random(2**9) * 100).astype(dtype)
    masks = masks_of(np.arange(2**9), 9)
    np.testing.assert_allclose(
        solution_concepts.sums_where_on(values), masks.T.astype(float) @ values.astype(float), rtol=1e-12
    )


def test_read_outs_leave_the_game_as_it_was():
    values, flips = random_game(5), random_game(5) > 0
    kept = values.copy(), flips.copy()
    for read_out in (
        solution_concepts.shapley,
        solution_concepts.banzhaf,
        solution_concepts.walsh_spectrum,
        solution_concepts.variance_by_order,
    ):
        read_out(values)
    for read_out in (
        solution_concepts.flip_curve,
        solution_concepts.smallest_flip_sets,
        solution_concepts.minimal_flip_sets,
        solution_concepts.necessary,
    ):
        read_out(flips)
    solution_concepts.within(flips, 3)
    np.testing.assert_array_equal(values, kept[0])
    np.testing.assert_array_equal(flips, kept[1])


def test_sizes():
    assert solution_concepts.sizes(3).tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert solution_concepts.sizes(20)[-1] == 20


@pytest.mark.parametrize("length", [3, 6, 1000])
def test_lengths_that_are_no_power_of_two_are_refused(length):
    with pytest.raises(ValueError, match=f"for n segments, got {length}"):
        solution_concepts.shapley(np.zeros(length))


# --- Walsh spectrum


@quick
@given(games)
def test_walsh_spectrum_equals_its_definition_and_keeps_the_energy(values):
    n = solution_concepts.n_segments_of(values)
    masks = masks_of(np.arange(2**n), n).astype(int)
    signs = (-1.0) ** (masks @ masks.T)
    spectrum = solution_concepts.walsh_spectrum(values)
    np.testing.assert_allclose(spectrum, signs @ values / 2**n, atol=1e-9)
    np.testing.assert_allclose(signs @ spectrum, values, atol=1e-9)
    assert (spectrum**2).sum() == pytest.approx((values**2).mean(), rel=1e-9, abs=1e-12)


@quick
@given(games)
def test_variances_by_order_add_up_to_the_variance(values):
    by_order = solution_concepts.variance_by_order(values)
    assert by_order.shape == (solution_concepts.n_segments_of(values),)
    assert np.all(by_order >= 0)
    assert by_order.sum() == pytest.approx(values.var(), rel=1e-7, abs=1e-7)


def test_variance_of_known_games_has_the_order_of_their_interactions():
    masks = masks_of(np.arange(2**5), 5)
    signs = 1 - 2.0 * masks
    np.testing.assert_allclose(
        solution_concepts.variance_by_order(linear_game([1, 2, 0, 0, 3])), [14 / 4, 0, 0, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose(
        solution_concepts.variance_by_order(signs[:, [0, 2, 3]].prod(axis=1)), [0, 0, 1, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose(solution_concepts.variance_by_order(np.full(32, 0.7)), 0, atol=1e-15)


def test_first_order_share_is_the_best_r2_of_an_additive_surrogate():
    values = random_game(6, seed=4)
    design = np.column_stack([np.ones(64), masks_of(np.arange(64), 6)])
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    share = solution_concepts.variance_by_order(values)[0] / values.var()
    assert share == pytest.approx(1 - residual.var() / values.var(), abs=1e-12)


# --- Flips


@quick
@given(flip_games)
def test_flip_curve_equals_counting_over_all_sets(flips):
    n = solution_concepts.n_segments_of(flips)
    curve = solution_concepts.flip_curve(flips)
    for k in range(n + 1):
        of_k = [flips[index_of(s)] for s in subsets(n, k)]
        assert curve.best[k] == any(of_k)
        assert curve.worst[k] == all(of_k)
        assert curve.mean[k] == pytest.approx(np.mean(of_k))


def test_flip_curve_of_twenty_segments_counts_right():
    curve = solution_concepts.flip_curve(solution_concepts.sizes(20) >= 7)
    np.testing.assert_array_equal(curve.best, np.arange(21) >= 7)
    np.testing.assert_array_equal(curve.worst, curve.best)
    np.testing.assert_array_equal(curve.mean, curve.best.astype(float))


@quick
@given(flip_games, st.randoms(use_true_random=False))
def test_flips_along_a_ranking_are_looked_up(flips, random):
    n = solution_concepts.n_segments_of(flips)
    ranking = random.sample(range(n), random.randint(1, n))
    expected = [flips[index_of(ranking[: k + 1])] for k in range(len(ranking))]
    np.testing.assert_array_equal(solution_concepts.flips_along(flips, np.array(ranking)), expected)


@quick
@given(flip_games)
def test_smallest_and_minimal_flip_sets_and_their_core_equal_search(flips):
    n = solution_concepts.n_segments_of(flips)
    flipping = flipping_sets(flips)
    size = min((len(s) for s in flipping), default=None)
    smallest = [s for s in flipping if len(s) == size]
    minimal = [s for s in flipping if not any(other < s for other in flipping)]
    assert solution_concepts.smallest_flip_sets(flips).tolist() == sorted(map(index_of, smallest))
    assert solution_concepts.minimal_flip_sets(flips).tolist() == sorted(map(index_of, minimal))
    in_all = [i for i in range(n) if smallest and all(i in s for s in smallest)]
    assert solution_concepts.core(solution_concepts.smallest_flip_sets(flips)) == index_of(in_all)


@quick
@given(flip_games)
def test_necessary_segments_are_those_without_which_the_rest_does_not_flip(flips):
    n = solution_concepts.n_segments_of(flips)
    everything = set(range(n))
    expected = [flips[-1] and not flips[index_of(everything - {i})] for i in range(n)]
    np.testing.assert_array_equal(solution_concepts.necessary(flips), expected)


@quick
@given(flip_games, st.integers(0, 2**6 - 1))
def test_within_leaves_flips_only_of_subsets(flips, allowed):
    n = solution_concepts.n_segments_of(flips)
    allowed &= 2**n - 1
    expected = [s for s in flipping_sets(flips) if s <= {i for i in range(n) if allowed >> i & 1}]
    assert np.flatnonzero(solution_concepts.within(flips, allowed)).tolist() == sorted(map(index_of, expected))


def test_a_game_that_is_not_monotone():
    # {0} flips, adding 1 undoes it, {1, 2} flips, and so does {0, 1, 2}: minimal sets of different sizes.
    flips = game_of_sets(3, {0}, {1, 2}, {0, 1, 2})
    assert solution_concepts.smallest_flip_sets(flips).tolist() == [0b001]
    assert solution_concepts.minimal_flip_sets(flips).tolist() == [0b001, 0b110]
    assert solution_concepts.core(solution_concepts.smallest_flip_sets(flips)) == 0b001
    assert solution_concepts.necessary(flips).tolist() == [False, True, True]
    curve = solution_concepts.flip_curve(flips)
    assert curve.best.tolist() == [False, True, True, True]
    assert curve.worst.tolist() == [False, False, False, True]
    np.testing.assert_allclose(curve.mean, [0, 1 / 3, 1 / 3, 1])


def test_smallest_sets_without_a_common_segment_have_no_core():
    assert solution_concepts.core(solution_concepts.smallest_flip_sets(game_of_sets(4, {0, 1}, {2, 3}))) == 0


def test_all_sets_flip_but_the_whole_does_not_makes_nothing_necessary():
    flips = np.ones(16, dtype=bool)
    flips[-1] = False
    assert not solution_concepts.necessary(flips).any()


@pytest.mark.parametrize("n", [1, 4])
def test_nothing_flips(n):
    flips = np.zeros(2**n, dtype=bool)
    curve = solution_concepts.flip_curve(flips)
    assert not curve.best.any()
    assert not curve.worst.any()
    assert not curve.mean.any()
    assert solution_concepts.smallest_flip_sets(flips).shape == solution_concepts.minimal_flip_sets(flips).shape == (0,)
    assert solution_concepts.core(solution_concepts.smallest_flip_sets(flips)) == 0
    assert not solution_concepts.necessary(flips).any()


def test_the_empty_set_flips():
    flips = game_of_sets(3, set(), {0}, {1, 2})
    assert solution_concepts.smallest_flip_sets(flips).tolist() == solution_concepts.minimal_flip_sets(flips).tolist() == [0]
    assert solution_concepts.core(solution_concepts.smallest_flip_sets(flips)) == 0
    assert solution_concepts.flip_curve(flips).best.tolist() == [True, True, True, False]


def test_all_games_of_two_segments_by_enumeration():
    for flips in map(np.array, product([False, True], repeat=4)):
        minimal = [i for i in range(4) if flips[i] and not any(flips[j] for j in range(4) if j != i and j & i == j)]
        assert solution_concepts.minimal_flip_sets(flips).tolist() == minimal
