"""Grid with inner borders shifted by half a segment: a control for the dependence of results on the position of borders."""

from dataclasses import dataclass

import numpy as np

from .grid import SegmentGrid


@dataclass(frozen=True)
class ShiftedGrid(SegmentGrid):
    """Grid like `SegmentGrid`, with every inner border shifted by half a segment, to later times and higher frequencies.

    Along each axis, the first segment is one and a half times as long as the inner ones, and the last one is half as long.
    """

    @property
    def time_of_frame(self) -> np.ndarray:
        """Time index of the segment of each frame, shape (n_frames,)."""
        return _shifted(self.n_frames, self.n_time)

    @property
    def band_of_mel(self) -> np.ndarray:
        """Band index of the segment of each mel band, shape (n_mels,)."""
        return _shifted(self.n_mels, self.n_band)


def _shifted(n_points: int, n_segments: int) -> np.ndarray:
    return np.maximum(0, (2 * np.arange(n_points) * n_segments - n_points) // (2 * n_points))
