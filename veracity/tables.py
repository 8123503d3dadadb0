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
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .convolution import SLOPE, channels_last
from .detector import Layer, Network, apply_layers
from .games import Evaluator, Game, checked_for_all
from .grid import SegmentGrid, masks_of

MAX_PATTERNS = 64  # forward passes of the trunk
MAX_CELL_BITS = 14  # combinations of one cell: 2**14
CPU_RUNS = 2  # inputs in one forward pass of the trunk: what a cache holds
MAX_TABLE_BITS = 16  # rows of one table: 2**16 vectors, 64 MiB
CPU_BLOCK_BITS, GPU_BLOCK_BITS = 12, 17  # masks in one block of the tail: what a cache holds; what keeps a GPU busy

Span = tuple[int, int]  # first and last, inclusive


@dataclass(frozen=True)
class CellGroup:
    """Cells that see the same rectangle of segments.

    Attributes
    ----------
    bits : tuple of int
        Segments seen; bit ``k`` of a combination is segment ``bits[k]``.
    cells : tuple of (int, int)
        Positions (time, frequency) in the output of the neck.
    runs : ndarray, shape (n_cells, 2**len(bits), window_time, window_frequency)
        Which forward pass of the trunk shows each combination at each position of each cell's window.
    """

    bits: tuple[int, ...]
    cells: tuple[tuple[int, int], ...]
    runs: np.ndarray


@dataclass(frozen=True)
class TablePlan:
    """What to compute for a network's layers on a grid; knows no weights.

    Attributes
    ----------
    grid : SegmentGrid
    patterns : ndarray, shape (n_patterns, n_segments)
        Masks of the trunk's forward passes.
    n_trunk : int
        Layers of the trunk.
    n_neck : int
        Layers between trunk and the first dense layer.
    window, stride : tuple of int
        Extent and advance of a cell, in outputs of the trunk.
    groups : tuple of CellGroup
    tables : tuple of tuple of int
        Segments of each table, contiguous and increasing.
    """

    grid: SegmentGrid
    patterns: np.ndarray
    n_trunk: int
    n_neck: int
    window: tuple[int, int]
    stride: tuple[int, int]
    groups: tuple[CellGroup, ...]
    tables: tuple[tuple[int, ...], ...]


def receptive_field(layers: Sequence[Layer], axis: int) -> tuple[int, int]:
    """Return extent and advance of an output in inputs, along time (axis 0) or frequency (axis 1)."""
    field, stride = 1, 1
    for layer in layers:
        field += (layer.kernel[axis] - 1) * stride
        stride *= layer.stride[axis]
    return field, stride


def _spans(segment_of: np.ndarray, layers: Sequence[Layer], axis: int) -> list[Span]:
    """Return the first and last segment that each output of the layers sees, along one axis."""
    field, stride = receptive_field(layers, axis)
    starts = range(0, len(segment_of) - field + 1, stride)
    return [(int(segment_of[start]), int(segment_of[start + field - 1])) for start in starts]


def _widest(spans: Sequence[Span]) -> int:
    return max((last - first + 1 for first, last in spans), default=0)


def plan_tables(layers: Sequence[Layer], n_dense: int, grid: SegmentGrid) -> tuple[TablePlan | None, str]:
    """Derive trunk, cells and tables of a network on a grid.

    Parameters
    ----------
    layers : sequence of Layer
        Folded layers, of which the last `n_dense` are dense.
    n_dense : int
    grid : SegmentGrid

    Returns
    -------
    plan : TablePlan or None
        None when the geometry does not allow tables.
    reason : str
        Why, or what the tables are.
    """
    features = list(layers[: len(layers) - n_dense])
    axes = (grid.time_of_frame, grid.band_of_mel)
    repeats: tuple[int, int] = (0, 0)
    for n_trunk in range(len(features), 0, -1):  # the deepest trunk with few enough patterns
        repeats = tuple(_widest(_spans(axes[axis], features[:n_trunk], axis)) for axis in (0, 1))  # type: ignore[assignment]
        if 0 < 2 ** prod(repeats) <= MAX_PATTERNS and min(repeats) > 0:
            break
    else:
        return (
            None,
            f"an output of the first layer already sees {repeats[0]} x {repeats[1]} segments: the grid is too fine",
        )

    trunk, neck = features[:n_trunk], features[n_trunk:]
    spans = tuple(_spans(axes[axis], trunk, axis) for axis in (0, 1))
    window, stride = zip(*(receptive_field(neck, axis) for axis in (0, 1)), strict=True)
    cells = _cells(spans, window, stride)
    widest = max((t1 - t0 + 1) * (b1 - b0 + 1) for (t0, t1), (b0, b1) in cells)
    if widest > MAX_CELL_BITS:
        return (
            None,
            f"one input of the dense layer depends on {widest} segments, at most {MAX_CELL_BITS} can be tabulated",
        )
    n_shown = max(last - first + 1 for (first, last), _ in cells)
    if grid.n_band * n_shown > MAX_TABLE_BITS:
        return (
            None,
            f"a table of {n_shown} x {grid.n_band} segments is needed, at most {MAX_TABLE_BITS} can be tabulated",
        )

    groups = tuple(_group(rectangle, members, spans, window, stride, repeats, grid) for rectangle, members in cells.items())
    tables = _table_segments([times for times, _ in cells], grid.n_band)
    patterns = _patterns(repeats, grid)
    sizes = " + ".join(str(2 ** len(table)) for table in tables)
    reason = f"{len(patterns)} forward passes, {sum(len(group.cells) for group in groups)} cells, tables of {sizes} rows"
    plan = TablePlan(grid, patterns, n_trunk, len(neck), tuple(window), tuple(stride), groups, tables)
    return plan, reason


def _patterns(repeats: tuple[int, int], grid: SegmentGrid) -> np.ndarray:
    """Return every mask that repeats a pattern of so many segments, shape (n_patterns, n_segments)."""
    residue = (np.arange(grid.n_time)[:, None] % repeats[0]) * repeats[1] + np.arange(grid.n_band) % repeats[1]
    return masks_of(np.arange(2 ** prod(repeats)), prod(repeats))[:, residue.ravel()]


def _cells(spans: tuple[list[Span], ...], window: Sequence[int], stride: Sequence[int]) -> dict[tuple[Span, Span], list]:
    """Group the positions of the neck's output by the rectangle of segments that they see."""
    seen: list[list[Span]] = []
    for axis in (0, 1):
        starts = range(0, len(spans[axis]) - window[axis] + 1, stride[axis])
        seen.append([(spans[axis][start][0], spans[axis][start + window[axis] - 1][1]) for start in starts])
    cells: dict[tuple[Span, Span], list] = defaultdict(list)
    for (j, times), (m, bands) in itertools.product(enumerate(seen[0]), enumerate(seen[1])):
        cells[times, bands].append((j, m))
    return cells


def _group(
    rectangle: tuple[Span, Span],
    members: list[tuple[int, int]],
    spans: tuple[list[Span], ...],
    window: Sequence[int],
    stride: Sequence[int],
    repeats: tuple[int, int],
    grid: SegmentGrid,
) -> CellGroup:
    """Work out, for each cell of a rectangle, which forward pass shows each combination of its bits."""
    (t0, t1), (b0, b1) = rectangle
    segments = list(itertools.product(range(t0, t1 + 1), range(b0, b1 + 1)))
    combinations = masks_of(np.arange(2 ** len(segments)), len(segments))
    runs = np.zeros((len(members), len(combinations), *window), dtype=np.int64)
    for (cell, (j, m)), x, y in itertools.product(enumerate(members), range(window[0]), range(window[1])):
        first_time, last_time = spans[0][j * stride[0] + x]
        first_band, last_band = spans[1][m * stride[1] + y]
        for bit, (time, band) in enumerate(segments):
            if first_time <= time <= last_time and first_band <= band <= last_band:
                residue = (time % repeats[0]) * repeats[1] + band % repeats[1]
                runs[cell, :, x, y] += combinations[:, bit].astype(np.int64) << residue
    bits = tuple(time * grid.n_band + band for time, band in segments)
    return CellGroup(bits, tuple(members), runs)


def _table_segments(time_spans: Sequence[Span], n_band: int) -> tuple[tuple[int, ...], ...]:
    """Return the segments of the tables: all bands of each span of time that no other span contains."""
    unique = sorted(set(time_spans))
    maximal = [s for s in unique if not any(o != s and o[0] <= s[0] and s[1] <= o[1] for o in unique)]
    return tuple(tuple(range(first * n_band, (last + 1) * n_band)) for first, last in maximal)


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
