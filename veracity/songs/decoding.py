"""Decoders of audio files, read to where their streams end.

The length that a header claims is compared with what is decoded and never trusted: some claim none, some too much, and an MP3
without a count of its frames is estimated by libsndfile from the first of them, and read no further than that.
"""

import contextlib
import io
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from . import mpeg

BLOCK = 2**20  # samples of all channels that are decoded at once
UNKNOWN_BYTES = 2**31 - 4096  # what writers of streams claim who do not know the size is not below this
UNKNOWN_FRAMES = 2**36 - 1  # as much as a FLAC can claim
BEYOND_ANY_FILE = 2**40  # bytes

#: What files of other kinds begin with, and where.
OTHERS = {
    (4, b"ftyp"): "an MPEG-4 file (m4a, mp4)",
    (0, b"\xff\xf1"): "an AAC file",
    (0, b"\xff\xf9"): "an AAC file",
    (0, b"\x1aE\xdf\xa3"): "a Matroska or WebM file",
    (0, b"0&\xb2u"): "a Windows Media file",
    (0, b"MAC "): "a Monkey's Audio file",
    (0, b"wvpk"): "a WavPack file",
    (0, b"version https://git-lfs"): "a pointer of git-lfs and not the file that it stands for",
    (0, b"PK\x03\x04"): "a zip archive",
    (0, b"\x1f\x8b"): "a gzip archive",
    (0, b"<"): "a web page",
}


@dataclass
class Decoder:
    """An open file, and what it says of its length and its end."""

    file: soundfile.SoundFile
    claimed_seconds: float  # NaN where it claims none
    stream_seconds: float  # of the frames that lie in the file, where they were counted
    skipped_bytes: int
    cut_off: bool
    n_samples: int = 0  # decoded so far
    fallback: Path | None = None  # a file whose header may be believed where decoding beyond what it claims fails

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode on to the end; yields arrays of shape (n_samples, n_channels), float32, of which the last is shorter."""
        channels = self.file.channels
        while True:
            block = np.empty((max(BLOCK // channels, 1), channels), np.float32)
            try:
                n_samples = self.file.buffer_read_into(block, "float32")
            except soundfile.SoundFileError:
                if self.fallback is None:
                    raise
                yield from self._as_claimed(self.fallback)
                return
            if not n_samples:
                return
            self.n_samples += n_samples
            yield block[:n_samples]

    def _as_claimed(self, path: Path) -> Iterator[np.ndarray]:
        """Decode what is left of as many samples as the header claims: behind them may lie tags that are no audio."""
        with soundfile.SoundFile(path) as file:
            file.seek(self.n_samples)
            while len(block := file.read(BLOCK // file.channels or 1, "float32", always_2d=True)):
                self.n_samples += len(block)
                yield block
            if self.n_samples < file.frames:
                raise soundfile.SoundFileRuntimeError("its stream is broken")


def other_kind(path: Path) -> str | None:
    """Tell what a file is that is no audio that can be decoded here, by how it begins."""
    with path.open("rb") as file:
        head = file.read(64)
    return next((what for (at, magic), what in OTHERS.items() if head[at:].startswith(magic)), None)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Decoder]:
    """Open a file so that it is decoded to its end, whatever it claims of its length.

    Raises
    ------
    soundfile.SoundFileError
        When it cannot be opened. Decoding may raise it too.
    """
    fallback = None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_Sequential(path))
        except TypeError:
            raise soundfile.SoundFileRuntimeError("its name ends in .raw, which tells nothing of its format") from None
        log = file.extra_info
        claimed = _claimed_seconds(file, log, path)
        cut_off = "Last page lacks an end-of-stream bit" in log
        if file.format == "FLAC":
            with path.open("rb") as raw:
                start = _end_of_id3(raw.read(10))
                raw.seek(start)
                if raw.read(4) == b"fLaC":
                    fallback = path if 0 < file.frames < UNKNOWN_FRAMES else None
                    file = stack.enter_context(_Sequential(stack.enter_context(_WithoutTotal(path, start))))
        frames = mpeg.walk(path.read_bytes()) if file.subtype == "MPEG_LAYER_III" and file.format == "MP3" else None
        if frames is None:
            yield Decoder(file, claimed, np.nan, 0, cut_off, fallback=fallback)
            return
        if not frames.has_count:
            claimed = np.nan
            file = stack.enter_context(_Sequential(stack.enter_context(_Endless(path, frames.start))))
        yield Decoder(file, claimed, frames.seconds, frames.skipped_bytes, frames.cut_off)


def reason(error: soundfile.SoundFileError) -> str:
    """Return what a decoder says of its failure, for brackets in a sentence."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    text = text.removeprefix("Error : ").rstrip(".")
    return "its stream is broken" if re.search("internal|lost sync", text.lower()) else text


class _Sequential(soundfile.SoundFile):
    """A sound file that is read from the beginning to the end: after each block, soundfile would seek to where it is."""

    def seekable(self) -> bool:
        return False


class _Endless(io.FileIO):
    """A file from some byte on that claims to be huge, so that no estimate of its number of frames ends decoding."""

    def __init__(self, path: Path, start: int) -> None:
        super().__init__(path)
        self.start = start
        self.seek(0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: BEYOND_ANY_FILE}[whence]
        return super().seek(self.start + max(origin + offset, 0)) - self.start

    def tell(self) -> int:
        return super().tell() - self.start

    def readinto(self, buffer: Any) -> int:
        if self.tell() < BEYOND_ANY_FILE // 2:
            return super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")  # mpg123 insists on reading what may be a tag at the end
        view[:] = bytes(len(view))
        return len(view)


class _WithoutTotal(io.FileIO):
    """A FLAC file, from some byte on, whose header claims no number of samples (36 bits of its first metadata block)."""

    def __init__(self, path: Path, start: int = 0) -> None:
        super().__init__(path)
        self.start = start

    def readinto(self, buffer: Any) -> int:
        at, n_bytes = self.tell(), super().readinto(buffer) or 0
        for byte, mask in zip(range(self.start + 21, self.start + 26), (0xF0, 0, 0, 0, 0), strict=True):
            if at <= byte < at + n_bytes:
                view = memoryview(buffer).cast("B")
                view[byte - at] &= mask
        return n_bytes


def _end_of_id3(head: bytes) -> int:
    """Return where a tag at the beginning of a file ends (ID3v2: its length stands in four bytes of seven bits)."""
    return 10 + sum((byte & 0x7F) << (7 * (3 - i)) for i, byte in enumerate(head[6:10])) if head[:3] == b"ID3" else 0


def _claimed_seconds(file: soundfile.SoundFile, log: str, path: Path) -> float:
    """Return the length that a header claims, or that the file's size suggests where the header claims far less."""
    if file.frames >= UNKNOWN_FRAMES:
        return np.nan
    seconds, file_bytes = file.frames / file.samplerate, path.stat().st_size
    with path.open("rb") as raw:
        if share := _share_read(raw, file_bytes):
            return seconds / share
    # libsndfile mends the size of uncompressed data where the file is shorter, and tells it in its log.
    if found := re.search(r"^ *(?:data|SSND) : (\d+)(?: \(should be (\d+)\))?$", log, re.MULTILINE):
        claimed_bytes, data_bytes = int(found[1]), int(found[2] or found[1])
        if found[2] and data_bytes > 0 and claimed_bytes < UNKNOWN_BYTES:
            return seconds * claimed_bytes / data_bytes
        if not found[2] and 0 < 2 * data_bytes < file_bytes:
            return seconds * file_bytes / data_bytes
    return seconds


def _share_read(raw: BinaryIO, file_bytes: int) -> float | None:
    """Return which share of the sound that a file claims or holds libsndfile reads of it; None where all is as it should be.

    It reads the first of chained Ogg streams alone, of a WAV no more than its data chunk claims, and of RF64, W64 and AU what
    is there, whatever they claim.
    """
    head = raw.read(96)
    if head[:4] == b"OggS":
        end = _end_of_first_stream(raw, file_bytes)
        return end / file_bytes if end and end < file_bytes else None
    if head[:4] == b".snd":
        start, claimed = struct.unpack(">II", head[4:12])
        held = file_bytes - start
        return held / claimed if held < claimed < UNKNOWN_BYTES else None
    if head[:4] == b"RF64" and head[12:16] == b"ds64":
        (claimed,) = struct.unpack("<Q", head[28:36])
        return (file_bytes - len(head)) / claimed if file_bytes < claimed < BEYOND_ANY_FILE else None
    if head[:4] == b"riff":  # W64: its length, of all, stands behind the name of 16 bytes
        (claimed,) = struct.unpack("<Q", head[16:24])
        return file_bytes / claimed if file_bytes < claimed < BEYOND_ANY_FILE else None
    if head[:4] == b"RIFF":
        return _share_of_data(raw, file_bytes)
    return None


def _end_of_first_stream(raw: BinaryIO, file_bytes: int) -> int | None:
    """Return where the first stream of an Ogg ends; None where no other follows it."""
    at, ended = 0, False
    while at < file_bytes:
        raw.seek(at)
        page = raw.read(27)
        if len(page) < 27 or page[:4] != b"OggS":
            return None
        if ended and page[5] & 2:
            return at
        ended = bool(page[5] & 4)
        at += 27 + page[26] + sum(raw.read(page[26]))
    return None


def _share_of_data(raw: BinaryIO, file_bytes: int) -> float | None:
    """Return which share of the samples the data chunk of a WAV claims: what follows it should be another chunk."""
    at = 12
    while at + 8 <= file_bytes:
        raw.seek(at)
        name, size = struct.unpack("<4sI", raw.read(8))
        if at + 8 + size > file_bytes:
            return None  # said by libsndfile
        following = at + 8 + size + size % 2
        if name == b"data" and size:
            raw.seek(following)
            after = raw.read(8)
            left = file_bytes - following
            if left < 8 or (after[:4].isascii() and after[:4].decode("ascii", "replace").isprintable()):
                return None
            return size / (size + left)
        at = following
    return None
