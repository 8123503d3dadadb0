"""A grid whose inner borders lie half a segment later: a control of whether results hang on where borders happen to lie."""

from dataclasses import dataclass

import numpy as np

from .grid import SegmentGrid


@dataclass(frozen=True)
class ShiftedGrid(SegmentGrid):
    """As `SegmentGrid`, with every inner border half a segment later along time and frequency.

    The first segment of an axis is half as long again as the others, the last half as long.
    """

    @property
    def time_of_frame(self) -> np.ndarray:
        """Time index of the segment that each frame belongs to, shape (n_frames,)."""
        return _shifted(self.n_frames, self.n_time)

    @property
    def band_of_mel(self) -> np.ndarray:
        """Band index of the segment that each mel band belongs to, shape (n_mels,)."""
        return _shifted(self.n_mels, self.n_band)


def _shifted(n_points: int, n_segments: int) -> np.ndarray:
    return np.maximum(0, (2 * np.arange(n_points) * n_segments - n_points) // (2 * n_points))
