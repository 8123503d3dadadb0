"""Label files: intervals of a song with what is sung in them, and the label of each frame.

A label file has a line ``start end label`` for each interval, in seconds, without gaps; labels are ``sing`` and ``nosing``.
"""

import codecs
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CorpusError, shortened
from ..jobs.files import replacing
from ..labels import LABELS

GAP_SECONDS = 0.01  # smaller gaps and overlaps of intervals are rounding
MIN_EXTENT, MAX_EXTENT = 0.5, 3.0  # of labels, in lengths of the audio: half of a file that was cut is said, not refused
MAX_BYTES = 2**24  # of a file of labels or a list
NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"  # float() also reads 1_0, digits of other scripts and nan


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
    for number, line in enumerate(text_lines(Path(path)), 1):
        parts = line.split()
        if not parts:
            continue
        where = f"{path}, line {number}: {shortened(line.strip())!r}"
        if len(parts) < 3 or not all(re.fullmatch(NUMBER, part, re.ASCII) for part in parts[:2]):
            raise CorpusError(f"{where} is malformed: write start and end in seconds, as 12.5, and a label.")
        if len(parts) > 3 or parts[2] not in LABELS:
            raise CorpusError(f"{where} is malformed: the label must be {' or '.join(LABELS)}, with nothing behind it.")
        start, end, label = float(parts[0]), float(parts[1]), parts[2]
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


def check_extent(intervals: Sequence[Interval], seconds: float, path: str | os.PathLike) -> None:
    """Refuse labels that cannot be those of audio that long: in another unit, or of another recording.

    Raises
    ------
    CorpusError
        When they end behind three times its length, or before half of it.
    """
    end = intervals[-1].end_seconds
    if MIN_EXTENT <= end / seconds <= MAX_EXTENT:
        return
    wrong = f"{path} ends at {end:.6g} where the audio lasts {seconds:.2f} s"
    for unit, in_seconds in (("milliseconds", 1e-3), ("minutes", 60.0)):
        if 0.8 < end * in_seconds / seconds < 1.25:
            raise CorpusError(f"{wrong}, as if its times were {unit}: write them in seconds.")
    raise CorpusError(f"{wrong}: write times in seconds, and put the labels of this recording beside it.")


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


def text_lines(path: Path) -> list[str]:
    """Read the lines of a small text file: of this century, of Windows (UTF-16), or (Latin-1) of the last.

    Raises
    ------
    CorpusError
        When there is none, or it holds no text.
    """
    try:
        if not path.is_file():
            raise CorpusError(f"There is no file {path}: a corpus needs it.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}): check the file and its permissions.") from None
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if len(content) > MAX_BYTES or "\0" in text:
        raise CorpusError(f"{path} is no text file of UTF-8: save it as one, or put the right file there.")
    return re.split("\r\n|\r|\n", text)
