"""Corpora in the layout of Jamendo: audio, labels, and file lists of each split.

The folder, or its only subfolder, contains ``audio/*.{ogg,mp3,flac,wav}``, ``labels/<same stem>.lab`` and
``filelists/{train,valid,test}`` (or ``filelist/``, or lists with the suffix ``.txt``) with one audio file name per line. The
songs of each split can also be selected by name, without lists (`Selection`). A label file has a line ``start end label`` for
each interval, in seconds and without gaps, with the labels ``sing`` and ``nosing``. `veracity.songs.label_files` describes
other formats. Any other folder of audio files can be used as a corpus of songs to attack; see `read_audio_folder`.

References
----------
M. Ramona, G. Richard and B. David, "Vocal detection in music with support vector machines", ICASSP 2008 (the corpus).
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import CorpusError, hint, shortened
from .label_files import LABEL_SUFFIXES, find_labels, text_lines
from .splits import SPLITS as SPLITS

MAX_NAME = 80  # artefacts add suffixes to names, and file systems allow 255 bytes
DIGITS = 8  # number of hexadecimal digits of a digest in a name
MISSING = ("nan", "null")
REPETITIVE = re.compile(r"(.+?)\1{15,}$")  # Snakemake rejects 20 repetitions
UNUSED_SUFFIXES = (".lab", ".csv", ".tsv", ".json", ".jams", ".textgrid", ".xml")  # of files that may contain labels
AUDIO_SUFFIXES = (".ogg", ".mp3", ".flac", ".wav")  # in the order of search for listed names without one


@dataclass(frozen=True)
class Song:
    """Song of a corpus.

    Attributes
    ----------
    name : str
        Name for artefacts: lower-case letters, digits and hyphens.
    audio : Path
        Path to the audio file.
    labels : Path or None
        Path to the label file; None for a song without labels.
    split : {"train", "valid", "test"}
        Split of the corpus to which the song belongs.
    """

    name: str
    audio: Path
    labels: Path | None
    split: str


def song_name(file: str | os.PathLike) -> str:
    """Return the stem of a file as lower-case ASCII letters, digits and single hyphens, at most `MAX_NAME` characters.

    Accents are removed. A digest is appended if the name would be ambiguous or unusable otherwise: for letters of other
    scripts, long stems, stems that end in many repetitions (which Snakemake rejects as cyclic), and words that denote missing
    values in tables.

    Examples
    --------
    >>> song_name("05 - Aux Cieux, Tu es mon Dieu.ogg")
    '05-aux-cieux-tu-es-mon-dieu'
    """
    stem = Path(file).stem
    decomposed = unicodedata.normalize("NFKD", stem)
    name = re.sub("[^a-z0-9]+", "-", re.sub("[\u0300-\u036f'’]", "", decomposed.lower())).strip("-")
    is_readable = all(letter.isascii() for letter in decomposed if unicodedata.category(letter).startswith("L"))
    if name and is_readable and len(name) <= MAX_NAME and not REPETITIVE.search(name) and name not in MISSING:
        return name
    return "-".join(filter(None, (name[: MAX_NAME - DIGITS - 1].strip("-") or "song", _digest(stem)[:DIGITS])))


def _distinct_names(files: Iterable[str]) -> dict[str, str]:
    """Return a name for each file; shared names are extended by the folders or, if necessary, a digest."""
    names = {file: song_name(file) for file in files}
    counts = Counter(names.values())
    with_folders = {file: song_name(file.replace("/", " ")) for file, name in names.items() if counts[name] > 1}
    names |= {file: name for file, name in with_folders.items() if Counter(with_folders.values())[name] == 1}
    digits = dict.fromkeys(names, 0)
    while shared := {name for name, count in Counter(names.values()).items() if count > 1}:
        for file in [file for file, name in names.items() if name in shared]:
            digits[file] += DIGITS
            names[file] = f"{song_name(file)}-{_digest(file)[: digits[file]]}"
    return names


#: Names of songs (as in `song_name`) or of files, by split; ``*`` matches any characters, ``?`` any single one.
Selection = Mapping[str, Sequence[str]]


def read_corpus(folder: str | os.PathLike, selection: Selection | None = None) -> list[Song]:
    """Find the songs of a corpus.

    Parameters
    ----------
    folder : path-like
        Folder of the corpus, or a folder whose only subfolder is the corpus.
    selection : Selection, optional
        Songs of each split, by default those of the lists.

    Returns
    -------
    list of Song
        Songs in the order of the splits (train, valid, test) and of the lists or patterns, with distinct names.

    Raises
    ------
    CorpusError
        If a folder or list is missing, a listed or selected song is missing or has no labels, or a song occurs twice.
    """
    root = find_root(folder)
    audio, labels = _files(root / "audio"), _files(root / "labels")
    listed_files: dict[str, tuple[Path, Path, str]] = {}
    for where, file, split in _selected(selection, audio, root / "audio") if selection else _listed(root, audio):
        song, got = audio[file], f"got {shortened(file)!r}"
        stem = unicodedata.normalize("NFC", song.stem)
        if (label_file := next((labels[stem + s] for s in LABEL_SUFFIXES if stem + s in labels), None)) is None:
            raise CorpusError(f"{where}: no labels, {got}. Put '{song.stem}.lab' into {root / 'labels'}.")
        if song.name in listed_files:
            raise CorpusError(f"{where}: already listed for {listed_files[song.name][2]}, {got}. Keep one of the two.")
        listed_files[song.name] = (song, label_file, split)
    if not listed_files:
        raise CorpusError(f"{root / 'filelists'}: no songs. Write one audio file name per line.")
    names = _distinct_names(listed_files)
    return [Song(names[file], *parts) for file, parts in listed_files.items()]


def _listed(root: Path, audio: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    """Yield the line, the file name and the split of each song in the lists of a corpus."""
    lists = next((root / name for name in ("filelists", "filelist") if (root / name).is_dir()), root / "filelists")
    for split in SPLITS:
        path = next((path for path in (lists / split, lists / f"{split}.txt") if path.exists()), lists / split)
        for number, line in enumerate(text_lines(path), 1):
            if listed := unicodedata.normalize("NFC", line.strip()):
                where = f"{path}, line {number}"
                if (file := _find_audio(listed, audio)) is None:
                    got = f"got {shortened(listed)!r}"
                    raise CorpusError(f"{where}: not in {root / 'audio'}, {got}. Add the file or remove the line.")
                yield where, file, split


def _selected(selection: Selection, files: Iterable[str], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the configuration key, the file and the split of each selected song; one error lists all missing songs."""
    named = {file: song_name(file) for file in files if file.lower().endswith(AUDIO_SUFFIXES)}
    found = {
        (split, pattern): [file for file, name in named.items() if any(fnmatchcase(n, pattern) for n in (name, file))]
        for split in SPLITS
        for pattern in selection.get(split, ())
    }
    if missing := [pattern for (_, pattern), matching in found.items() if not matching]:
        shown = ", ".join(repr(shortened(pattern)) for pattern in missing)
        raise CorpusError(
            f"corpus.songs: not in {folder}, got {shown}. Add the audio files, or remove the names"
            f"{hint(missing[0], named.values())}."
        )
    for (split, _), matching in found.items():
        yield from ((f"corpus.songs.{split}", file, split) for file in matching)


def read_audio_folder(folder: str | os.PathLike, selection: Selection | None = None) -> list[Song]:
    """Find the audio files of a folder and its subfolders; neither lists nor labels are required.

    Parameters
    ----------
    folder : path-like
        Folder of audio files.
    selection : Selection, optional
        Songs of each split, by default all of them in the split "test". File names include the path in the folder.

    Returns
    -------
    list of Song
        Songs in the order of their paths, or of the selection. A label file with the same stem in the same folder is used if
        there is one (see `veracity.songs.label_files.find_labels`). Hidden files and folders are ignored.

    Raises
    ------
    CorpusError
        If the folder does not exist or contains no audio, or a selected song is missing or occurs twice.
    """
    root = Path(folder)
    if not os.path.isdir(root):  # noqa: PTH112 - does not raise for long names
        raise CorpusError(f"corpus.folder: folder is missing, got {folder}. Give a folder that contains audio.")
    audio_files: list[Path] = []
    seen: set[str] = set()
    in_folder: dict[Path, list[Path]] = {}
    for base, folders, files in os.walk(root, followlinks=True):
        if os.path.realpath(base) in seen:  # a symbolic link to a folder that was visited already
            folders.clear()
            continue
        seen.add(os.path.realpath(base))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        paths = [Path(base, name) for name in files if not name.startswith(".")]
        in_folder[Path(base)] = [path for path in paths if path.suffix.lower() in LABEL_SUFFIXES]
        audio_files += [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()]
    if not audio_files:
        raise CorpusError(f"{folder}: no audio ({', '.join(AUDIO_SUFFIXES)}). Put files there, or give another folder.")
    files_of = {path.relative_to(root).as_posix(): path for path in sorted(audio_files)}
    splits = dict.fromkeys(files_of, "test")
    if selection:
        splits = {}
        for where, file, split in _selected(selection, files_of, root):
            if file in splits:
                raise CorpusError(
                    f"{where}: already selected for {splits[file]}, got {shortened(file)!r}. Keep one of the two."
                )
            splits[file] = split
    names = _distinct_names(splits)
    return [
        Song(names[file], path := files_of[file], find_labels(path, in_folder[path.parent]), split)
        for file, split in splits.items()
    ]


def unused_labels(folder: str | os.PathLike, used: Iterable[Path | None]) -> list[str]:
    """Return the paths of files in a folder that look like label files but are not used.

    Text files are not included, because they may contain anything.
    """
    known, root = {str(path) for path in used if path}, Path(folder)
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in UNUSED_SUFFIXES and str(path) not in known)
    inside = [path.relative_to(root) for path in paths if path.is_file()]
    return [path.as_posix() for path in inside if not any(part.startswith(".") for part in path.parts)]


def songs_of(kind: str, folder: str | os.PathLike, selection: Selection | None = None) -> list[Song]:
    """Find the songs of a corpus, whose kind is ``folder`` (layout of Jamendo) or ``audio`` (any folder of audio files)."""
    return (read_audio_folder if kind == "audio" else read_corpus)(folder, selection)


def find_root(folder: str | os.PathLike) -> Path:
    """Return the folder that contains ``audio/``, which is `folder` or its only subfolder.

    Raises
    ------
    CorpusError
        If neither contains ``audio/``.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # noqa: PTH112 - does not raise for long names
        raise CorpusError(f"corpus.folder: folder is missing, got {folder}. Correct it, or download Jamendo (docs/corpus.md).")
    children = [child for child in _children(folder) if child.is_dir()]
    inside = [child for child in children if not child.name.startswith((".", "__MACOSX"))]
    for root in (folder, *(inside if len(inside) == 1 else [])):
        if (root / "audio").is_dir():
            return root
    raise CorpusError(f"{folder}: no folder audio/. Give a corpus in the layout of Jamendo (audio, labels, filelists).")


def _digest(text: str) -> str:
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")).hexdigest()


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by composed (NFC) name, without hidden files."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: folder is missing. Give a corpus with audio/, labels/ and filelists/.")
    files: dict[str, Path] = {}
    for path in sorted(path for path in _children(folder) if path.is_file() and not path.name.startswith(".")):
        name = unicodedata.normalize("NFC", path.name)
        if name in files:
            raise CorpusError(
                f"{folder}: two file names that differ only in Unicode form, got {shortened(name)!r}. Rename one of them."
            )
        files[name] = path
    return files


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read ({error.strerror}). Check its permissions.") from None


def _find_audio(listed: str, audio: Mapping[str, Path]) -> str | None:
    """Return the file for a line of a list, in which the suffix may be missing or .trs."""
    candidates = (listed, *(listed.removesuffix(".trs") + suffix for suffix in AUDIO_SUFFIXES))
    return next((name for name in candidates if name in audio), None)
