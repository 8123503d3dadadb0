"""Games and their direct evaluation, and audits; test_grid.py, test_tables.py and test_models.py contain further tests."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_detector

from veracity.detector.decisions import probability
from veracity.errors import AuditError, ConfigError
from veracity.games.evaluators import DirectEvaluator, Evaluator, audit, checked_for_all
from veracity.games.game import Game, fill_game
from veracity.games.grid import SegmentGrid, indices_of, masks_of
from veracity.games.models import network_evaluator

GRID = SegmentGrid(3, 2, 7, 5)


def random_excerpt(seed=0, grid=GRID):
    return torch.randn(grid.n_frames, grid.n_mels, generator=torch.Generator().manual_seed(seed)) * 2 - 3


def random_game(seed=0, grid=GRID):
    return Game(random_excerpt(seed, grid), random_excerpt(seed + 100, grid), grid)


def mean_level(excerpts):
    return excerpts.mean(dim=(1, 2))


# --- Games


@settings(max_examples=25, deadline=None)
@given(
    n_time=st.integers(1, 4),
    n_band=st.integers(1, 4),
    n_frames=st.integers(4, 9),
    n_mels=st.integers(4, 9),
    seed=st.integers(0, 99),
)
def test_inputs_take_every_point_from_the_side_that_its_segment_says(n_time, n_band, n_frames, n_mels, seed):
    grid = SegmentGrid(n_time, n_band, n_frames, n_mels)
    game = random_game(seed, grid)
    masks = np.random.default_rng(seed).random((5, grid.n_segments)) < 0.5
    inputs = game.inputs(masks)
    for mask, found in zip(masks, inputs, strict=True):
        for frame in range(n_frames):
            for mel in range(n_mels):
                segment = (frame * n_time // n_frames) * n_band + mel * n_band // n_mels
                assert found[frame, mel] == (game.on if mask[segment] else game.off)[frame, mel]


def test_all_on_and_all_off_are_the_two_excerpts():
    game = random_game()
    inputs = game.inputs(np.array([[True] * 6, [False] * 6]))
    assert torch.equal(inputs[0], game.on)
    assert torch.equal(inputs[1], game.off)


def test_masks_may_be_a_tensor_or_numbers():
    game = random_game()
    masks = masks_of(np.arange(64), 6)
    for other in (torch.as_tensor(masks), masks.astype(np.uint8)):
        assert torch.equal(game.inputs(masks), game.inputs(other))


def test_a_game_in_another_precision():
    game = random_game().to(torch.device("cpu"), torch.float64)
    assert game.on.dtype == game.off.dtype == game.inputs(np.ones((1, 6), dtype=bool)).dtype == torch.float64
    assert game.grid == GRID


def test_games_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        random_game().on = torch.zeros(7, 5)


@pytest.mark.parametrize(("on", "off"), [((5, 7), (7, 5)), ((7, 5), (7, 4)), ((1, 7, 5), (1, 7, 5))])
def test_excerpts_that_do_not_fit_the_grid_are_refused(on, off):
    with pytest.raises(ValueError, match=r"must have the grid's shape \(7, 5\)"):
        Game(torch.zeros(on), torch.zeros(off), GRID)


@pytest.mark.parametrize(("fill", "value"), [("mean", torch.mean), ("zero", lambda x: torch.tensor(0.0)), ("min", torch.min)])
def test_a_fill_is_one_number_everywhere_and_the_excerpt_is_on(fill, value):
    excerpt = random_excerpt()
    game = fill_game(excerpt, GRID, fill)
    assert torch.equal(game.on, excerpt)
    assert torch.equal(game.off, torch.full((7, 5), value(excerpt).item()))


def test_unknown_fill_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"fill: must be one of mean, zero or min, got 'noise'\."):
        fill_game(random_excerpt(), GRID, "noise")


# --- Direct evaluation


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_values_of_all_masks_are_in_order_of_their_indices_whatever_the_batch(batch):
    game = random_game()
    sizes = []

    def predict_logits(excerpts):
        sizes.append(len(excerpts))
        return mean_level(excerpts)

    values = next(DirectEvaluator(predict_logits, batch=batch).logits([game]))
    points = GRID.sums(np.ones((7, 5)))
    difference = GRID.sums((game.on - game.off).double().numpy())
    assert points.sum() == 35
    expected = game.off.double().mean().item() + masks_of(np.arange(64), 6) @ difference / 35
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert sum(sizes) == 64
    assert max(sizes) == min(batch, 64)


def test_given_masks_are_evaluated_in_their_order():
    games = [random_game(1), random_game(2)]
    evaluator = DirectEvaluator(mean_level, batch=5)
    masks = np.random.default_rng(0).random((23, 6)) < 0.5
    for some, everything in zip(evaluator.logits(games, masks), evaluator.logits(games), strict=True):
        np.testing.assert_allclose(some, everything[indices_of(masks)], atol=1e-6)


def test_no_masks_have_no_values():
    def never(excerpts):
        raise AssertionError

    (values,) = DirectEvaluator(never).probabilities([random_game()], np.zeros((0, 6), dtype=bool))
    assert values.shape == (0,)


def test_evaluation_records_no_gradients():
    weight = torch.ones((), requires_grad=True)
    (values,) = DirectEvaluator(lambda x: mean_level(x) * weight).logits([random_game()])
    assert isinstance(values, np.ndarray)


def test_probabilities_are_those_of_the_logits():
    evaluator = DirectEvaluator(lambda x: 5 * mean_level(x))
    (logits,), (p_sing,) = evaluator.logits([random_game()]), evaluator.probabilities([random_game()])
    assert p_sing.dtype == np.float64
    np.testing.assert_allclose(p_sing, 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=1e-12)


def test_probability_is_exact_in_the_tails_and_for_float32():
    with np.errstate(all="raise"):
        p = probability(np.array([-800, -40, 0, 40, 800], dtype=np.float32))
    assert p.dtype == np.float64
    assert p[[0, 2, 4]].tolist() == [0, 0.5, 1]
    assert p[1] == pytest.approx(np.exp(-40), rel=1e-12)


def test_too_many_segments_to_evaluate_all():
    assert checked_for_all(SegmentGrid(6, 4)) == 24
    with pytest.raises(ConfigError, match=r"lime\.n_time, lime\.n_band: too many masks to evaluate all, got 2\*\*25\."):
        checked_for_all(SegmentGrid(5, 5))


def test_too_many_segments_are_no_hindrance_for_given_masks():
    grid = SegmentGrid(7, 5, 7, 5)
    masks = np.eye(35, dtype=bool)
    (values,) = DirectEvaluator(mean_level).logits([random_game(grid=grid)], masks)
    assert values.shape == (35,)


def test_direct_evaluation_can_be_asked_for():
    network = random_detector().network()
    assert network_evaluator(network, SegmentGrid()).name == "tables"
    evaluator = network_evaluator(network, SegmentGrid(), exact_tables=False)
    assert evaluator.name == "direct"
    assert "configured" in evaluator.reason


# --- Audits


class Shifted(Evaluator):
    """Evaluator that is correct except for one value of one mask."""

    name = "shifted"

    def __init__(self, mask_index, by):
        self.mask_index, self.by = mask_index, by

    def logits(self, games, masks=None):
        for values in DirectEvaluator(mean_level).logits(games, masks):
            values = values.copy()
            values[indices_of(masks) == self.mask_index] += self.by
            yield values


def audited(evaluator, seed=0, **kwargs):
    return audit(evaluator, mean_level, fill_game(random_excerpt(), GRID, "zero"), np.random.default_rng(seed), **kwargs)


def test_audit_of_right_values_finds_no_difference():
    assert audited(DirectEvaluator(mean_level)) == 0


@pytest.mark.parametrize("mask_index", [0, 63])
def test_audit_always_sees_all_off_and_all_on(mask_index):
    with pytest.raises(AuditError, match=r"values from shifted must not differ .* got .*Set lime\.evaluator to direct"):
        audited(Shifted(mask_index, 0.1), n_masks=2)


def test_audit_blames_no_tables_where_there_are_none():
    generator = torch.Generator().manual_seed(0)

    def with_dropout(excerpts):
        return mean_level(excerpts) * (torch.rand(len(excerpts), generator=generator) < 0.5)

    with pytest.raises(
        AuditError, match=r"^model: P\(sing\) of the same excerpts must not change.*Put the model into evaluation mode"
    ) as caught:
        audit(DirectEvaluator(with_dropout), with_dropout, random_game(), np.random.default_rng(0))
    assert "lime.evaluator" not in str(caught.value)
    assert "tables" not in str(caught.value)


def test_audit_tells_the_difference_in_probability():
    shift = 1e-4  # of a logit; of a probability it is at most a quarter of that
    p_off = 0.5  # fill zero, so that the model's logit of the empty mask is 0
    expected = probability(np.array(shift)) - p_off
    assert audited(Shifted(0, shift)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_audit_refuses_values_that_are_not_finite(wrong):
    with pytest.raises(AuditError):
        audited(Shifted(0, wrong))


def test_audit_chooses_its_masks_by_the_generator():
    seen = []

    class Watching(Shifted):
        def logits(self, games, masks=None):
            seen.append(masks)
            return super().logits(games, masks)

    for seed in (1, 1, 2):
        audited(Watching(0, 0.0), seed, n_masks=9)
    assert seen[0].shape == (9, 6)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
