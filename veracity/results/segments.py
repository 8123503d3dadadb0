"""An excerpt as a picture, with some of its segments in the light and the others in the shade."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from ..games.grid import SegmentGrid
from .canvas import PALETTE

HERTZ = (100, 300, 1000, 3000, 8000)  # that are named where bands have frequencies


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
    """Draw an excerpt.

    Parameters
    ----------
    ax : Axes
    excerpt : ndarray, shape (n_frames, n_bands)
    grid : SegmentGrid
    segments : sequence of int, optional
        Those that are shown; the others are covered. Without them the whole excerpt is shown.
    seconds : float
        Length of the excerpt.
    low, high : float, optional
        What is black and what is brightest.
    hertz : ndarray, shape (n_bands,), optional
        Centres of the bands; without them the axis counts bands.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    place: dict[str, Any] = {"origin": "lower", "aspect": "auto", "extent": (0, seconds, 0, grid.n_mels)}
    image = ax.imshow(excerpt.T, cmap="magma", vmin=low, vmax=high, **place)
    if hertz is not None:
        shown = [one for one in HERTZ if hertz[0] <= one <= hertz[-1]]
        ax.set_yticks(np.interp(shown, hertz, np.arange(len(hertz)) + 0.5), [f"{one:g}" for one in shown])
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
