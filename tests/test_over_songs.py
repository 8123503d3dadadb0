"""Statistics over songs: hand-computed cases, coverage of intervals, exact p of sign flips."""

import itertools

import numpy as np
import pytest

from veracity.results.over_songs import EXACT_FLIPS, bootstrap_ratio, estimate, ratio, sign_flip_tests


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
    below = ratio(np.array([-3, 1, -5]), np.array([4, 2, 10]), rng(), bounds=(-np.inf, 1))
    assert below.mean == -7 / 16
    assert below.low < -0.5


def test_p_of_sign_flips_is_exact():
    songs = rng(2).normal(0.6, 1, 8)

    def t(x):
        return x.mean() / np.sqrt(((x**2).mean() - x.mean() ** 2) / len(x))

    flips = [abs(t(np.array(signs) * songs)) for signs in itertools.product([1, -1], repeat=8)]
    expected = np.mean(np.array(flips) >= abs(t(songs)) - 1e-9)
    found = sign_flip_tests(songs[None], rng())
    assert found.p[0] == pytest.approx(expected)
    assert found.p_adjusted[0] == found.p[0]


def test_the_smallest_p_is_that_of_the_songs():
    agreed = np.array([0.5, 0.6, 0.4, 0.55, 0.45, 0.5])
    assert sign_flip_tests(agreed[None], rng()).p[0] == 2 / 2**6
    assert np.isnan(sign_flip_tests(agreed[None, :5], rng()).p[0])  # 5 songs cannot be significant, so nothing is tested


def in_integers(rows):
    """Return p and step-down min-P of rows of whole numbers by definition, with every sign flip in exact arithmetic."""
    flips = list(itertools.product([1, -1], repeat=len(rows[0])))
    sums = [[abs(sum(sign * x for sign, x in zip(flip, row, strict=True))) for flip in flips] for row in rows]
    own = [[sum(other >= one for other in row) for one in row] for row in sums]  # p of each flip, in counts
    p = [row[0] for row in own]  # the first flip is none
    adjusted = {}
    for i in sorted(range(len(rows)), key=lambda i: p[i]):
        remaining = [j for j in range(len(rows)) if j not in adjusted]
        count = sum(min(own[j][b] for j in remaining) <= p[i] for b in range(len(flips)))
        adjusted[i] = max([count, *adjusted.values()])
    return [count / len(flips) for count in p], [adjusted[i] / len(flips) for i in range(len(rows))]


def test_p_values_of_tied_scores_equal_those_of_exact_arithmetic():
    draws = rng(6)
    for case in range(40):
        whole = draws.integers(-3, 7, size=(int(draws.integers(1, 6)), int(draws.integers(6, 9))))
        if case % 4 == 0:
            whole[0] = draws.integers(1, 4)  # all songs agree
        scores = draws.random(whole.shape[1]).round(1)
        found = sign_flip_tests((scores + whole / 10) - scores, rng())  # tenths with the rounding of a difference of scores
        p, adjusted = in_integers(whole.tolist())
        np.testing.assert_allclose(found.p, p, rtol=1e-12)
        np.testing.assert_allclose(found.p_adjusted, adjusted, rtol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7, 1e-3, 1e3])
def test_p_of_songs_that_all_agree_is_the_smallest_possible(value):
    for n in (6, 8, 15):
        found = sign_flip_tests(np.full((2, n), value), rng())
        assert (found.p == 2 / 2**n).all()
        assert (found.p_adjusted == 2 / 2**n).all()


def test_p_without_any_difference_is_one():
    assert sign_flip_tests(np.zeros((2, 8)), rng()).p_adjusted.tolist() == [1, 1]


def test_a_song_without_a_pair_changes_no_p():
    whole = np.array([[1, 2, -1, 3, 2, 2, 1], [2, 2, 1, -1, 0, 1, 3]])
    rows = np.concatenate([whole / 10, np.full((2, 1), np.nan)], axis=1)
    p, adjusted = in_integers(whole.tolist())
    found = sign_flip_tests(rows, rng())
    np.testing.assert_allclose([found.p, found.p_adjusted], [p, adjusted])


def test_adjusted_p_controls_the_error_over_all_rows():
    draws, rejected = rng(7), 0
    for _ in range(200):
        rejected += (sign_flip_tests(draws.normal(size=(10, 8)), draws).p_adjusted <= 0.05).any()
    assert rejected / 200 < 0.1  # nominal 5 %; without adjustment 40 %


def test_adjusted_p_is_never_above_that_of_holm():
    """So what docs/findings.md calls significant by Holm stays so."""
    draws, below = rng(9), 0
    for _ in range(20):
        differences = draws.normal(0.6, 1, size=(8, 9)) + draws.normal(size=9)
        found = sign_flip_tests(differences, rng())
        order = np.argsort(found.p, kind="stable")
        holm = np.maximum.accumulate(np.minimum(1, found.p[order] * (8 - np.arange(8))))
        assert (found.p_adjusted[order] <= holm + 1e-12).all()
        below += (found.p_adjusted[order] < holm - 1e-12).any()
    assert below


def test_adjusted_p_of_rows_that_say_the_same_is_that_of_one():
    songs = rng(3).normal(0.6, 1, size=(6, 9))
    found = sign_flip_tests(songs, rng())
    assert (found.p_adjusted >= found.p).all()
    assert (np.diff(found.p_adjusted[np.argsort(found.p)]) >= 0).all()
    same = sign_flip_tests(np.tile(songs[0], (4, 1)), rng())
    np.testing.assert_array_equal(same.p_adjusted, same.p)


def test_intervals_of_tied_scores_equal_those_of_whole_numbers():
    draws = rng(8)
    for seed in range(30):
        whole, totals = draws.integers(0, 11, size=12), draws.integers(1, 6, size=12)
        if not np.ptp(whole):
            continue
        # Sums of whole numbers are exact and those of tenths are not, but the same resamples must be tied.
        tenths, exact = (estimate(x, rng(seed)) for x in (whole / 10, whole.astype(float)))
        np.testing.assert_allclose([tenths.low, tenths.high], [exact.low / 10, exact.high / 10], rtol=1e-9)
        tenths, exact = (bootstrap_ratio(x, totals, rng(seed)) for x in (whole / 10, whole.astype(float)))
        np.testing.assert_allclose([tenths.low, tenths.high], [exact.low / 10, exact.high / 10], rtol=1e-9)


def test_more_songs_than_can_be_flipped_exactly_are_sampled():
    songs = rng(4).normal(1, 0.5, EXACT_FLIPS + 5)
    p = sign_flip_tests(songs[None], rng()).p[0]
    assert p == pytest.approx(2 / 2**20, abs=2 / 2**EXACT_FLIPS)
    assert p >= 1 / 2**EXACT_FLIPS  # the observed signs are one of the flips


@pytest.mark.parametrize("n", [4, 12])
def test_intervals_of_ratios_cover_what_they_promise(n):
    draws, hits = rng(5), 0
    for _ in range(150):
        totals = draws.integers(3, 9, n)
        found = ratio(draws.binomial(totals, 0.5), totals, draws)
        hits += bool(np.isnan(found.low)) or found.low <= 0.5 <= found.high
    assert hits / 150 > 0.88
