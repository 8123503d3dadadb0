"""Label files: intervals of a song with what is sung in them, and the label of each frame.

A label file has a line ``start end label`` for each interval, in seconds, without gaps; labels are ``sing`` and ``nosing``.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CorpusError
from ..jobs.files import replacing
from ..labels import LABELS

GAP_SECONDS = 0.01  # smaller gaps and overlaps of intervals are rounding


class Interval(NamedTuple):
    """One line of a label file; the label is one of `veracity.labels.LABELS`."""

    start_seconds: float
    end_seconds: float
    label: str


def read_labels(path: str | os.PathLike) -> list[Interval]:
    """Read and check a label file.

    Raises
    ------
    CorpusError
        When the file is missing or empty, a line is malformed, or the intervals are unsorted, overlap or leave a gap.
    """
    intervals: list[Interval] = []
    for number, line in enumerate(_text(Path(path)).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        where = f"{path}, line {number}: {line.strip()!r}"
        try:
            start, end, label = float(parts[0]), float(parts[1]), parts[2]
        except (ValueError, IndexError):
            raise CorpusError(f"{where} is malformed: write start and end in seconds and a label.") from None
        if len(parts) > 3 or label not in LABELS:
            raise CorpusError(f"{where} is malformed: the label must be {' or '.join(LABELS)}.")
        if not 0 <= start < end < np.inf:
            raise CorpusError(f"{where} is malformed: the end must come after the start, and both be finite.")
        expected = intervals[-1].end_seconds if intervals else 0.0
        if abs(start - expected) > GAP_SECONDS:
            problem = "leaves a gap after" if start > expected else "is unsorted or overlaps: it starts before"
            raise CorpusError(f"{where} {problem} {expected} s: intervals must follow one another from 0 s on.")
        intervals.append(Interval(start, end, label))
    if not intervals:
        raise CorpusError(f"{path} holds no labels: write a line 'start end label' for each interval.")
    return intervals


def write_labels(path: str | os.PathLike, intervals: Iterable[tuple[float, float, str]]) -> None:
    """Write a label file, times to a millisecond."""
    with replacing(path) as temporary:
        lines = (f"{start:.3f} {end:.3f} {label}\n" for start, end, label in intervals)
        temporary.write_text("".join(lines), encoding="utf-8")


def frame_labels(intervals: Sequence[Interval], n_frames: int, *, frames_per_second: float) -> np.ndarray:
    """Return whether each frame is sung.

    Frame i belongs to time i / `frames_per_second`; an interval holds its start and not its end; the last label goes on
    to the end of the audio.

    Returns
    -------
    ndarray of bool, shape (n_frames,)
    """
    starts = np.array([interval.start_seconds for interval in intervals])
    is_sing = np.array([interval.label == "sing" for interval in intervals])
    times = np.arange(n_frames) / frames_per_second
    return is_sing[np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)]


def label_overhang_seconds(intervals: Sequence[Interval], seconds: float) -> float:
    """Return how far labels run past the end of audio that long; negative where they end before it."""
    return float(intervals[-1].end_seconds - seconds)


def _text(path: Path) -> str:
    """Read a small text file, of this century or (Latin-1) of the last."""
    try:
        content = path.read_bytes()
    except OSError:
        raise CorpusError(f"There is no file {path}: a corpus needs it.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
