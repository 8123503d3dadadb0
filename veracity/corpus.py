"""A corpus in the layout of Jamendo: audio, labels, and lists of the songs of each split.

A folder, or the only folder in it, holds ``audio/*.{ogg,mp3,flac,wav}``, ``labels/<same stem>.lab`` and
``filelists/{train,valid,test}`` (or ``filelist/``) with one audio file name per line. A label file has a line ``start end
label`` for each interval, in seconds, without gaps, with the labels ``sing`` and ``nosing``.

References
----------
M. Ramona, G. Richard and B. David, "Vocal detection in music with support vector machines", ICASSP 2008 (the corpus).
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .decisions import LABELS
from .errors import CorpusError
from .files import replacing

SPLITS = ("train", "valid", "test")
AUDIO_SUFFIXES = (".ogg", ".mp3", ".flac", ".wav")  # in the order in which the stem of an old list's .trs is looked for
GAP_SECONDS = 0.01  # smaller gaps and overlaps of intervals are rounding


@dataclass(frozen=True)
class Song:
    """One song of a corpus.

    Attributes
    ----------
    name : str
        What its artefacts are called: lower-case letters, digits and hyphens.
    audio, labels : Path
    split : {"train", "valid", "test"}
    """

    name: str
    audio: Path
    labels: Path
    split: str


class Interval(NamedTuple):
    """One line of a label file; the label is one of `veracity.decisions.LABELS`."""

    start_seconds: float
    end_seconds: float
    label: str


def song_name(file: str | os.PathLike) -> str:
    """Return a file's stem in lower-case ASCII letters, digits and single hyphens.

    Accents are dropped; a stem that holds letters of other scripts gets a digest, since its name would say little.

    Examples
    --------
    >>> song_name("05 - Aux Cieux, Tu es mon Dieu.ogg")
    '05-aux-cieux-tu-es-mon-dieu'
    """
    stem = Path(file).stem
    decomposed = unicodedata.normalize("NFKD", stem)
    name = re.sub("[^a-z0-9]+", "-", re.sub("[\u0300-\u036f'’]", "", decomposed.lower())).strip("-")
    is_readable = all(letter.isascii() for letter in decomposed if unicodedata.category(letter).startswith("L"))
    return name if name and is_readable else "-".join(filter(None, (name or "song", _digest(stem))))


def read_corpus(folder: str | os.PathLike) -> list[Song]:
    """Find the songs of a corpus.

    Parameters
    ----------
    folder : path-like
        The corpus, or a folder that holds nothing else.

    Returns
    -------
    list of Song
        In the order of the lists: train, valid, test. Names differ: where two files would share one, each gets a digest.

    Raises
    ------
    CorpusError
        When a folder or list is missing, a list names a song that is absent, or a song is listed twice.
    """
    root = find_root(folder)
    audio, labels = _files(root / "audio"), _files(root / "labels")
    found: dict[str, tuple[Path, Path, str]] = {}
    for split in SPLITS:
        lists = next((root / name for name in ("filelists", "filelist") if (root / name).is_dir()), root / "filelists")
        for number, line in enumerate(_text(lists / split).splitlines(), 1):
            if listed := unicodedata.normalize("NFC", line.strip()):
                where = f"{lists / split}, line {number}: {listed!r}"
                song = _find_audio(listed, audio)
                if song is None:
                    raise CorpusError(f"{where} is not in {root / 'audio'}: add the file or remove the line.")
                if (label_file := labels.get(unicodedata.normalize("NFC", f"{song.stem}.lab"))) is None:
                    raise CorpusError(f"{where} has no labels: put '{song.stem}.lab' into {root / 'labels'}.")
                if song.name in found:
                    raise CorpusError(f"{where} is listed already, for {found[song.name][2]}: keep one of the lines.")
                found[song.name] = (song, label_file, split)
    if not found:
        raise CorpusError(f"The lists in {lists} name no songs: write one audio file name per line.")
    shared = Counter(song_name(file) for file in found)
    names = {file: song_name(file) + (f"-{_digest(file)}" if shared[song_name(file)] > 1 else "") for file in found}
    return [Song(names[file], *parts) for file, parts in found.items()]


def find_root(folder: str | os.PathLike) -> Path:
    """Return the folder that holds ``audio/``: `folder`, or the only folder in it.

    Raises
    ------
    CorpusError
        When there is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError(f"There is no corpus folder {folder}: set corpus.folder to it, or run the target `download`.")
    inside = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith((".", "__MACOSX"))]
    for root in (folder, *(inside if len(inside) == 1 else [])):
        if (root / "audio").is_dir():
            return root
    raise CorpusError(f"{folder} holds no folder audio/: give a corpus in the layout of Jamendo (audio, labels, filelists).")


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


def load_audio(path: str | os.PathLike, *, sample_rate: int, min_seconds: float = 0.0) -> np.ndarray:
    """Decode a file to one channel (the mean of all) at a sample rate.

    Parameters
    ----------
    path : path-like
    sample_rate : int
        Hz.
    min_seconds : float
        The shortest audio that is of use.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        Full scale is +-1.

    Raises
    ------
    CorpusError
        When the file is missing, empty, undecodable or too short, or holds samples that are not finite.
    """
    import soundfile

    if not Path(path).is_file():
        raise CorpusError(f"There is no audio file {path}: add it, or remove its line from the lists.")
    try:
        samples, original_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(error).rstrip(".").split(": ")[-1]
        raise CorpusError(f"{path} cannot be decoded ({reason}): replace it by an intact ogg, mp3, flac or wav file.") from None
    if not len(samples):
        raise CorpusError(f"{path} holds no samples: replace it, or remove its line from the lists.")
    mono = sum(samples.T) / samples.shape[1]  # the mean of all, which NumPy takes a quarter of decoding for along this axis
    if not np.isfinite(mono).all():
        raise CorpusError(f"{path} holds samples that are not finite (NaN or infinite): export the audio again.")
    if len(mono) < min_seconds * original_rate:
        raise CorpusError(
            f"{path} lasts {len(mono) / original_rate:.2f} s, less than one excerpt of {min_seconds:.2f} s: "
            "remove its line from the lists."
        )
    if original_rate != sample_rate:
        import soxr  # what librosa.resample calls too; librosa takes longer to import than a song to decode

        mono = soxr.resample(mono, original_rate, sample_rate, quality="HQ")
    return mono


def _digest(text: str) -> str:
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()[:8]


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


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by composed (NFC) name; what macOS leaves in archives is no file."""
    if not folder.is_dir():
        raise CorpusError(f"There is no folder {folder}: a corpus needs audio/, labels/ and filelists/.")
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return {unicodedata.normalize("NFC", path.name): path for path in paths}


def _find_audio(listed: str, audio: dict[str, Path]) -> Path | None:
    """Return the file that a line of a list means: of that name, or of its stem where the name ends in .trs."""
    stem, _, suffix = listed.rpartition(".")
    candidates = [listed] if suffix != "trs" else [stem + other for other in AUDIO_SUFFIXES]
    return next((audio[name] for name in candidates if name in audio), None)
