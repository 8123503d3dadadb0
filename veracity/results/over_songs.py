"""Statistics with the song as the unit: song scores are means over excerpts, and estimates are means over songs.

Excerpts of one song are not independent. For `MIN_SONGS_BOOTSTRAP` or more songs, intervals are from a BCa bootstrap over
songs. For fewer, they are t intervals, whose coverage at a nominal 95 % was 94, 94 and 95 % in simulations with 3, 8 and 15
songs (BCa: 77, 91 and 94 %).

Scores take few distinct values, so resampled statistics are often tied with the observed one. Sums of the same numbers differ
in their last digits depending on the order of summation. Statistics are therefore compared after rounding to `DIGITS`
digits, which preserves true ties.

References
----------
B. Efron, "Better bootstrap confidence intervals", JASA 1987. P. H. Westfall and S. S. Young, "Resampling-based multiple
testing", 1993 (step-down min-P: algorithm 2.8). Y. Ge, S. Dudoit and T. P. Speed, "Resampling-based multiple testing for
microarray data analysis", Test 12, 2003.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MIN_SONGS_BOOTSTRAP = 10  # with fewer songs, intervals are t intervals
MIN_SONGS_TEST = 6  # with fewer songs, no test can be significant
N_RESAMPLES = 9999
EXACT_FLIPS = 15  # largest number of songs for which all sign flips are enumerated
INTERVALS = f"95 % intervals over songs (BCa bootstrap for {MIN_SONGS_BOOTSTRAP} or more songs, t for fewer)"
NO_INTERVAL = "none for one song or if all songs agree"
DIGITS = 12  # number of significant digits in comparisons of statistics


@dataclass(frozen=True)
class Estimate:
    """Mean over songs with its 95 % interval; NaN where undetermined.

    Attributes
    ----------
    mean, low, high : float
        Mean, and lower and upper limit of the interval.
    n : int
        Number of songs.
    """

    mean: float
    low: float
    high: float
    n: int


def estimate(songs: np.ndarray, rng: np.random.Generator, *, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """Estimate the mean over songs.

    Parameters
    ----------
    songs : ndarray, shape (n_songs,)
        Score of each song. Songs without a score are NaN and are omitted.
    rng : Generator
        Source of the bootstrap samples.
    bounds : tuple of float
        Range of the score, to which t intervals are clipped; unbounded by default.

    Returns
    -------
    Estimate
        Estimate without an interval if there are fewer than 2 songs or all songs agree.
    """
    from scipy.stats import bootstrap, ttest_1samp

    songs = np.asarray(songs, dtype=np.float64)
    songs = songs[~np.isnan(songs)]
    n = len(songs)
    mean = float(songs.mean()) if n else np.nan
    if n < 2 or np.ptp(songs) < 1e-12:
        return Estimate(mean, np.nan, np.nan, n)
    if n < MIN_SONGS_BOOTSTRAP:
        low, high = ttest_1samp(songs, 0).confidence_interval()
        return Estimate(mean, max(float(low), bounds[0]), min(float(high), bounds[1]), n)
    scale = np.abs(songs).max()

    def averaged(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return _tied(x.mean(axis=axis), scale)

    done = bootstrap((songs,), averaged, vectorized=True, method="BCa", n_resamples=N_RESAMPLES, rng=rng)
    return Estimate(mean, float(done.confidence_interval.low), float(done.confidence_interval.high), n)


def _tied(values: np.ndarray, scale: float) -> np.ndarray:
    """Round values to `DIGITS` digits relative to their scale, so that values that differ only by rounding errors are equal."""
    return np.round(values / scale, DIGITS) * scale


def interval_words(rows: pd.DataFrame) -> list[str]:
    """Return the interval of each row as text, from ``low``, ``high`` and ``n_songs``, or a note if there is none."""
    agree = [f"all {row.n_songs:.0f} songs" if row.n_songs > 1 else "none" for row in rows.itertuples()]
    intervals = [f"{row.low:.3g} to {row.high:.3g}" for row in rows.itertuples()]
    return [words if np.isnan(low) else shown for words, shown, low in zip(agree, intervals, rows.low, strict=True)]


def ratio(
    hits: np.ndarray, totals: np.ndarray, rng: np.random.Generator, *, bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """Estimate a pooled ratio, sum of hits over sum of totals, with an interval over units (songs or artists).

    Parameters
    ----------
    hits, totals : ndarray, shape (n_units,)
        Numerator and denominator of each unit. Units with a total of 0 are omitted.
    rng : Generator
        Source of the bootstrap samples.
    bounds : tuple of float
        Range of the ratio, to which t intervals are clipped; [0, 1] by default.

    Returns
    -------
    Estimate
        Pooled ratio, with the type of interval chosen as in `estimate`.
    """
    from scipy.stats import ttest_1samp

    kept = np.asarray(totals) > 0
    hits, totals = np.asarray(hits, dtype=float)[kept], np.asarray(totals, dtype=float)[kept]
    n = len(totals)
    if not n:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = float(hits.sum() / totals.sum())
    if n < 2 or np.ptp(hits / totals) < 1e-12:
        return Estimate(value, np.nan, np.nan, n)
    if n >= MIN_SONGS_BOOTSTRAP:
        return bootstrap_ratio(hits, totals, rng)
    # t interval of the linearised ratio.
    low, high = ttest_1samp((hits - value * totals) / totals.mean(), 0).confidence_interval()
    return Estimate(value, max(bounds[0], value + float(low)), min(bounds[1], value + float(high)), n)


def bootstrap_ratio(hits: np.ndarray, totals: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Estimate a pooled ratio with a BCa bootstrap over its units.

    The coverage is below the nominal level for fewer than `MIN_SONGS_BOOTSTRAP` units.

    Parameters
    ----------
    hits, totals : ndarray, shape (n_units,)
        Numerator and denominator of each unit; totals must be positive.
    rng : Generator
        Source of the bootstrap samples.

    Returns
    -------
    Estimate
        Pooled ratio with its interval.
    """
    from scipy.stats import bootstrap

    scale = np.abs(hits / totals).max()

    def pooled(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return _tied(a.sum(axis=axis) / b.sum(axis=axis), scale)

    done = bootstrap((hits, totals), pooled, paired=True, vectorized=True, method="BCa", n_resamples=N_RESAMPLES, rng=rng)
    low, high = done.confidence_interval
    return Estimate(float(hits.sum() / totals.sum()), float(low), float(high), len(hits))


def bootstrap_rank_correlation(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Estimate Spearman's rank correlation over rows between two scores that are means over songs.

    Parameters
    ----------
    first, second : ndarray, shape (m, n_songs)
        Scores of each row and song, NaN where missing. Means are over the available songs.
    rng : Generator
        Source of the bootstrap samples.

    Returns
    -------
    Estimate
        Correlation with a percentile bootstrap interval over songs. There is no interval for fewer than `MIN_SONGS_BOOTSTRAP`
        songs, and no estimate for fewer than 3 rows.
    """
    n = first.shape[1]

    def correlation(songs: np.ndarray) -> np.ndarray:
        ranks = [_ranks(np.nanmean(x[:, songs], axis=-1)) for x in (first, second)]  # (m, n_resamples)
        a, b = (x - x.mean(axis=0) for x in ranks)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))

    if len(first) < 3:
        return Estimate(np.nan, np.nan, np.nan, n)
    mean = float(correlation(np.arange(n)[None])[0])
    if n < MIN_SONGS_BOOTSTRAP or np.isnan(mean):
        return Estimate(mean, np.nan, np.nan, n)
    drawn = correlation(rng.integers(n, size=(N_RESAMPLES, n)))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(mean, float(low), float(high), n)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks along the first axis, with mean ranks for ties."""
    from scipy.stats import rankdata

    return rankdata(np.round(values, DIGITS), axis=0)


@dataclass(frozen=True)
class Tests:
    """Tests of the hypothesis that paired differences are 0 on average, one per row.

    Attributes
    ----------
    p : ndarray, shape (m,)
        Two-sided p-values of sign-flip tests; NaN for too few songs.
    p_adjusted : ndarray, shape (m,)
        p-values adjusted for all rows by step-down min-P (Westfall and Young).
    """

    p: np.ndarray
    p_adjusted: np.ndarray


def sign_flip_tests(differences: np.ndarray, rng: np.random.Generator) -> Tests:
    """Test each row of paired differences with sign flips, which are the same for all rows, because the songs are the same.

    The statistic is the absolute sum of a row. The sum of squares of a row does not change under sign flips, so its studentised
    mean orders the flips in the same way.

    Parameters
    ----------
    differences : ndarray, shape (m, n_songs)
        Paired differences. NaN, for a song that lacks one of the two scores, counts as no difference in its row.
    rng : Generator
        Source of random sign flips for more than `EXACT_FLIPS` songs.

    Returns
    -------
    Tests
        p-values; NaN for rows with fewer than `MIN_SONGS_TEST` songs, whose smallest possible p-value exceeds 0.05.
    """
    known = ~np.isnan(differences)
    enough = known.sum(axis=1) >= MIN_SONGS_TEST
    p, p_adjusted = (np.full(len(differences), np.nan) for _ in range(2))
    if not enough.any():
        return Tests(p, p_adjusted)
    rows = np.where(known, differences, 0.0)[enough]
    sums = np.abs(_signs(rows.shape[1], rng) @ rows.T)  # (n_flips, m); the first row is the observed statistic
    scales = np.abs(rows).sum(axis=1)
    sums = np.round(sums / np.where(scales > 0, scales, 1), DIGITS)
    # For each flip, the number of flips with at least its sum: its p-value as a count. Minima over rows are the null of min-P.
    ordered = np.sort(sums, axis=0)
    reach = np.stack([len(sums) - np.searchsorted(a, b) for a, b in zip(ordered.T, sums.T, strict=True)])
    p[enough] = reach[:, 0] / len(sums)
    p_adjusted[enough] = _step_down(reach) / len(sums)
    return Tests(p, p_adjusted)


def _signs(n_songs: int, rng: np.random.Generator) -> np.ndarray:
    """Return sign flips, shape (n_flips, n_songs), with the identity first.

    If all flips are enumerated, only one of each pair that differs in all signs is included.
    """
    if n_songs > EXACT_FLIPS:
        drawn = rng.choice([-1.0, 1.0], size=(2**EXACT_FLIPS - 1, n_songs))
        return np.concatenate([np.ones((1, n_songs)), drawn])
    return 1.0 - 2.0 * (np.arange(2 ** (n_songs - 1))[:, None] >> np.arange(n_songs) & 1)


def _step_down(reach: np.ndarray) -> np.ndarray:
    """Adjust the p-values of many rows by step-down min-P.

    Parameters
    ----------
    reach : ndarray of int, shape (m, n_flips)
        Number of flips that reach the statistic of each flip in each row; the first flip is the identity.

    Returns
    -------
    ndarray of int, shape (m,)
        Number of flips with a p-value at most as large as the row's, in the row or in any row with a larger p-value. It does
        not decrease with increasing p-value.
    """
    order = np.argsort(reach[:, 0], kind="stable")
    smallest = np.minimum.accumulate(reach[order[::-1]], axis=0)[::-1]  # over a row and all rows with a larger p-value
    counts = (smallest <= reach[order, :1]).sum(axis=1)
    adjusted = np.empty(len(reach), dtype=counts.dtype)
    adjusted[order] = np.maximum.accumulate(counts)
    return adjusted
