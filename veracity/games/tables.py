"""Exact values of all masks of a convolutional network, from a handful of forward passes.

The network is convolutional, so its answers to different masks share nearly all of their work (``on``, ``off`` and grid as in
`veracity.games`):

1. An output of the *trunk*, the first steps, sees few neighbouring segments. Forward passes of masks that repeat a small
   pattern over the grid show every position under every combination of the bits it sees.
2. A *cell*, one position of the last map, of which the first dense layer is a sum, is computed for each combination of the bits
   that it sees, by gathering its window from those passes and applying the steps between (the *neck*). Its slice of the dense
   weights turns it into a vector, and the dense layer is the sum of these vectors over the cells.
3. Cells that see the same time segments are added up into one table, indexed by the bits of those segments.
4. A mask's value is the *tail*, the dense layers, of the sum of one row of each table.

Trunk, cells and tables are derived from the steps and the grid. Conditions: evaluation mode, a
`veracity.detector.stacks.Stack`, a fill that does not depend on the mask. Equal to direct evaluation up to rounding: about 1e-6
in logit in float32, 1e-14 in float64.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from ..detector.stacks import Stack, Step, through
from ..jobs.workers import workers
from .evaluators import Evaluator, checked_for_all
from .game import Game
from .grid import masks_of
from .table_plans import CellGroup, TablePlan

CPU_RUNS = 2  # inputs in one forward pass of the trunk: what a cache holds
MAX_WINDOW_VALUES = 1 << 28  # of one group of cells at once: 1 GiB
MOST_THREADS = 8  # each holds a block
CPU_BLOCK_BITS, GPU_BLOCK_BITS = 12, 17  # masks in one block of the tail: what a cache holds; what keeps a GPU busy


@dataclass(frozen=True)
class MaskTables:
    """Tables of one game: the input of the tail is the sum of one row of each.

    Attributes
    ----------
    segments : tuple of tuple of int
        Segments of each table, contiguous and increasing; bit ``k`` of a row's index is ``segments[k]``.
    rows : tuple of Tensor, shape (2**len(segments), width)
        The first dense layer's sums; its bias is in the first table.
    tail : callable
        From those sums to logits; see `veracity.detector.stacks.Stack`.
    """

    segments: tuple[tuple[int, ...], ...]
    rows: tuple[Tensor, ...]
    tail: Callable[[Tensor], Tensor]

    def logits(self, masks: np.ndarray) -> Tensor:
        """Look up given masks, shape (n_masks, n_segments), to logits of shape (n_masks,)."""
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
        """Evaluate all 2**n_segments masks in the order of their indices.

        Blocks fix the high segments and run through the low ones, so that rows are added by broadcasting, not gathered.
        """
        first = self.rows[0]
        limit = CPU_BLOCK_BITS if first.device.type == "cpu" else GPU_BLOCK_BITS
        inner = min(limit, n_segments)
        result = first.new_empty(1 << n_segments)
        blocks = list(enumerate(result.view(-1, 1 << inner)))

        def fill(some: list[tuple[int, Tensor]]) -> None:
            with torch.inference_mode():  # of a thread
                block = first.new_empty(1 << inner, first.shape[1])
                for outer, out in some:
                    self._fill_block(block, outer, inner)
                    out.copy_(self.tail(block))

        n_threads = min(torch.get_num_threads(), MOST_THREADS)
        if n_threads == 1 or len(blocks) == 1:
            fill(blocks)
            return result
        with workers(n_threads, first.device) as threads:
            list(threads.map(fill, [blocks[place :: threads.n] for place in range(threads.n)]))
        return result

    def _fill_block(self, block: Tensor, outer: int, inner: int) -> None:
        """Sum the tables' rows for all low bits, given the high bits `outer`."""
        width = block.shape[1]
        constant, spread = None, []
        for segments, rows in zip(self.segments, self.rows, strict=True):
            low, high = segments[0], segments[-1] + 1
            if low >= inner:
                row = rows[outer >> (low - inner) & (1 << (high - low)) - 1]
                constant = row if constant is None else constant + row
            else:
                cut = min(high, inner)
                if high > inner:  # cut: the high bits choose a part of the table
                    rows = rows.view(-1, 1 << (cut - low), width)[outer & (1 << (high - inner)) - 1]
                spread.append((low, cut, rows))
        _add_spread(block, spread, constant, inner)


def _add_spread(block: Tensor, spread: list[tuple[int, int, Tensor]], constant: Tensor | None, inner: int) -> None:
    """Write into `block` the sum of tables, each repeated over the bits that it does not depend on."""
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
        own = [1 << (u - d) if low <= d and u <= cut else 1 for u, d in itertools.pairwise(edges)]
        views.append(rows.reshape(*own, block.shape[1]))
    if len(views) == 1:
        view.copy_(views[0].expand_as(view))
    elif views:
        torch.add(views[0].expand_as(view), views[1], out=view)  # an `out` of another shape would be resized: not written
        for other in views[2:]:
            view.add_(other)


def build_tables(stack: Stack, plan: TablePlan, games: Sequence[Game]) -> list[MaskTables]:
    """Tabulate games.

    Parameters
    ----------
    stack : Stack
    plan : TablePlan
        Of `plan_tables` for this stack's steps and the games' grid.
    games : sequence of Game

    Returns
    -------
    list of MaskTables
    """
    trunk, neck = stack.steps[: plan.n_trunk], stack.steps[plan.n_trunk :]
    with torch.inference_mode():
        moved = [game.to(stack.weight.device, stack.weight.dtype) for game in games]
        inputs = torch.cat([game.inputs(plan.patterns) for game in moved])
        at_once = CPU_RUNS if stack.weight.device.type == "cpu" else len(inputs)
        runs = torch.cat([through(trunk, stack.enter(part)).permute(0, 2, 3, 1) for part in inputs.split(at_once)])
        runs = runs.unflatten(0, (len(games), len(plan.patterns)))  # (n_games, n_patterns, n_times, n_bands, n_channels)
        by_times = _sum_by_times(runs, neck, stack.weight, plan)
        tables = [_merge(segments, by_times, plan) for segments in plan.tables]
        tables[0] += stack.bias
    return [MaskTables(plan.tables, tuple(table[i] for table in tables), stack.tail) for i in range(len(games))]


def _sum_by_times(runs: Tensor, neck: Sequence[Step], weight: Tensor, plan: TablePlan) -> dict[tuple[int, ...], Tensor]:
    """Sum the cells' vectors over groups that see the same time segments: (n_games, 2**n_bits, width) for each."""
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
    """Split a group of cells whose windows would take too much memory at once."""
    each = len(runs) * runs.shape[-1] * prod(plan.window) << len(group.bits)
    at_once = max(1, MAX_WINDOW_VALUES // each)
    places = range(0, len(group.cells), at_once)
    return [replace(group, cells=group.cells[i : i + at_once], runs=group.runs[i : i + at_once]) for i in places]


def _group_vectors(runs: Tensor, neck: Sequence[Step], weight: Tensor, group: CellGroup, plan: TablePlan) -> Tensor:
    """Compute the dense layer's share of a group of cells, for each combination of its bits."""
    n_games, _, n_times, n_bands, n_channels = runs.shape
    cells = np.array(group.cells)
    # Where the windows lie, (n_cells, window_time) and (n_cells, window_band); padding is filled in within the neck.
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
    """Apply the neck to the windows of cells: (n_games, n_cells, combinations, n_channels, *window) to (product, n_channels).

    What lies outside the map is padding of the step that comes next, whatever the step before has made of it.
    """
    firsts = [cells]  # of the windows, in the map that enters each step
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
    """Return, for each combination of `segments`, the index of its combination of the subset `bits`."""
    masks = masks_of(np.arange(1 << len(segments)), len(segments))
    chosen = masks[:, [segments.index(bit) for bit in bits]]
    return torch.as_tensor(chosen @ (1 << np.arange(len(bits), dtype=np.int64)))


def _merge(segments: tuple[int, ...], by_times: dict[tuple[int, ...], Tensor], plan: TablePlan) -> Tensor:
    """Add up all sums whose home is this table: the first one that holds all of their segments."""
    total = None
    for own, rows in by_times.items():
        home = next(table for table in plan.tables if set(own) <= set(table))
        if home == segments:
            spread = rows.index_select(1, _sub_index(segments, own).to(rows.device)) if own != segments else rows
            total = spread if total is None else total + spread
    assert total is not None
    return total.contiguous()


class TableEvaluator(Evaluator):
    """Exact tables for a stack of plain layers: parameters as `build_tables`.

    Attributes
    ----------
    games_at_once : int
        Games tabulated in one pass; bounds memory.
    """

    name = "tables"

    def __init__(self, stack: Stack, plan: TablePlan, *, reason: str = "", games_at_once: int = 4) -> None:
        self.stack = stack
        self.plan = plan
        self.reason = reason
        self.games_at_once = games_at_once
        self._kept: tuple[Tensor, Tensor, MaskTables] | None = None

    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn; see `Evaluator.logits`."""
        n_segments = self.plan.grid.n_segments if masks is not None else checked_for_all(self.plan.grid)
        for start in range(0, len(games), self.games_at_once):
            some = games[start : start + self.games_at_once]
            for tables in [self._tables(some[0])] if len(games) == 1 else build_tables(self.stack, self.plan, some):
                with torch.inference_mode():
                    values = tables.all_logits(n_segments) if masks is None else tables.logits(masks)
                yield values.cpu().numpy()

    def _tables(self, game: Game) -> MaskTables:
        """Return the tables of a game, those of the last one again: a search asks about the same game many times."""
        if self._kept is None or not (torch.equal(game.on, self._kept[0]) and torch.equal(game.off, self._kept[1])):
            (tables,) = build_tables(self.stack, self.plan, [game])
            self._kept = game.on.clone(), game.off.clone(), tables
        return self._kept[2]
