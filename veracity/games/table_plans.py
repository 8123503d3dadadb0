"""Plans of exact tables, derived from the layers of a network and a grid without the weights (see `veracity.games.tables`)."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from .feedforward import Step
from .grid import SegmentGrid, masks_of

MAX_PATTERNS = 64  # largest number of forward passes of the trunk
MAX_CELL_BITS = 14  # a cell is computed for at most 2**14 combinations
MAX_TABLE_BITS = 16  # a table has at most 2**16 rows (64 MiB)
Span = tuple[int, int]  # first and last, inclusive


@dataclass(frozen=True)
class CellGroup:
    """Cells that depend on the same rectangle of segments.

    Attributes
    ----------
    bits : tuple of int
        Segments on which the cells depend; bit ``k`` of a combination is segment ``bits[k]``.
    cells : tuple of (int, int)
        Positions (time, frequency) of the cells in the output of the neck.
    runs : ndarray, shape (n_cells, 2**len(bits), window_time, window_frequency)
        Forward pass of the trunk that provides each combination, for each position of each cell's window.
    """

    bits: tuple[int, ...]
    cells: tuple[tuple[int, int], ...]
    runs: np.ndarray


@dataclass(frozen=True)
class TablePlan:
    """Plan of the exact tables of a network on a grid; independent of the weights.

    Attributes
    ----------
    grid : SegmentGrid
        Segments of the excerpts.
    patterns : ndarray of bool, shape (n_patterns, n_segments)
        Masks of the forward passes of the trunk.
    n_trunk : int
        Number of steps of the trunk. The remaining steps up to the last map are the neck.
    extents : tuple of (int, int)
        Numbers of frames and bands of the input of each step of the neck, and of the last map.
    window, stride, padding : tuple of int
        Window of a cell, stride between cells, and padding before the first cell, in outputs of the trunk (time, frequency).
    groups : tuple of CellGroup
        All cells, grouped by the segments on which they depend.
    tables : tuple of tuple of int
        Segments of each table, contiguous and increasing.
    """

    grid: SegmentGrid
    patterns: np.ndarray
    n_trunk: int
    extents: tuple[tuple[int, int], ...]
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: tuple[CellGroup, ...]
    tables: tuple[tuple[int, ...], ...]


def receptive_field(steps: Sequence[Step], axis: int) -> tuple[int, int, int]:
    """Return the receptive field, stride and padding of consecutive steps along one axis.

    Parameters
    ----------
    steps : sequence of Step
        Steps in the order of application.
    axis : int
        0 for time, 1 for frequency.

    Returns
    -------
    field : int
        Number of inputs on which an output depends.
    stride : int
        Number of inputs between neighbouring outputs.
    padding : int
        Number of inputs by which the first field starts outside the map.
    """
    field, stride, padding = 1, 1, 0
    for step in steps:
        field += (step.kernel[axis] - 1) * stride
        padding += step.padding[axis] * stride
        stride *= step.stride[axis]
    return field, stride, padding


def extents(steps: Sequence[Step], n: int, axis: int) -> list[int]:
    """Return the length of the map that enters each step, and of the last map, along one axis.

    Parameters
    ----------
    steps : sequence of Step
        Steps in the order of application.
    n : int
        Length of the input along the axis.
    axis : int
        0 for time, 1 for frequency.

    Returns
    -------
    list of int
        Length of the input of each step, followed by the length of the last map.
    """
    result = [n]
    for step in steps:
        result.append((result[-1] + 2 * step.padding[axis] - step.kernel[axis]) // step.stride[axis] + 1)
    return result


def _spans(segment_of: np.ndarray, steps: Sequence[Step], axis: int) -> list[Span]:
    """Return the first and last segment on which each output of the steps depends, along one axis."""
    field, stride, padding = receptive_field(steps, axis)
    starts = np.arange(extents(steps, len(segment_of), axis)[-1]) * stride - padding
    seen = np.stack([starts, starts + field - 1], axis=1).clip(0, len(segment_of) - 1)  # padding belongs to no segment
    return [(int(first), int(last)) for first, last in segment_of[seen]]


def _widest(spans: Sequence[Span]) -> int:
    return max((last - first + 1 for first, last in spans), default=0)


def plan_tables(steps: Sequence[Step], grid: SegmentGrid) -> tuple[TablePlan | None, str]:
    """Derive trunk, cells and tables of a network on a grid.

    Parameters
    ----------
    steps : sequence of Step
        Steps from the excerpt to the last map, over which the first dense layer sums.
    grid : SegmentGrid
        Segments of the excerpts.

    Returns
    -------
    plan : TablePlan or None
        Plan of the tables; None if the geometry does not allow them.
    reason : str
        Description of the tables, or the reason why there are none.
    """
    axes = (grid.time_of_frame, grid.band_of_mel)
    of_axes = SegmentGrid.segment_map(grid)  # a subclass may define other segments
    if not all((np.diff(axis) >= 0).all() for axis in axes) or not np.array_equal(grid.segment_map(), of_axes):
        return None, "the segments are not the rectangles of a grid"
    repeats: tuple[int, int] = (0, 0)
    for n_trunk in range(len(steps), 0, -1):  # the deepest trunk whose number of patterns is allowed
        repeats = tuple(_widest(_spans(axes[axis], steps[:n_trunk], axis)) for axis in (0, 1))  # type: ignore[assignment]
        if 0 < 2 ** prod(repeats) <= MAX_PATTERNS and min(repeats) > 0:
            break
    else:
        return (
            None,
            f"an output of the first layer depends on {repeats[0]} x {repeats[1]} segments, so the grid is too fine",
        )

    trunk, neck = steps[:n_trunk], steps[n_trunk:]
    spans = tuple(_spans(axes[axis], trunk, axis) for axis in (0, 1))
    window, stride, padding = zip(*(receptive_field(neck, axis) for axis in (0, 1)), strict=True)
    maps = tuple(zip(*(extents(neck, len(spans[axis]), axis) for axis in (0, 1)), strict=True))
    seen = [_seen(spans[axis], maps[-1][axis], window[axis], stride[axis], padding[axis]) for axis in (0, 1)]
    cells = _cells(seen)
    widest = max((t1 - t0 + 1) * (b1 - b0 + 1) for (t0, t1), (b0, b1) in cells)
    if widest > MAX_CELL_BITS:
        return (
            None,
            f"one input of the dense layer depends on {widest} segments, but at most {MAX_CELL_BITS} can be tabulated",
        )
    n_shown = max(last - first + 1 for (first, last), _ in cells)
    if grid.n_band * n_shown > MAX_TABLE_BITS:
        return (
            None,
            f"a table of {n_shown} x {grid.n_band} segments is needed, but at most {MAX_TABLE_BITS} can be tabulated",
        )

    shape = (window, stride, padding)
    groups = tuple(_group(rectangle, members, spans, shape, repeats, grid) for rectangle, members in cells.items())
    tables = _table_segments([times for times, _ in cells], grid.n_band)
    patterns = _patterns(repeats, grid)
    sizes = " + ".join(str(2 ** len(table)) for table in tables)
    reason = f"{len(patterns)} forward passes, {sum(len(group.cells) for group in groups)} cells, tables of {sizes} rows"
    plan = TablePlan(grid, patterns, n_trunk, maps, *shape, groups, tables)
    return plan, reason


def _patterns(repeats: tuple[int, int], grid: SegmentGrid) -> np.ndarray:
    """Return all masks that repeat a pattern of `repeats` segments over the grid, shape (n_patterns, n_segments)."""
    residue = (np.arange(grid.n_time)[:, None] % repeats[0]) * repeats[1] + np.arange(grid.n_band) % repeats[1]
    return masks_of(np.arange(2 ** prod(repeats)), prod(repeats))[:, residue.ravel()]


def _seen(spans: list[Span], n_cells: int, window: int, stride: int, padding: int) -> list[Span]:
    """Return the first and last segment on which each position of the neck's output depends, along one axis."""
    starts = [cell * stride - padding for cell in range(n_cells)]
    return [(spans[max(start, 0)][0], spans[min(start + window, len(spans)) - 1][1]) for start in starts]


def _cells(seen: Sequence[list[Span]]) -> dict[tuple[Span, Span], list]:
    """Group the positions of the neck's output by the rectangle of segments on which they depend."""
    cells: dict[tuple[Span, Span], list] = defaultdict(list)
    for (j, times), (m, bands) in itertools.product(enumerate(seen[0]), enumerate(seen[1])):
        cells[times, bands].append((j, m))
    return cells


def _group(
    rectangle: tuple[Span, Span],
    members: list[tuple[int, int]],
    spans: tuple[list[Span], ...],
    shape: tuple[tuple[int, ...], ...],
    repeats: tuple[int, int],
    grid: SegmentGrid,
) -> CellGroup:
    """Determine the forward pass that provides each combination of bits, for each cell of a rectangle."""
    (t0, t1), (b0, b1) = rectangle
    window, stride, padding = shape
    segments = list(itertools.product(range(t0, t1 + 1), range(b0, b1 + 1)))
    combinations = masks_of(np.arange(2 ** len(segments)), len(segments))
    runs = np.zeros((len(members), len(combinations), *window), dtype=np.int64)
    for (cell, (j, m)), x, y in itertools.product(enumerate(members), range(window[0]), range(window[1])):
        at = (j * stride[0] - padding[0] + x, m * stride[1] - padding[1] + y)
        if not all(0 <= place < len(along) for place, along in zip(at, spans, strict=True)):
            continue  # the neck fills in the padding
        (first_time, last_time), (first_band, last_band) = spans[0][at[0]], spans[1][at[1]]
        for bit, (time, band) in enumerate(segments):
            if first_time <= time <= last_time and first_band <= band <= last_band:
                residue = (time % repeats[0]) * repeats[1] + band % repeats[1]
                runs[cell, :, x, y] += combinations[:, bit].astype(np.int64) << residue
    bits = tuple(time * grid.n_band + band for time, band in segments)
    return CellGroup(bits, tuple(members), runs)


def _table_segments(time_spans: Sequence[Span], n_band: int) -> tuple[tuple[int, ...], ...]:
    """Return the segments of the tables: all bands of each time span that is not contained in another span."""
    unique = sorted(set(time_spans))
    maximal = [s for s in unique if not any(o != s and o[0] <= s[0] and s[1] <= o[1] for o in unique)]
    return tuple(tuple(range(first * n_band, (last + 1) * n_band)) for first, last in maximal)
