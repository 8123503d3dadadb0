"""Display of an excerpt with selected segments highlighted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from ..games.grid import SegmentGrid
from .canvas import PALETTE

HERTZ = (100, 300, 1000, 3000, 8000)  # tick labels if the frequencies of the bands are known


def plot_segments(
    ax: Axes,
    excerpt: np.ndarray,
    grid: SegmentGrid,
    segments: Sequence[int] | np.ndarray | None = None,
    *,
    seconds: float,
    low: float | None = None,
    high: float | None = None,
    hertz: np.ndarray | None = None,
) -> AxesImage:
    """Draw an excerpt with selected segments highlighted.

    Parameters
    ----------
    ax : Axes
        Axes to draw on.
    excerpt : ndarray, shape (n_frames, n_bands)
        Excerpt to show.
    grid : SegmentGrid
        Segments of the excerpt.
    segments : sequence of int, optional
        Segments to highlight; all others are covered. By default the whole excerpt is shown.
    seconds : float
        Length of the excerpt in seconds.
    low, high : float, optional
        Values at the ends of the colour scale, by default the extrema of the excerpt.
    hertz : ndarray, shape (n_bands,), optional
        Centre frequencies of the bands in Hz. By default the axis shows band numbers.

    Returns
    -------
    AxesImage
        Image for a colour bar.
    """
    place: dict[str, Any] = {"origin": "lower", "aspect": "auto", "extent": (0, seconds, 0, grid.n_mels)}
    image = ax.imshow(excerpt.T, cmap="magma", vmin=low, vmax=high, **place)
    if hertz is not None:
        shown = [frequency for frequency in HERTZ if hertz[0] <= frequency <= hertz[-1]]
        ax.set_yticks(np.interp(shown, hertz, np.arange(len(hertz)) + 0.5), [f"{frequency:g}" for frequency in shown])
    if segments is None:
        return image
    chosen = np.isin(grid.segment_map(), segments)
    ax.imshow(np.ma.masked_where(chosen, chosen).T, cmap="Greys", vmin=0, vmax=1, **place, alpha=0.82)
    for segment in segments:
        frames = np.flatnonzero(grid.time_of_frame == segment // grid.n_band)
        mels = np.flatnonzero(grid.band_of_mel == segment % grid.n_band)
        corner, width = (frames[0] * seconds / grid.n_frames, mels[0]), len(frames) * seconds / grid.n_frames
        ax.add_patch(Rectangle(corner, width, len(mels), fill=False, ec=PALETTE[8], lw=1.2))
    return image
