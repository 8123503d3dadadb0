"""Exact tables compared with one forward pass for each mask: architectures, grids, weights, devices."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import random_detector

from veracity.detector.settings import Architecture
from veracity.errors import AuditError, ConfigError
from veracity.games import tables
from veracity.games.evaluators import DirectEvaluator, audit
from veracity.games.feedforward import feedforward_of
from veracity.games.game import Game, fill_game
from veracity.games.grid import SegmentGrid, indices_of, masks_of
from veracity.games.models import network_evaluator
from veracity.games.table_plans import plan_tables
from veracity.games.tables import TableEvaluator, build_tables


def network_of(layers="ismir2015", seed=0, **frontend):
    return random_detector(Architecture(layers), seed=seed, **frontend).network().to(dtype=torch.float64)


def random_game(grid, seed=0):
    generator = torch.Generator().manual_seed(seed)
    on, off = torch.randn(2, grid.n_frames, grid.n_mels, generator=generator, dtype=torch.float64) * 2 - 3
    return Game(on, off, grid)


@pytest.mark.parametrize(
    "n_masks", [6, pytest.param(24, marks=pytest.mark.slow)]
)  # each takes a third of a second with the network
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layers=st.sampled_from(["ismir2015", "ismir2016"]),
    n_time=st.integers(1, 6),
    n_band=st.integers(1, 4),
    seed=st.integers(0, 2**20),
)
def test_tables_equal_direct_evaluation(layers, n_time, n_band, seed, n_masks):
    network, grid = network_of(layers, seed), SegmentGrid(n_time, n_band)
    evaluator = network_evaluator(network, grid)
    game = random_game(grid, seed)
    masks = np.random.default_rng(seed).random((n_masks, grid.n_segments)) < 0.5
    direct = next(DirectEvaluator(network.logits).logits([game], masks))
    np.testing.assert_allclose(next(evaluator.logits([game], masks)), direct, atol=1e-9)


@pytest.mark.parametrize(
    ("layers", "n_time", "n_band"),
    [("ismir2015", 5, 4), ("ismir2015", 4, 3), ("ismir2015", 7, 1), ("ismir2016", 3, 4), ("ismir2016", 5, 2)],
)
@pytest.mark.parametrize("n_masks", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_all_masks_equal_given_masks(layers, n_time, n_band, n_masks):
    network, grid = network_of(layers), SegmentGrid(n_time, n_band)
    plan, _ = plan_tables(feedforward_of(network).steps, grid)
    games = [random_game(grid, seed) for seed in (1, 2)]
    everything = list(TableEvaluator(feedforward_of(network), plan).logits(games))
    masks = np.random.default_rng(0).random((n_masks, grid.n_segments)) < 0.5
    for game, values in zip(games, everything, strict=True):
        assert len(values) == 2**grid.n_segments
        direct = next(DirectEvaluator(network.logits).logits([game], masks))
        np.testing.assert_allclose(values[indices_of(masks)], direct, atol=1e-9)


@pytest.mark.parametrize("block_bits", [1, 3, 6, 9, 12, 20])
def test_blocks_of_any_size_give_the_same(monkeypatch, block_bits):
    network, grid = network_of(), SegmentGrid(4, 3)
    plan, _ = plan_tables(feedforward_of(network).steps, grid)
    tables = build_tables(feedforward_of(network), plan, [random_game(grid)])[0]
    expected = tables.logits(masks_of(np.arange(2**12), 12))
    monkeypatch.setattr("veracity.games.tables.CPU_BLOCK_BITS", block_bits)
    with torch.inference_mode():
        torch.testing.assert_close(tables.all_logits(12), expected, atol=1e-10, rtol=0)


def test_the_paper_s_grid_is_planned_as_derived_by_hand():
    network = network_of()
    plan, _ = plan_tables(feedforward_of(network).steps, SegmentGrid())
    assert len(plan.patterns) == 16
    assert sum(len(group.cells) for group in plan.groups) == 77
    assert [(table[0] // 4, table[-1] // 4) for table in plan.tables] == [(0, 1), (1, 3), (3, 4)]
    assert max(len(group.bits) for group in plan.groups) == 9


def test_float32_stays_within_the_audit():
    network = random_detector().network()
    grid = SegmentGrid()
    game = fill_game(random_game(grid).on.float(), grid, "mean")
    assert audit(network_evaluator(network, grid), network.logits, game, np.random.default_rng(0)) < 1e-5


def test_a_too_fine_grid_is_evaluated_directly_and_the_reason_told():
    evaluator = network_evaluator(random_detector().network(), SegmentGrid(23, 16))
    assert isinstance(evaluator, DirectEvaluator)
    assert "depends on" in evaluator.reason


def test_another_excerpt_length():
    network = network_of(excerpt_frames=61, n_mels=40)
    grid = SegmentGrid(3, 2, 61, 40)
    evaluator = network_evaluator(network, grid)
    assert evaluator.name == "tables"
    game = random_game(grid)
    np.testing.assert_allclose(next(evaluator.logits([game])), next(DirectEvaluator(network.logits).logits([game])), atol=1e-9)


def test_a_wrong_table_fails_the_audit():
    network, grid = random_detector().network(), SegmentGrid()
    other = random_detector(seed=5).network()
    game = fill_game(random_game(grid).on.float(), grid, "mean")
    with pytest.raises(AuditError, match="differ from direct evaluation"):
        audit(network_evaluator(network, grid), other.logits, game, np.random.default_rng(0))


def test_a_wrong_value_among_all_masks_fails_the_audit():
    network, grid = network_of(), SegmentGrid(2, 2)
    game, evaluator = random_game(grid), network_evaluator(network, grid)
    (values,) = evaluator.probabilities([game])
    rng = np.random.default_rng(0)
    assert audit(evaluator, network.logits, game, rng, all_values=values) < 1e-9
    values[-1] += 1e-3  # all segments on: always among the audited
    with pytest.raises(AuditError, match="differ from direct evaluation"):
        audit(evaluator, network.logits, game, rng, all_values=values)


def test_too_many_masks_are_refused():
    evaluator = DirectEvaluator(lambda x: x.mean(dim=(1, 2)))
    grid = SegmentGrid(5, 5)
    with pytest.raises(ConfigError, match="at most 24"):
        next(evaluator.logits([random_game(grid)]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_tables_on_a_gpu_equal_those_on_the_cpu():
    network, grid = random_detector().network(), SegmentGrid()
    game = fill_game(random_game(grid).on.float(), grid, "mean")
    gpu = next(network_evaluator(network.to("cuda"), grid).probabilities([game]))
    np.testing.assert_allclose(gpu, next(network_evaluator(network, grid).probabilities([game])), atol=1e-4)


def test_tables_of_one_game_are_built_once_until_its_contents_change(monkeypatch):
    evaluator = network_evaluator(random_detector().network(), SegmentGrid(3, 2))
    built = []
    build = tables.build_tables
    monkeypatch.setattr(tables, "build_tables", lambda network, plan, games: built.append(1) or build(network, plan, games))
    on, off = torch.randn(115, 80) - 3, torch.randn(115, 80) - 3
    masks = np.eye(6, dtype=bool)
    first = next(evaluator.logits([Game(on, off, SegmentGrid(3, 2))], masks))
    again = next(evaluator.logits([Game(on.clone(), off.clone(), SegmentGrid(3, 2))], masks))
    np.testing.assert_array_equal(first, again)
    assert len(built) == 1
    on[0, 0] += 1  # in place: another game
    changed = next(evaluator.logits([Game(on, off, SegmentGrid(3, 2))], masks))
    assert len(built) == 2
    assert not np.array_equal(first, changed)


class Brackets(SegmentGrid):
    """Grid whose first two segments have exchanged a corner, so that they are not rectangles."""

    def segment_map(self):
        segments = super().segment_map()
        corners = segments[:2, :2].copy()
        segments[:2, :2], segments[-2:, -2:] = segments[-2:, -2:], corners
        return segments


class Interleaved(SegmentGrid):
    """Grid whose segments along time alternate frame by frame."""

    @property
    def time_of_frame(self):
        return np.arange(self.n_frames) % self.n_time


@pytest.mark.parametrize("grid", [Brackets(3, 2), Interleaved(3, 2)])
def test_segments_that_are_not_rectangles_are_evaluated_directly(grid):
    network = network_of()
    evaluator = network_evaluator(network, grid)
    assert (evaluator.name, evaluator.reason) == ("direct", "the segments are not the rectangles of a grid")
    plan, _ = plan_tables(feedforward_of(network).steps, SegmentGrid(3, 2))
    with pytest.raises(ConfigError, match="its grid must be that of the tables"):
        next(TableEvaluator(feedforward_of(network), plan).logits([random_game(grid)]))


def test_a_game_with_its_own_inputs_is_refused_by_the_tables():
    class Blurred(Game):
        def inputs(self, masks):
            return super().inputs(masks).mean(dim=1, keepdim=True).expand(-1, *self.on.shape)

    network, grid = network_of(), SegmentGrid(3, 2)
    game = random_game(grid)
    with pytest.raises(ConfigError, match="exact tables require the inputs of Game, got those of Blurred"):
        next(network_evaluator(network, grid).logits([Blurred(game.on, game.off, grid)]))
