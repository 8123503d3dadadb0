"""Time-frequency segments of an excerpt, and masks over them.

The index of a segment is time index * n_band + band index, where band 0 is the lowest (paper section 4.4). Masks are boolean
arrays of shape (n_masks, n_segments). Bit ``i`` of a mask index is segment ``i``, so a set of segments is a single integer.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, within

MAX_SEGMENTS = 63  # a set of segments must fit into a 64-bit integer
DIRECT_EXACT_SEGMENTS = 12  # largest grid on which all masks are evaluated without exact tables (4096 masks)


@dataclass(frozen=True)
class SegmentGrid:
    """Grid of rectangular time-frequency segments of an excerpt.

    Segments differ in size by one frame or band if the excerpt does not divide evenly.

    Attributes
    ----------
    n_time, n_band : int
        Number of segments along time and frequency. The paper uses 5 x 4 segments of 23 frames x 20 bands.
    n_frames, n_mels : int
        Number of frames and mel bands of the excerpt.

    Examples
    --------
    >>> grid = SegmentGrid(n_time=2, n_band=2, n_frames=4, n_mels=3)
    >>> grid.segment_map().tolist()
    [[0, 0, 1], [0, 0, 1], [2, 2, 3], [2, 2, 3]]
    """

    n_time: int = 5
    n_band: int = 4
    n_frames: int = 115
    n_mels: int = 80

    def __post_init__(self) -> None:
        for name in ("n_time", "n_band", "n_frames", "n_mels"):
            within(getattr(self, name), 1, 10**6, f"{name} of a grid", whole=True)
        if self.n_time > self.n_frames or self.n_band > self.n_mels:
            raise ConfigError(
                f"lime.n_time, lime.n_band: must be at most {self.n_frames} frames and {self.n_mels} bands, got {self.n_time} "
                f"and {self.n_band}. Lower them."
            )

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return self.n_time * self.n_band

    @property
    def time_of_frame(self) -> np.ndarray:
        """Time index of the segment of each frame, shape (n_frames,)."""
        return np.arange(self.n_frames) * self.n_time // self.n_frames

    @property
    def band_of_mel(self) -> np.ndarray:
        """Band index of the segment of each mel band, shape (n_mels,)."""
        return np.arange(self.n_mels) * self.n_band // self.n_mels

    def segment_map(self) -> np.ndarray:
        """Return the segment index of each point of an excerpt, shape (n_frames, n_mels), int64."""
        return self.time_of_frame[:, None] * self.n_band + self.band_of_mel[None, :]

    def sums(self, excerpts: np.ndarray) -> np.ndarray:
        """Sum excerpts over the points of each segment, shape (..., n_frames, n_mels) to (..., n_segments)."""
        one_hot = self.segment_map().reshape(-1, 1) == np.arange(self.n_segments)
        return excerpts.reshape(*excerpts.shape[:-2], len(one_hot)) @ one_hot.astype(excerpts.dtype)


def masks_of(indices: np.ndarray, n_segments: int) -> np.ndarray:
    """Return the masks with the given indices, shape (n_masks, n_segments), bool."""
    return (np.asarray(indices)[:, None] >> np.arange(checked_for_sets(n_segments)) & 1).astype(bool)


def indices_of(masks: np.ndarray) -> np.ndarray:
    """Return the indices of the given masks, shape (n_masks,), int64; bit i is segment i."""
    return masks.astype(np.int64) @ (1 << np.arange(checked_for_sets(masks.shape[1]), dtype=np.int64))


def checked_for_sets(n_segments: int) -> int:
    """Return the number of segments, or raise ConfigError if a set of them does not fit into a 64-bit integer."""
    if n_segments > MAX_SEGMENTS:
        raise ConfigError(
            f"lime.n_time, lime.n_band: must form at most {MAX_SEGMENTS} segments, got {n_segments}. Lower one of them."
        )
    return n_segments
