"""Exact values of all masks of a convolutional network, from a small number of forward passes.

Evaluations of different masks share almost all of their computation, because the network is convolutional. The computation has
four steps (`veracity.games.game` defines ``on``, ``off`` and masks):

1. An output of the *trunk*, the first steps, depends on a few neighbouring segments. Forward passes of masks that repeat a
   small pattern over the grid provide the output at every position for every combination of the mask bits on which it depends.
2. A *cell* is one position of the last map, over which the first dense layer sums. It is computed for each combination of its
   bits, by gathering its window from those passes and applying the remaining steps (the *neck*). Multiplying by its slice of
   the dense weights gives a vector, and the dense layer is the sum of these vectors over the cells.
3. Cells that depend on the same time segments are added up into one table, which is indexed by the bits of those segments.
4. The value of a mask is the *tail*, the remaining dense layers, applied to the sum of one row of each table.

Trunk, cells and tables are derived from the steps and the grid. The model must be in evaluation mode and available as a
`veracity.games.feedforward.FeedForward`, and the fill must not depend on the mask. The logits equal those of direct evaluation
up to rounding, about 1e-6 in float32 and 1e-14 in float64.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError
from ..jobs.workers import workers
from .evaluators import Evaluator, checked_for_all
from .feedforward import FeedForward, Step, through
from .game import Game
from .grid import masks_of
from .table_plans import CellGroup, TablePlan

CPU_RUNS = 2  # inputs per forward pass of the trunk on a CPU, so that they fit into the cache
MAX_WINDOW_VALUES = 1 << 28  # largest number of gathered values at once (1 GiB in float32)
MAX_THREADS = 8  # limits memory, because each thread holds a block
CPU_BLOCK_BITS, GPU_BLOCK_BITS = 12, 17  # log2 of the masks per block: fits into a CPU's cache, or keeps a GPU busy


@dataclass(frozen=True)
class MaskTables:
    """Exact tables of one game; the input of the tail is the sum of one row of each table.

    Attributes
    ----------
    segments : tuple of tuple of int
        Segments of each table, contiguous and increasing. Bit ``k`` of a row's index is ``segments[k]``.
    rows : tuple of Tensor, shape (2**len(segments), width)
        Contributions to the output of the first dense layer, whose bias is in the first table.
    tail : callable
        Function from those sums to logits; see `veracity.games.feedforward.FeedForward`.
    """

    segments: tuple[tuple[int, ...], ...]
    rows: tuple[Tensor, ...]
    tail: Callable[[Tensor], Tensor]

    def logits(self, masks: np.ndarray) -> Tensor:
        """Look up the logits of given masks, shape (n_masks, n_segments) to (n_masks,)."""
        device = self.rows[0].device
        bits = torch.as_tensor(masks, device=device).to(torch.int64)
        total = None
        for segments, rows in zip(self.segments, self.rows, strict=True):
            powers = 1 << torch.arange(len(segments), device=device)
            looked_up = rows[(bits[:, segments[0] : segments[-1] + 1] * powers).sum(dim=1)]
            total = looked_up if total is None else total.add_(looked_up)
        assert total is not None
        return self.tail(total)

    def all_logits(self, n_segments: int) -> Tensor:
        """Compute the logits of all 2**n_segments masks in the order of their indices, shape (2**n_segments,).

        A block fixes the high segments and varies the low ones, so that rows are added by broadcasting instead of gathering.
        """
        first = self.rows[0]
        limit = CPU_BLOCK_BITS if first.device.type == "cpu" else GPU_BLOCK_BITS
        inner = min(limit, n_segments)
        result = first.new_empty(1 << n_segments)
        blocks = list(enumerate(result.view(-1, 1 << inner)))

        def fill(some: list[tuple[int, Tensor]]) -> None:
            with torch.inference_mode():  # inference mode applies per thread
                block = first.new_empty(1 << inner, first.shape[1])
                for outer, out in some:
                    self._fill_block(block, outer, inner)
                    out.copy_(self.tail(block))

        n_threads = min(torch.get_num_threads(), MAX_THREADS)
        if n_threads == 1 or len(blocks) == 1:
            fill(blocks)
            return result
        with workers(n_threads, first.device) as threads:
            list(threads.map(fill, [blocks[place :: threads.n] for place in range(threads.n)]))
        return result

    def _fill_block(self, block: Tensor, outer: int, inner: int) -> None:
        """Sum the rows of the tables for all low bits, given the high bits `outer`."""
        width = block.shape[1]
        constant, spread = None, []
        for segments, rows in zip(self.segments, self.rows, strict=True):
            low, high = segments[0], segments[-1] + 1
            if low >= inner:
                row = rows[outer >> (low - inner) & (1 << (high - low)) - 1]
                constant = row if constant is None else constant + row
            else:
                cut = min(high, inner)
                if high > inner:  # the table extends over both, so the high bits select a part of it
                    rows = rows.view(-1, 1 << (cut - low), width)[outer & (1 << (high - inner)) - 1]
                spread.append((low, cut, rows))
        _add_spread(block, spread, constant, inner)


def _add_spread(block: Tensor, spread: list[tuple[int, int, Tensor]], constant: Tensor | None, inner: int) -> None:
    """Write the sum of tables into `block`, where each table is repeated over the bits on which it does not depend."""
    if constant is not None and spread:
        low, cut, rows = spread.pop()
        spread.append((low, cut, rows + constant))
    elif constant is not None:
        block.copy_(constant.expand_as(block))
    edges = sorted({0, inner, *(edge for low, cut, _ in spread for edge in (low, cut))}, reverse=True)
    shape = [1 << (upper - lower) for upper, lower in itertools.pairwise(edges)]
    view = block.view(*shape, block.shape[1])
    views = []
    for low, cut, rows in spread:
        sizes = [1 << (u - d) if low <= d and u <= cut else 1 for u, d in itertools.pairwise(edges)]
        views.append(rows.reshape(*sizes, block.shape[1]))
    if len(views) == 1:
        view.copy_(views[0].expand_as(view))
    elif views:
        torch.add(views[0].expand_as(view), views[1], out=view)  # torch would resize an `out` of another shape
        for addend in views[2:]:
            view.add_(addend)


def build_tables(network: FeedForward, plan: TablePlan, games: Sequence[Game]) -> list[MaskTables]:
    """Compute the exact tables of games.

    Parameters
    ----------
    network : FeedForward
        Explained model as a feed-forward network.
    plan : TablePlan
        Plan from `plan_tables` for the steps of `network` and the grid of the games.
    games : sequence of Game
        Games on the same grid.

    Returns
    -------
    list of MaskTables
        Tables of each game.
    """
    trunk, neck = network.steps[: plan.n_trunk], network.steps[plan.n_trunk :]
    with torch.inference_mode():
        on_device = [game.to(network.weight.device, network.weight.dtype) for game in games]
        inputs = torch.cat([game.inputs(plan.patterns) for game in on_device])
        at_once = CPU_RUNS if network.weight.device.type == "cpu" else len(inputs)
        runs = torch.cat([through(trunk, network.enter(part)).permute(0, 2, 3, 1) for part in inputs.split(at_once)])
        runs = runs.unflatten(0, (len(games), len(plan.patterns)))  # (n_games, n_patterns, n_times, n_bands, n_channels)
        by_times = _sum_by_times(runs, neck, network.weight, plan)
        tables = [_merge(segments, by_times, plan) for segments in plan.tables]
        tables[0] += network.bias
    return [MaskTables(plan.tables, tuple(table[i] for table in tables), network.tail) for i in range(len(games))]


def _sum_by_times(runs: Tensor, neck: Sequence[Step], weight: Tensor, plan: TablePlan) -> dict[tuple[int, ...], Tensor]:
    """Sum the vectors of cells that depend on the same time segments, shape (n_games, 2**n_bits, width) for each."""
    weight = weight.permute(2, 3, 1, 0).contiguous()  # (n_rows, n_columns, n_channels, width)
    sums: dict[tuple[int, ...], Tensor] = {}
    for group in plan.groups:
        vectors = torch.zeros(())
        for part in _parts(group, runs, plan):
            some = _group_vectors(runs, neck, weight, part, plan)  # (n_games, combinations, width)
            vectors = some if part.cells[0] == group.cells[0] else vectors.add_(some)
        n_band = plan.grid.n_band
        times = range(group.bits[0] // n_band, group.bits[-1] // n_band + 1)
        segments = tuple(range(times[0] * n_band, (times[-1] + 1) * n_band))
        spread = vectors.index_select(1, _sub_index(segments, group.bits).to(runs.device))
        sums[segments] = sums[segments].add_(spread) if segments in sums else spread
    return sums


def _parts(group: CellGroup, runs: Tensor, plan: TablePlan) -> list[CellGroup]:
    """Split a group of cells so that the gathered windows of each part fit into memory."""
    each = len(runs) * runs.shape[-1] * prod(plan.window) << len(group.bits)
    at_once = max(1, MAX_WINDOW_VALUES // each)
    places = range(0, len(group.cells), at_once)
    return [replace(group, cells=group.cells[i : i + at_once], runs=group.runs[i : i + at_once]) for i in places]


def _group_vectors(runs: Tensor, neck: Sequence[Step], weight: Tensor, group: CellGroup, plan: TablePlan) -> Tensor:
    """Compute the contribution of a group of cells to the dense layer, for each combination of its bits."""
    n_games, _, n_times, n_bands, n_channels = runs.shape
    cells = np.array(group.cells)
    # Positions of the windows, (n_cells, window_time) and (n_cells, window_band); the neck fills in the padding.
    x, y = (
        (cells[:, axis, None] * plan.stride[axis] - plan.padding[axis] + np.arange(plan.window[axis])).clip(0, n - 1)
        for axis, n in enumerate((n_times, n_bands))
    )
    row = (group.runs * n_times + x[:, None, :, None]) * n_bands + y[:, None, None, :]
    index = torch.as_tensor(row.ravel(), device=runs.device)
    flat = runs.flatten(1, 3).index_select(1, index).view(-1, *plan.window, n_channels)  # one window for each combination
    windows = flat.permute(0, 3, 1, 2)  # (n_games * n_cells * combinations, n_channels, window_time, window_band)
    values = _through_neck(windows.unflatten(0, (n_games, len(cells), -1)), neck, cells, plan)
    values = values.unflatten(0, (n_games, len(group.cells), -1))  # (n_games, n_cells, combinations, n_channels)
    position = torch.as_tensor(cells[:, 0] * weight.shape[1] + cells[:, 1], device=weight.device)
    slices = weight.flatten(0, 1).index_select(0, position)  # (n_cells, n_channels, width)
    joined = values.permute(0, 2, 1, 3).flatten(2)  # (n_games, combinations, n_cells * n_channels)
    return joined @ slices.flatten(0, 1)


def _through_neck(windows: Tensor, neck: Sequence[Step], cells: np.ndarray, plan: TablePlan) -> Tensor:
    """Apply the neck to windows of shape (n_games, n_cells, combinations, n_channels, *window).

    The result has shape (n_games * n_cells * combinations, n_channels). Before each step, positions outside the map are
    replaced by the padding of that step, because the step before has overwritten them.
    """
    firsts = [cells]  # first position of the windows in the map that enters each step
    for step in reversed(neck):
        firsts.insert(0, firsts[0] * step.stride - step.padding)
    for step, first, extent in zip(neck, firsts, plan.extents, strict=False):
        if any(plan.padding) and step.kernel != (1, 1):
            inside = [
                (at >= 0) & (at < extent[axis])
                for axis in (0, 1)
                for at in [first[:, axis, None] + np.arange(windows.shape[4 + axis])]
            ]
            padded = torch.as_tensor(~(inside[0][:, :, None] & inside[1][:, None, :]), device=windows.device)
            windows = windows.masked_fill(padded[:, None, None], -torch.inf if step.is_max else 0.0)
        flat = windows.flatten(0, 2)
        if step.is_max and flat.shape[2:] == step.kernel:
            flat = flat.amax(dim=(2, 3), keepdim=True)  # far faster than max_pool2d on many tiny windows
        else:
            flat = (step.unpadded or step.apply)(flat)
        windows = flat.unflatten(0, windows.shape[:3])
    return windows.flatten(0, 2)[:, :, 0, 0]


@functools.lru_cache(maxsize=256)
def _sub_index(segments: tuple[int, ...], bits: tuple[int, ...]) -> Tensor:
    """Return the index of the restriction of each combination of `segments` to the subset `bits`."""
    masks = masks_of(np.arange(1 << len(segments)), len(segments))
    chosen = masks[:, [segments.index(bit) for bit in bits]]
    return torch.as_tensor(chosen @ (1 << np.arange(len(bits), dtype=np.int64)))


def _merge(segments: tuple[int, ...], by_times: dict[tuple[int, ...], Tensor], plan: TablePlan) -> Tensor:
    """Add up the sums of a table; each sum belongs to the first table that contains all of its segments."""
    total = None
    for times, rows in by_times.items():
        home = next(table for table in plan.tables if set(times) <= set(table))
        if home == segments:
            spread = rows.index_select(1, _sub_index(segments, times).to(rows.device)) if times != segments else rows
            total = spread if total is None else total + spread
    assert total is not None
    return total.contiguous()


class TableEvaluator(Evaluator):
    """Evaluator that uses exact tables.

    Parameters
    ----------
    network : FeedForward
        Explained model as a feed-forward network.
    plan : TablePlan
        Plan from `veracity.games.table_plans.plan_tables` for the steps of `network`.
    reason : str
        Reason why this evaluator was chosen, empty by default.
    games_at_once : int
        Number of games that are tabulated at once, 4 by default; limits memory.
    """

    name = "tables"

    def __init__(self, network: FeedForward, plan: TablePlan, *, reason: str = "", games_at_once: int = 4) -> None:
        self.network = network
        self.plan = plan
        self.reason = reason
        self.games_at_once = games_at_once
        self._kept: tuple[Tensor, Tensor, MaskTables] | None = None

    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn; see `Evaluator.logits`.

        ConfigError is raised for a game on another grid, or with an overridden method `inputs`, which the plan does not cover.
        """
        for game in games:
            self._check(game)
        n_segments = self.plan.grid.n_segments if masks is not None else checked_for_all(self.plan.grid)
        for start in range(0, len(games), self.games_at_once):
            some = games[start : start + self.games_at_once]
            for tables in [self._tables(some[0])] if len(games) == 1 else build_tables(self.network, self.plan, some):
                with torch.inference_mode():
                    values = tables.all_logits(n_segments) if masks is None else tables.logits(masks)
                yield values.cpu().numpy()

    def _check(self, game: Game) -> None:
        if type(game).inputs is not Game.inputs:
            raise ConfigError(
                f"game: exact tables require the inputs of Game, got those of {type(game).__name__}. Use a DirectEvaluator."
            )
        planned, found = self.plan.grid, game.grid
        if found != planned and not np.array_equal(found.segment_map(), planned.segment_map()):
            raise ConfigError(
                f"game: its grid must be that of the tables, {planned}, got {found}. Create a model for this grid."
            )

    def _tables(self, game: Game) -> MaskTables:
        """Return the tables of a game, cached for the last game because a search evaluates the same game many times."""
        if self._kept is None or not (torch.equal(game.on, self._kept[0]) and torch.equal(game.off, self._kept[1])):
            (tables,) = build_tables(self.network, self.plan, [game])
            self._kept = game.on.clone(), game.off.clone(), tables
        return self._kept[2]
