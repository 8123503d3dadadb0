"""Statistics over songs: hand-computed cases, coverage of intervals, exact p of sign flips."""

import itertools

import numpy as np
import pytest

from veracity.results.over_songs import EXACT_FLIPS, estimate, ratio, sign_flip_tests


def rng(seed=0):
    return np.random.default_rng(seed)


def test_few_songs_get_students_interval():
    found = estimate(np.array([1.0, 2.0, 4.0, np.nan]), rng())
    # mean 7/3, standard deviation 1.5275, t(2; 0.975) 4.3027: 7/3 +- 4.3027 * 1.5275 / sqrt(3)
    assert (found.n, found.mean) == (3, pytest.approx(7 / 3))
    assert (found.low, found.high) == (pytest.approx(-1.4612, abs=1e-3), pytest.approx(6.1279, abs=1e-3))
    clipped = estimate(np.array([0.9, 1.0, 0.2]), rng(), bounds=(0, 1))
    assert clipped.high == 1
    assert clipped.low == 0


def test_songs_that_agree_or_are_missing_have_no_interval():
    for songs, mean, n in (([0.5] * 12, 0.5, 12), ([0.3], 0.3, 1), ([np.nan], np.nan, 0), ([], np.nan, 0)):
        found = estimate(np.array(songs), rng())
        np.testing.assert_equal([found.mean, found.low, found.high, found.n], [mean, np.nan, np.nan, n])


@pytest.mark.parametrize("n", [5, 15])
def test_intervals_cover_what_they_promise(n):
    draws = rng(1)
    hits = 0
    for _ in range(150):
        found = estimate(draws.normal(0.3, 1, n), draws)
        hits += found.low <= 0.3 <= found.high
    assert hits / 150 > 0.88  # nominal 95 %


def test_a_ratio_pools_its_songs():
    found = ratio(np.array([3, 0, 5, 1]), np.array([4, 0, 10, 1]), rng())
    assert (found.mean, found.n) == (9 / 15, 3)
    # By hand: deviations 0.6, -1, 0.4 over the mean total 5; t(2; 0.975) 4.3027 times their standard error, clipped.
    deviations = np.array([3 - 0.6 * 4, 5 - 0.6 * 10, 1 - 0.6 * 1]) / 5
    half = 4.3027 * deviations.std(ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == (pytest.approx(0.6 - half, abs=1e-3), pytest.approx(min(1, 0.6 + half), abs=1e-3))
    assert ratio(np.array([0.0]), np.array([0.0]), rng()).n == 0


def test_p_of_sign_flips_is_exact():
    songs = rng(2).normal(0.6, 1, 8)

    def t(x):
        return x.mean() / np.sqrt(((x**2).mean() - x.mean() ** 2) / len(x))

    flips = [abs(t(np.array(signs) * songs)) for signs in itertools.product([1, -1], repeat=8)]
    expected = np.mean(np.array(flips) >= abs(t(songs)) - 1e-9)
    found = sign_flip_tests(songs[None], rng())
    assert found.p[0] == pytest.approx(expected)
    assert found.p_max_t[0] == found.p[0] == found.p_holm[0]


def test_the_smallest_p_is_that_of_the_songs():
    agreed = np.array([0.5, 0.6, 0.4, 0.55, 0.45, 0.5])
    assert sign_flip_tests(agreed[None], rng()).p[0] == 2 / 2**6
    assert np.isnan(sign_flip_tests(agreed[None, :5], rng()).p[0])  # 5 songs cannot be significant: nothing is tested


def test_many_rows_are_adjusted():
    songs = rng(3).normal(size=(6, 9))
    songs[0] += 2
    found = sign_flip_tests(songs, rng())
    assert (found.p_max_t >= found.p - 1e-12).all()
    order = np.argsort(found.p)
    holm = np.maximum.accumulate(np.minimum(1, found.p[order] * (6 - np.arange(6))))
    np.testing.assert_allclose(found.p_holm[order], holm)
    # Signs of a song are the same in all rows: rows that say the same have the p of one.
    same = sign_flip_tests(np.tile(songs[0], (4, 1)), rng())
    np.testing.assert_allclose(same.p_max_t, same.p)


def test_more_songs_than_can_be_flipped_exactly_are_sampled():
    songs = rng(4).normal(1, 0.5, EXACT_FLIPS + 5)
    p = sign_flip_tests(songs[None], rng()).p[0]
    assert 0 < p < 0.01


@pytest.mark.parametrize("n", [4, 12])
def test_intervals_of_ratios_cover_what_they_promise(n):
    draws, hits = rng(5), 0
    for _ in range(150):
        totals = draws.integers(3, 9, n)
        found = ratio(draws.binomial(totals, 0.5), totals, draws)
        hits += bool(np.isnan(found.low)) or found.low <= 0.5 <= found.high
    assert hits / 150 > 0.88
