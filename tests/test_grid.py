"""Segments, masks and games."""

import numpy as np
import pytest
import torch

from veracity.errors import ConfigError
from veracity.games.game import Game, fill_game
from veracity.games.grid import MAX_SEGMENTS, SegmentGrid, indices_of, masks_of


def test_the_paper_s_segments():
    grid = SegmentGrid()
    segments = grid.segment_map()
    assert segments.shape == (115, 80)
    assert segments[0, 0] == 0
    assert segments[0, 79] == 3  # highest band of the first 23 frames
    assert segments[23, 0] == 4
    np.testing.assert_array_equal(np.bincount(segments.ravel()), 23 * 20)


def test_uneven_segments_cover_everything():
    grid = SegmentGrid(4, 3)
    assert set(grid.segment_map().ravel()) == set(range(12))
    assert np.ptp(np.bincount(grid.time_of_frame)) <= 1


def test_masks_and_indices_are_inverse():
    indices = np.arange(64)
    masks = masks_of(indices, 6)
    assert masks[5].tolist() == [True, False, True, False, False, False]
    np.testing.assert_array_equal(indices_of(masks), indices)


def test_sets_of_as_many_segments_as_a_64_bit_integer_tells_and_no_more():
    masks = np.eye(MAX_SEGMENTS, dtype=bool)
    np.testing.assert_array_equal(masks_of(indices_of(masks), MAX_SEGMENTS), masks)
    full = np.ones((1, MAX_SEGMENTS), dtype=bool)
    np.testing.assert_array_equal(masks_of(indices_of(full), MAX_SEGMENTS), full)
    with pytest.raises(ConfigError, match="must form at most 63 segments, got 64"):
        indices_of(np.ones((1, 64), dtype=bool))
    with pytest.raises(ConfigError, match=r"^lime\.n_time, lime\.n_band: must form"):
        masks_of(np.array([1]), 64)


@pytest.mark.parametrize("changed", [{"n_time": 0}, {"n_band": -1}, {"n_time": 2.0}, {"n_mels": True}, {"n_frames": "115"}])
def test_grids_of_anything_but_counts_are_refused(changed):
    with pytest.raises(ConfigError, match=r"of a grid: must be a whole number from 1 to 1000000, got"):
        SegmentGrid(**changed)


def test_sums_by_segment():
    grid = SegmentGrid(2, 2, 4, 6)
    x = np.arange(24.0).reshape(4, 6)
    np.testing.assert_allclose(grid.sums(x), [x[:2, :3].sum(), x[:2, 3:].sum(), x[2:, :3].sum(), x[2:, 3:].sum()])


def test_masked_inputs_take_each_segment_from_its_side():
    grid = SegmentGrid(2, 2, 4, 6)
    game = Game(torch.ones(4, 6), torch.zeros(4, 6), grid)
    np.testing.assert_array_equal(game.inputs(np.array([[True, False, False, True]]))[0], np.isin(grid.segment_map(), [0, 3]))


@pytest.mark.parametrize(("fill", "value"), [("mean", 2.0), ("zero", 0.0), ("min", -1.0)])
def test_fills(fill, value):
    excerpt = torch.tensor([[-1.0, 5.0], [2.0, 2.0]])
    game = fill_game(excerpt, SegmentGrid(2, 2, 2, 2), fill)
    assert torch.all(game.off == value)


def test_errors():
    with pytest.raises(ConfigError, match=r"^fill: must be one of mean, zero or min, got 'median'"):
        fill_game(torch.zeros(2, 2), SegmentGrid(2, 2, 2, 2), "median")
    with pytest.raises(ConfigError, match="must be at most 115 frames and 80 bands"):
        SegmentGrid(200, 4)
    with pytest.raises(ValueError, match="must have the grid's shape"):
        Game(torch.zeros(3, 3), torch.zeros(3, 3), SegmentGrid())
