"""Search for the smallest flip sets: proved sizes are exact, all others are upper bounds."""

import numpy as np
import pytest

from veracity.games import solution_concepts
from veracity.games.grid import indices_of
from veracity.games.searching import smallest_flip_set

N = 10


def game(seed):
    """Return the value of every mask: additive, with interactions, and a threshold that the full set passes."""
    rng = np.random.default_rng(seed)
    masks = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(float)
    pairs = rng.standard_normal((N, N)) * (rng.random((N, N)) < 0.3)
    values = masks @ rng.standard_normal(N) + np.einsum("mi,ij,mj->m", masks, pairs, masks)
    threshold = values[-1] - rng.uniform(0, 2)
    values[0] = min(values[0], threshold - 1)  # the empty set never flips
    return values, threshold


@pytest.mark.parametrize("budget", [1, 12, 60, 200, 1 << N])
def test_sizes_are_proved_or_upper_bounds(budget):
    n_proved = 0
    for seed in range(60):
        values, threshold = game(seed)
        asked = []

        def answers(masks, values=values, asked=asked):
            asked.extend(indices_of(masks).tolist())
            return values[indices_of(masks)]

        found = smallest_flip_set(answers, lambda v, t=threshold: v > t, N, budget)
        truth = solution_concepts.flip_curve(values > threshold)
        smallest = int(np.flatnonzero(truth.best)[0])
        assert len(asked) == len(set(asked)) == found.n_queries <= budget
        assert found.size >= smallest
        assert values[found.mask] > threshold
        assert found.mask.bit_count() == found.size
        assert not found.proved or found.size == smallest
        assert (found.best <= truth.best).all()
        np.testing.assert_array_equal(found.best[: found.known + 1], truth.best[: found.known + 1])
        n_proved += found.proved
        if budget == 1 << N:
            assert found.proved
    assert n_proved == 60 or budget < 1 << N
    assert budget < 200 or n_proved > 20


def test_where_nothing_flips_nothing_is_found():
    found = smallest_flip_set(lambda masks: masks.sum(axis=1), lambda v: v > 99, N, 1 << N)
    assert (found.size, found.mask, found.proved, found.known) == (-1, 0, False, N)


def test_as_many_segments_as_a_set_can_hold():
    found = smallest_flip_set(lambda masks: masks[:, [5, 40, 62]].sum(axis=1), lambda v: v > 2.5, 63, 4000)
    assert found.size == 3
    assert found.mask == (1 << 5) | (1 << 40) | (1 << 62)
    assert found.proved == (found.known >= 2)
