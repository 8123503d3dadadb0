"""LIME compared with closed forms, a slow weighted ridge regression, and the published implementation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from veracity.detector.decisions import flipped
from veracity.errors import ConfigError
from veracity.explainers.lime import LimeSettings, fit_exact, fit_sampled, kernel, ranking, sample_masks
from veracity.games.game import fill_game
from veracity.games.grid import SegmentGrid, indices_of, masks_of
from veracity.games.models import network_evaluator
from veracity.labels import direction_title, opposite, towards

PUBLISHED = [(start, fill) for start in (40, 140) for fill in ("mean", "zero", "min")]


def all_masks(n):
    return masks_of(np.arange(2**n), n)


def random_game(n, seed=0):
    return np.random.default_rng(seed).random(2**n)


def bent_game(n, seed=0):
    """Return P(sing) similar to that of a network: a sigmoid of effects and interactions."""
    rng = np.random.default_rng(seed)
    masks = all_masks(n)
    pairs = rng.normal(size=(n, n)) / 2
    return 1 / (1 + np.exp(-(masks @ rng.normal(size=n) + np.einsum("mi,ij,mj->m", masks, pairs, masks) - 0.5)))


def weighted_ridge(masks, p_sing, width, alpha):
    """Fit by the normal equations with an unpenalised column of ones, without assumptions about the masks."""
    n = masks.shape[1]
    weight = [np.exp(-((1 - np.sqrt(mask.sum() / n)) ** 2) / (2 * width**2)) for mask in masks]
    design = np.column_stack([masks.astype(float), np.ones(len(masks))])
    penalty = np.diag([alpha] * n + [0])
    solution = np.linalg.solve(design.T @ (design * np.array(weight)[:, None]) + penalty, design.T @ (weight * p_sing))
    return solution[:-1], solution[-1], r2_score(p_sing, design @ solution, sample_weight=weight)


def assert_same_fit(fit, other, atol):
    np.testing.assert_allclose(fit.weights, other.weights, atol=atol)
    for name in ("intercept", "fidelity", "local_prediction"):
        assert getattr(fit, name) == pytest.approx(getattr(other, name), abs=atol), name


# --- Neighbourhood


def test_kernel_of_the_paper():
    weights = kernel(20, 0.25)
    for m in range(21):
        assert weights[m] == pytest.approx(np.exp(-((1 - np.sqrt(m / 20)) ** 2) / (2 * 0.25**2)))
    assert weights[0] == pytest.approx(3.35e-4, rel=2e-3)  # the empty mask has distance 1
    assert weights[20] == 1
    assert np.all(np.diff(weights) > 0)


def test_kernel_distance_is_that_of_cosine():
    for mask in all_masks(6)[1:]:
        cosine = mask.sum() / (np.linalg.norm(mask) * np.linalg.norm(np.ones(6)))
        assert kernel(6, 0.4)[mask.sum()] == pytest.approx(np.exp(-((1 - cosine) ** 2) / (2 * 0.4**2)))


def test_sampled_masks_are_fair_independent_bits_after_a_first_row_of_ones():
    masks = sample_masks(np.random.default_rng(0), 8192, 20)
    assert masks.shape == (8192, 20)
    assert masks.dtype == bool
    assert masks[0].all()
    assert not masks[1:].all(axis=1).all()
    correlations = np.corrcoef(masks[1:].T.astype(float))
    np.testing.assert_allclose(masks.mean(axis=0), 0.5, atol=5 * 0.5 / np.sqrt(8192))
    np.testing.assert_allclose(correlations - np.eye(20), 0, atol=5 / np.sqrt(8192))


def test_sampled_masks_depend_on_the_generator_only():
    first, again, other = (sample_masks(np.random.default_rng(seed), 50, 20) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# --- Exact LIME


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 7),
    width=st.floats(0.15, 2),
    alpha=st.floats(1e-3, 100),
    seed=st.integers(0, 1000),
)
def test_exact_fit_equals_the_normal_equations_over_all_masks(n, width, alpha, seed):
    p_sing = random_game(n, seed)
    fit = fit_exact(p_sing, kernel_width=width, alpha=alpha, n_samples=None)
    weights, intercept, fidelity = weighted_ridge(all_masks(n), p_sing, width, alpha)
    np.testing.assert_allclose(fit.weights, weights, atol=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-9)
    assert fit.fidelity == pytest.approx(fidelity, abs=1e-9)
    assert fit.local_prediction == pytest.approx(intercept + weights.sum(), abs=1e-9)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_exact_fit_equals_a_fit_of_all_masks_as_if_sampled(n):
    p_sing = bent_game(n)
    assert_same_fit(fit_exact(p_sing, n_samples=None), fit_sampled(all_masks(n), p_sing), 1e-10)
    assert_same_fit(fit_exact(p_sing, n_samples=2**n), fit_sampled(all_masks(n), p_sing), 1e-10)


def test_penalty_shrinks_as_in_a_sampled_fit_of_that_size():
    p_sing = bent_game(8)
    repeated = np.tile(np.arange(256), 3)
    sampled = fit_sampled(all_masks(8)[repeated], p_sing[repeated], alpha=2.0)
    assert_same_fit(fit_exact(p_sing, alpha=2.0, n_samples=768), sampled, 1e-10)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_a_linear_game_is_told_its_coefficients_as_the_penalty_vanishes(n):
    coefficients = np.random.default_rng(n).normal(size=n) / n
    fit = fit_exact(0.3 + all_masks(n) @ coefficients, alpha=1e-9)
    np.testing.assert_allclose(fit.weights, coefficients, atol=1e-7)
    assert fit.intercept == pytest.approx(0.3, abs=1e-7)
    assert fit.fidelity == pytest.approx(1, abs=1e-7)
    assert fit.local_prediction == pytest.approx(0.3 + coefficients.sum(), abs=1e-7)


def test_a_sampled_linear_game_is_told_its_coefficients_as_the_penalty_vanishes():
    masks = sample_masks(np.random.default_rng(0), 100, 6)
    coefficients = np.array([0.1, -0.2, 0.05, 0, 0.3, 0.01])
    fit = fit_sampled(masks, 0.4 + masks @ coefficients, alpha=1e-9)
    np.testing.assert_allclose(fit.weights, coefficients, atol=1e-8)
    assert fit.fidelity == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.3, 0.7, 1 / 3, 1.0])
def test_a_constant_game_has_no_weights_and_is_fitted_perfectly(constant):
    p_sing = np.full(64, constant)
    for fit in (fit_exact(p_sing), fit_sampled(all_masks(6), p_sing)):
        np.testing.assert_array_equal(fit.weights, 0)
        assert fit.intercept == fit.local_prediction == pytest.approx(constant)
        assert fit.fidelity == 1


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("near", [0, 1])
def test_saturated_predictions_keep_their_fidelity(scale, near):
    steps = np.random.default_rng(0).random(256)
    expected = fit_exact(steps, n_samples=None)
    masks = all_masks(8)
    p_sing = near + (1 - 2 * near) * scale * steps
    lost_digits = 1e-15 / scale if near else 1e-12
    for fit in (fit_exact(p_sing, n_samples=None), fit_sampled(masks, p_sing)):
        assert fit.fidelity == pytest.approx(expected.fidelity, abs=1e-12 + 10 * lost_digits)
        np.testing.assert_allclose(np.abs(fit.weights) / scale, np.abs(expected.weights), atol=1e-12 + 10 * lost_digits)


def test_a_huge_penalty_leaves_the_weighted_mean_only():
    p_sing = bent_game(7)
    fit = fit_exact(p_sing, alpha=1e12, n_samples=None)
    np.testing.assert_allclose(fit.weights, 0, atol=1e-9)
    assert fit.fidelity == pytest.approx(0, abs=1e-9)
    weight = kernel(7, 0.25)[all_masks(7).sum(axis=1)]
    assert fit.intercept == pytest.approx(np.average(p_sing, weights=weight), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 8), width=st.floats(0.1, 3), alpha=st.floats(1e-6, 1e4), seed=st.integers(0, 1000))
def test_fidelity_lies_between_zero_and_one(n, width, alpha, seed):
    # In-sample, with an unpenalised intercept, a ridge fit is never worse than the mean.
    p_sing = random_game(n, seed)
    assert -1e-12 <= fit_exact(p_sing, kernel_width=width, alpha=alpha).fidelity <= 1 + 1e-12
    rng = np.random.default_rng(seed)
    masks = sample_masks(rng, 30, n)
    assert -1e-12 <= fit_sampled(masks, p_sing[indices_of(masks)], kernel_width=width, alpha=alpha).fidelity <= 1 + 1e-12


def test_exact_fit_leaves_the_game_as_it_was():
    p_sing = bent_game(5)
    kept = p_sing.copy()
    fit_exact(p_sing)
    np.testing.assert_array_equal(p_sing, kept)


# --- Sampled LIME


def test_sampled_fit_equals_sklearn_and_its_score():
    masks = sample_masks(np.random.default_rng(1), 300, 8)
    p_sing = bent_game(8)[indices_of(masks)]
    weight = np.exp(-((1 - np.sqrt(masks.mean(axis=1))) ** 2) / (2 * 0.3**2))
    surrogate = Ridge(alpha=0.7).fit(masks, p_sing, sample_weight=weight)
    fit = fit_sampled(masks, p_sing, kernel_width=0.3, alpha=0.7)
    np.testing.assert_allclose(fit.weights, surrogate.coef_, atol=1e-10)
    assert fit.intercept == pytest.approx(surrogate.intercept_, abs=1e-10)
    assert fit.fidelity == pytest.approx(surrogate.score(masks, p_sing, sample_weight=weight), abs=1e-10)
    assert fit.local_prediction == pytest.approx(surrogate.predict(np.ones((1, 8)))[0], abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 6),
    n_samples=st.integers(2, 60),
    width=st.floats(0.15, 2),
    alpha=st.floats(1e-2, 100),
    seed=st.integers(0, 999),
)
def test_sampled_fit_equals_the_normal_equations(n, n_samples, width, alpha, seed):
    rng = np.random.default_rng(seed)
    masks, p_sing = sample_masks(rng, n_samples, n), rng.random(n_samples)
    fit = fit_sampled(masks, p_sing, kernel_width=width, alpha=alpha)
    weights, intercept, fidelity = weighted_ridge(masks, p_sing, width, alpha)
    np.testing.assert_allclose(fit.weights, weights, atol=1e-8)
    assert fit.intercept == pytest.approx(intercept, abs=1e-8)
    assert fit.fidelity == pytest.approx(fidelity, abs=1e-8)


def test_sampled_lime_converges_to_the_exact_one_as_one_over_the_root_of_n():
    p_sing = bent_game(10, seed=2)
    sizes, repeats = [256, 1024, 4096, 16384], 16
    errors = []
    for n_samples in sizes:
        exact = fit_exact(p_sing, n_samples=n_samples).weights
        squares = []
        for repeat in range(repeats):
            masks = sample_masks(np.random.default_rng([n_samples, repeat]), n_samples, 10)
            squares.append(np.mean((fit_sampled(masks, p_sing[indices_of(masks)]).weights - exact) ** 2))
        errors.append(np.sqrt(np.mean(squares)))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
    assert errors[-1] < 0.1 * np.sqrt(np.mean(exact**2))


def test_sampled_lime_has_no_bias_besides_its_shrinkage():
    p_sing = bent_game(6, seed=5)
    fits = []
    for repeat in range(200):
        masks = sample_masks(np.random.default_rng(repeat), 512, 6)
        fits.append(fit_sampled(masks, p_sing[indices_of(masks)]).weights)
    standard_error = np.std(fits, axis=0) / np.sqrt(len(fits))
    exact = fit_exact(p_sing, n_samples=512).weights
    # 6 standard errors, and the bias from the extra row of ones and the finite sample
    np.testing.assert_array_less(np.abs(np.mean(fits, axis=0) - exact), 6 * standard_error + 0.01 * np.abs(exact).max())


# --- Both labels


def test_ranking_for_both_labels():
    weights = np.array([0.1, -0.3, 0.0, 0.7, -0.05])
    assert ranking(weights, "sing").tolist() == [3, 0, 2, 4, 1]
    assert ranking(weights, "nosing").tolist() == [1, 4, 2, 0, 3]


def test_ranking_works_along_the_last_axis_and_breaks_ties_by_index():
    weights = np.array([[[0.5, 0.5, 1.0]], [[0.0, 0.0, 0.0]]])
    assert ranking(weights, "sing").tolist() == [[[2, 0, 1]], [[0, 1, 2]]]
    assert ranking(weights, "nosing").tolist() == [[[0, 1, 2]], [[0, 1, 2]]]


def test_explaining_no_sing_is_explaining_the_complement():
    p_sing = bent_game(7)
    fit, complement = fit_exact(p_sing), fit_exact(1 - p_sing)
    np.testing.assert_allclose(complement.weights, -fit.weights, atol=1e-12)
    assert complement.fidelity == pytest.approx(fit.fidelity, abs=1e-12)
    np.testing.assert_array_equal(ranking(complement.weights, "sing"), ranking(fit.weights, "nosing"))


def test_decisions_are_strict():
    np.testing.assert_array_equal(flipped(np.array([0.4, 0.5, 0.6]), 0.5, True), [True, True, False])
    np.testing.assert_array_equal(flipped(np.array([0.4, 0.5, 0.6]), 0.5, False), [False, False, True])


@pytest.mark.parametrize("label", ["no sing", "Sing", "", None, True, ["sing"], "no_sing"])
def test_labels_that_there_are_not_are_refused(label):
    weights = np.array([0.5, -0.1, 0.0])
    for function in (lambda x: ranking(weights, x), towards, opposite, direction_title):
        with pytest.raises(ConfigError, match=r"^label: must be nosing or sing, got"):
            function(label)


def test_labels_in_words():
    assert (opposite("sing"), opposite("nosing"), opposite(np.str_("sing"))) == ("nosing", "sing", "nosing")
    assert direction_title("nosing") == "“no sing” → “sing”"


def test_more_samples_than_memory_holds_are_refused_with_what_they_would_take():
    with pytest.raises(
        ConfigError, match=r"would require 5.59e\+05 GiB .* on 20 segments, got 1000000000000\. Choose at most 28633115"
    ):
        LimeSettings(n_samples=10**12)
    LimeSettings(n_samples=28633115)
    with pytest.raises(ConfigError, match="would require 16 GiB"):
        LimeSettings(n_samples=28633116)
    for few in (1, 0, -5, 2.5, "8192", True, None):
        with pytest.raises(ConfigError, match=r"lime.n_samples: .*, got .*\. (Give a whole number of at least 2|Write 8192)"):
            LimeSettings(n_samples=few)
    with pytest.raises(ConfigError, match="of memory"):
        LimeSettings(n_samples=10**5000)


# --- The published implementation


def published_masks(published, start, fill):
    return np.unpackbits(published[f"lime/{start}/{fill}/masks"], axis=1)[:, :20].astype(bool)


@pytest.mark.parametrize(("start", "fill"), PUBLISHED)
def test_published_fits_of_given_predictions(published, start, fill):
    known = {name: published[f"lime/{start}/{fill}/{name}"] for name in ("p_sing", "weights", "intercept", "fidelity")}
    fit = fit_sampled(published_masks(published, start, fill), known["p_sing"])
    np.testing.assert_allclose(fit.weights, known["weights"], atol=1e-6)
    assert fit.intercept == pytest.approx(float(known["intercept"]), abs=1e-6)
    assert fit.fidelity == pytest.approx(float(known["fidelity"]), abs=1e-6)
    assert fit.local_prediction == pytest.approx(published[f"lime/{start}/{fill}/local_prediction"].item(), abs=1e-6)


@pytest.mark.parametrize(("start", "fill"), PUBLISHED)
def test_published_fits_of_no_sing_are_the_same_with_opposite_sign(published, start, fill):
    name = f"lime/{start}/{fill}"
    fit = fit_sampled(published_masks(published, start, fill), published[f"{name}/p_sing"])
    np.testing.assert_allclose(-fit.weights, published[f"{name}/weights_nosing"], atol=1e-6)
    assert fit.fidelity == pytest.approx(published[f"{name}/fidelity_nosing"].item(), abs=1e-6)
    np.testing.assert_array_equal(ranking(fit.weights, "nosing"), ranking(published[f"{name}/weights_nosing"], "sing"))


@pytest.mark.parametrize(("start", "fill"), PUBLISHED)
def test_published_explanations_of_given_masks(published, real_detector, start, fill):
    excerpt = torch.as_tensor(published["log_mel_padded"][start : start + 115])
    grid = SegmentGrid()
    masks = published_masks(published, start, fill)
    evaluator = network_evaluator(real_detector.detector.network(), grid)
    p_sing = next(evaluator.probabilities([fill_game(excerpt, grid, fill)], masks))
    np.testing.assert_allclose(p_sing, published[f"lime/{start}/{fill}/p_sing"], atol=1e-4)
    np.testing.assert_allclose(fit_sampled(masks, p_sing).weights, published[f"lime/{start}/{fill}/weights"], atol=1e-4)
