"""Exact values of all masks of a convolutional network, from a handful of forward passes.

The network is convolutional, so its answers to different masks share nearly all of their work (``on``, ``off`` and grid as in
`veracity.games`):

1. An output of the *trunk*, the first layers, sees few neighbouring segments. Forward passes of masks that repeat a small
   pattern over the grid show every position under every combination of the bits it sees.
2. A *cell*, one position of what enters the first dense layer, is computed for each combination of the bits that it sees, by
   gathering its window from those passes and applying the layers between (the *neck*). Its slice of the dense weights
   turns it into a vector, and the dense layer is the sum of these vectors over the cells.
3. Cells that see the same time segments are added up into one table, indexed by the bits of those segments.
4. A mask's value is the *tail*, the dense layers, of the sum of one row of each table.

Trunk, cells and tables are derived from the layers and the grid. Conditions: evaluation mode, 'valid' convolutions, a fill that
does not depend on the mask. Equal to direct evaluation up to rounding: about 1e-6 in logit in float32, 1e-14 in float64.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..detector.convolution import SLOPE, channels_last
from ..detector.network import Layer, Network, apply_layers
from .evaluators import Evaluator, checked_for_all
from .game import Game
from .grid import masks_of
from .table_plans import CellGroup, TablePlan

CPU_RUNS = 2  # inputs in one forward pass of the trunk: what a cache holds
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
    tail : tuple of Layer
        The dense layers; only what follows the first one's sums is applied.
    """

    segments: tuple[tuple[int, ...], ...]
    rows: tuple[Tensor, ...]
    tail: tuple[Layer, ...]

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
        return _tail(total, self.tail)

    def all_logits(self, n_segments: int) -> Tensor:
        """Evaluate all 2**n_segments masks in the order of their indices.

        Blocks fix the high segments and run through the low ones, so that rows are added by broadcasting, not gathered.
        """
        first = self.rows[0]
        limit = CPU_BLOCK_BITS if first.device.type == "cpu" else GPU_BLOCK_BITS
        inner = min(limit, n_segments)
        result = first.new_empty(1 << n_segments)
        block = first.new_empty(1 << inner, first.shape[1])
        for outer, out in enumerate(result.view(-1, 1 << inner)):
            self._fill_block(block, outer, inner)
            out.copy_(_tail(block, self.tail))
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


def _tail(sums: Tensor, tail: Sequence[Layer]) -> Tensor:
    """Apply what follows the first dense layer's sums; overwrites them. Shape (n, width) to (n,)."""
    x = functional.leaky_relu_(sums, SLOPE) if tail[0].activated else sums
    for layer in tail[1:]:
        assert layer.weight is not None
        x = functional.linear(x, layer.weight.flatten(1), layer.bias)
        x = functional.leaky_relu_(x, SLOPE) if layer.activated else x
    return x[:, 0]


def build_tables(network: Network, plan: TablePlan, games: Sequence[Game]) -> list[MaskTables]:
    """Tabulate games.

    Parameters
    ----------
    network : Network
    plan : TablePlan
        Of `plan_tables` for this network's layers and the games' grid.
    games : sequence of Game

    Returns
    -------
    list of MaskTables
    """
    features = network.layers[: -network.n_dense]
    trunk, neck = features[: plan.n_trunk], features[plan.n_trunk :]
    first_dense = network.layers[-network.n_dense]
    with torch.inference_mode():
        moved = [game.to(network.device, network.dtype) for game in games]
        inputs = torch.cat([network.standardise(game.inputs(plan.patterns)) for game in moved])
        at_once = CPU_RUNS if network.device.type == "cpu" else len(inputs)
        runs = torch.cat([apply_layers(trunk, channels_last(part)).permute(0, 2, 3, 1) for part in inputs.split(at_once)])
        runs = runs.unflatten(0, (len(games), len(plan.patterns)))  # (n_games, n_patterns, n_times, n_bands, n_channels)
        by_times = _sum_by_times(runs, neck, first_dense, plan)
        tables = [_merge(segments, by_times, plan) for segments in plan.tables]
        assert first_dense.bias is not None
        tables[0] += first_dense.bias
    tail = network.layers[-network.n_dense :]
    return [MaskTables(plan.tables, tuple(table[i] for table in tables), tail) for i in range(len(games))]


def _sum_by_times(runs: Tensor, neck: Sequence[Layer], dense: Layer, plan: TablePlan) -> dict[tuple[int, ...], Tensor]:
    """Sum the cells' vectors over groups that see the same time segments: (n_games, 2**n_bits, width) for each."""
    assert dense.weight is not None
    weight = dense.weight.permute(2, 3, 1, 0).contiguous()  # (n_rows, n_columns, n_channels, width)
    sums: dict[tuple[int, ...], Tensor] = {}
    for group in plan.groups:
        vectors = _group_vectors(runs, neck, weight, group, plan)  # (n_games, combinations, width)
        n_band = plan.grid.n_band
        times = range(group.bits[0] // n_band, group.bits[-1] // n_band + 1)
        segments = tuple(range(times[0] * n_band, (times[-1] + 1) * n_band))
        spread = vectors.index_select(1, _sub_index(segments, group.bits).to(runs.device))
        sums[segments] = sums[segments].add_(spread) if segments in sums else spread
    return sums


def _group_vectors(runs: Tensor, neck: Sequence[Layer], weight: Tensor, group: CellGroup, plan: TablePlan) -> Tensor:
    """Compute the dense layer's share of a group of cells, for each combination of its bits."""
    n_games, _, n_times, n_bands, n_channels = runs.shape
    cells = np.array(group.cells)
    x = cells[:, 0, None] * plan.stride[0] + np.arange(plan.window[0])  # (n_cells, window_time)
    y = cells[:, 1, None] * plan.stride[1] + np.arange(plan.window[1])
    row = (group.runs * n_times + x[:, None, :, None]) * n_bands + y[:, None, None, :]
    index = torch.as_tensor(row.ravel(), device=runs.device)
    flat = runs.flatten(1, 3).index_select(1, index).view(-1, *plan.window, n_channels)  # one window for each combination
    windows = flat.permute(0, 3, 1, 2)  # (n_games * n_cells * combinations, n_channels, window_time, window_band)
    if len(neck) == 1 and neck[0].is_pool and not neck[0].activated:
        values = windows.amax(dim=(2, 3))  # far faster than max_pool2d on many tiny windows
    else:
        values = apply_layers(neck, windows)[:, :, 0, 0]
    values = values.unflatten(0, (n_games, len(group.cells), -1))  # (n_games, n_cells, combinations, n_channels)
    position = torch.as_tensor(cells[:, 0] * weight.shape[1] + cells[:, 1], device=weight.device)
    slices = weight.flatten(0, 1).index_select(0, position)  # (n_cells, n_channels, width)
    joined = values.permute(0, 2, 1, 3).flatten(2)  # (n_games, combinations, n_cells * n_channels)
    return joined @ slices.flatten(0, 1)


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
    """Exact tables for a convolutional network: parameters as `build_tables`.

    Attributes
    ----------
    games_at_once : int
        Games tabulated in one pass; bounds memory.
    """

    name = "tables"

    def __init__(self, network: Network, plan: TablePlan, *, reason: str = "", games_at_once: int = 4) -> None:
        self.network = network
        self.plan = plan
        self.reason = reason
        self.games_at_once = games_at_once

    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn; see `Evaluator.logits`."""
        n_segments = self.plan.grid.n_segments if masks is not None else checked_for_all(self.plan.grid)
        for start in range(0, len(games), self.games_at_once):
            for tables in build_tables(self.network, self.plan, games[start : start + self.games_at_once]):
                with torch.inference_mode():
                    values = tables.all_logits(n_segments) if masks is None else tables.logits(masks)
                yield values.cpu().numpy()
