"""Label files: labelled intervals of a song, and the label of each frame.

A ``.lab`` file has a line ``start end label`` for each interval, in seconds and without gaps. A label track of Audacity
(``.txt``) and a table (``.csv`` with the columns start, end and label, with or without a header) may have gaps, which count as
``nosing``. Labels are ``sing`` and ``nosing``, or configured words.
"""

import codecs
import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CorpusError, shortened
from ..jobs.files import replacing
from ..labels import LABELS, Label

GAP_SECONDS = 0.01  # smaller gaps and overlaps of intervals are rounding errors
MIN_EXTENT, MAX_EXTENT = 0.5, 3.0  # allowed end of labels relative to the length of the audio
MAX_BYTES = 2**24  # largest size of a label file or list
NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"  # float() also reads 1_0, digits of other scripts and nan


LABEL_SUFFIXES = (".lab", ".txt", ".csv")  # in the order of search, and of the names in an error about two files
Words = Mapping[Label, Sequence[str]]
WORDS: Words = {"sing": ("sing",), "nosing": ("nosing",)}


class Interval(NamedTuple):
    """Labelled interval of a song, which is one line of a label file.

    Attributes
    ----------
    start_seconds, end_seconds : float
        Start and end in seconds.
    label : str
        One of `veracity.labels.LABELS`.
    """

    start_seconds: float
    end_seconds: float
    label: str


def read_labels(path: str | os.PathLike, words: Words = WORDS) -> list[Interval]:
    """Read and validate a label file.

    Parameters
    ----------
    path : path-like
        Path to the label file, whose suffix determines the format.
    words : mapping of str to sequence of str
        Words in the file for the labels ``sing`` and ``nosing``, by default the labels themselves.

    Returns
    -------
    list of Interval
        Intervals without gaps, starting at 0 seconds.

    Raises
    ------
    CorpusError
        If the file is missing or empty, a line is malformed, or intervals are unsorted, overlap or, in a ``.lab`` file, leave a
        gap.
    """
    label_of = {word.strip(): label for label in LABELS for word in words[label]}
    gaps_are_nosing = Path(path).suffix.lower() in (".txt", ".csv")
    intervals: list[Interval] = []
    for number, line, parts in _rows(Path(path)):
        where, got = f"{path}, line {number}", f"got {shortened(line.strip())!r}"
        if len(parts) < 3 or not all(re.fullmatch(NUMBER, part, re.ASCII) for part in parts[:2]):
            raise CorpusError(f"{where}: malformed, {got}. Write start and end in seconds, such as 12.5, and a label.")
        if len(parts) > 3 or parts[2] not in label_of:
            known = " or ".join(map(shortened, label_of))
            raise CorpusError(
                f"{where}: the label must be {known}, without text after it, {got}. Correct it, or add words to corpus.words."
            )
        start, end, label = float(parts[0]), float(parts[1]), label_of[parts[2]]
        if not 0 <= start < end < np.inf:
            raise CorpusError(f"{where}: the end must be after the start, and both must be finite, {got}. Correct the times.")
        expected = intervals[-1].end_seconds if intervals else 0.0
        if gaps_are_nosing and start > expected + GAP_SECONDS:
            intervals.append(Interval(expected, start, "nosing"))
        elif abs(start - expected) > GAP_SECONDS:
            problem = "gap after" if start > expected else "unsorted or overlapping interval before"
            raise CorpusError(f"{where}: {problem} {expected} s, {got}. Write consecutive intervals from 0 s.")
        intervals.append(Interval(start, end, label))
    if not intervals:
        raise CorpusError(f"{path}: no labels. Write a line 'start end label' for each interval.")
    return intervals


def _rows(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number, text and fields of each line that contains an interval."""
    suffix, lines = path.suffix.lower(), text_lines(path)
    delimiter = next((sign for sign in (";", "\t", ",") if lines and sign in lines[0]), ",")
    for number, line in enumerate(lines, 1):
        if suffix == ".csv":
            parts = [part.strip() for part in next(csv.reader([line], delimiter=delimiter), [])]
            if number == 1 and [part.lower() for part in parts[:2]] in (["start", "end"], ["start_seconds", "end_seconds"]):
                continue  # header
        elif suffix == ".txt":
            parts = [part.strip() for part in line.split("\t", 2)] if "\t" in line else line.split()
            if line.startswith("\\"):
                continue  # frequency range of the previous label in Audacity's format
        else:
            parts = line.split(maxsplit=2)
            parts[2:] = [part.strip() for part in parts[2:]]  # a configured word may contain spaces, such as lead vocals
        if any(parts):
            yield number, line, parts


def find_labels(audio: Path, files: Iterable[Path] | None = None) -> Path | None:
    """Return the label file with the stem of an audio file in the same folder, or None; `files` are the files of that folder.

    A ``.txt`` file that does not begin with a number is not a label track (it may contain lyrics, for example).

    Raises
    ------
    CorpusError
        If there are two label files.
    """
    candidates = [
        path
        for path in _beside(audio, audio.parent.iterdir() if files is None else files)
        if path.suffix.lower() != ".txt" or _begins_with_number(path)
    ]
    if len(candidates) > 1:
        both = f"{candidates[0].name} and {candidates[1].name}"
        raise CorpusError(f"{audio}: must have one label file, got {both}. Keep one of them.")
    return candidates[0] if candidates else None


def _beside(audio: Path, folder: Iterable[Path]) -> list[Path]:
    """Return the files with a label suffix and the stem of an audio file, regardless of Unicode normalisation."""
    stem = unicodedata.normalize("NFC", audio.stem)
    files = [path for path in folder if path.suffix.lower() in LABEL_SUFFIXES and path.is_file()]
    named = [path for path in files if unicodedata.normalize("NFC", path.stem) == stem]
    return sorted(named, key=lambda path: LABEL_SUFFIXES.index(path.suffix.lower()))


def _begins_with_number(path: Path) -> bool:
    return re.match(NUMBER, next(iter(text_lines(path)), "").strip(), re.ASCII) is not None


def check_extent(intervals: Sequence[Interval], seconds: float, path: str | os.PathLike) -> None:
    """Raise CorpusError if labels cannot belong to the audio, because of another unit or another recording.

    Parameters
    ----------
    intervals : sequence of Interval
        Labels of the song.
    seconds : float
        Length of the audio in seconds.
    path : path-like
        Path to the label file.

    Raises
    ------
    CorpusError
        If the labels end after three times the length of the audio. For ``.lab`` files, also if they end before half of it.
    """
    end = intervals[-1].end_seconds
    least = 0 if Path(path).suffix.lower() in (".txt", ".csv") else MIN_EXTENT  # audio after their last label counts as nosing
    if least <= end / seconds <= MAX_EXTENT:
        return
    wrong = f"{path}: end of the labels does not match the audio of {seconds:.2f} s, got {end:.6g}"
    for unit, in_seconds in (("milliseconds", 1e-3), ("minutes", 60.0)):
        if 0.8 < end * in_seconds / seconds < 1.25:
            raise CorpusError(f"{wrong} (possibly {unit}). Write times in seconds.")
    raise CorpusError(f"{wrong}. Write times in seconds, and use the labels of this recording.")


def to_the_end(intervals: list[Interval], seconds: float, path: str | os.PathLike) -> list[Interval]:
    """Return intervals extended to the end of the audio.

    The extension of ``.txt`` and ``.csv`` labels is "nosing". Labels of ``.lab`` files are returned unchanged, because their
    last label extends to the end (see `frame_labels`).

    Parameters
    ----------
    intervals : list of Interval
        Labels of the song.
    seconds : float
        Length of the audio in seconds.
    path : path-like
        Path to the label file, whose suffix determines the format.

    Returns
    -------
    list of Interval
        Labels with an additional interval if necessary.
    """
    end = intervals[-1].end_seconds
    if Path(path).suffix.lower() == ".lab" or end >= seconds:
        return intervals
    return [*intervals, Interval(end, seconds, "nosing")]


def write_labels(path: str | os.PathLike, intervals: Iterable[tuple[float, float, str]]) -> None:
    """Write a label file, with times rounded to milliseconds."""
    with replacing(path) as temporary:
        lines = (f"{start:.3f} {end:.3f} {label}\n" for start, end, label in intervals)
        temporary.write_text("".join(lines), encoding="utf-8")


def frame_labels(intervals: Sequence[Interval], n_frames: int, *, frames_per_second: float) -> np.ndarray:
    """Return whether the label of each frame is "sing".

    Frame i is at i / `frames_per_second` seconds. An interval includes its start and excludes its end. The last label extends
    to the end of the audio.

    Parameters
    ----------
    intervals : sequence of Interval
        Labels of the song.
    n_frames : int
        Number of frames.
    frames_per_second : float
        Frame rate.

    Returns
    -------
    ndarray of bool, shape (n_frames,)
        Whether each frame is labelled "sing".
    """
    starts = np.array([interval.start_seconds for interval in intervals])
    is_sing = np.array([interval.label == "sing" for interval in intervals])
    times = np.arange(n_frames) / frames_per_second
    return is_sing[np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)]


def label_overhang_seconds(intervals: Sequence[Interval], seconds: float) -> float:
    """Return the time in seconds by which labels extend past the end of the audio; negative if they end earlier."""
    return float(intervals[-1].end_seconds - seconds)


def text_lines(path: Path) -> list[str]:
    """Read the lines of a small text file, encoded as UTF-8, UTF-16 with a byte order mark, or Latin-1.

    Raises
    ------
    CorpusError
        If the file does not exist, cannot be read, or is not text.
    """
    try:
        if not path.is_file():
            raise CorpusError(f"{path}: file is missing from the corpus. Add it.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}). Check the file and its permissions.") from None
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if len(content) > MAX_BYTES or "\0" in text:
        raise CorpusError(f"{path}: not a text file in UTF-8. Save it as one, or replace it.")
    return re.split("\r\n|\r|\n", text)
