"""Decoders of audio files, read to where their streams end.

The length that a header claims is compared with what is decoded and never trusted: some claim none, some too much, and an MP3
without a count of its frames is estimated by libsndfile from the first of them, and read no further than that.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode on to the end; yields arrays of shape (n_samples, n_channels), float32, of which the last is shorter."""
        channels = self.file.channels
        while True:
            block = np.empty((max(BLOCK // channels, 1), channels), np.float32)
            if not (n_samples := self.file.buffer_read_into(block, "float32")):
                return
            self.n_samples += n_samples
            yield block[:n_samples]


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
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_Sequential(path))
        except TypeError:
            raise soundfile.SoundFileRuntimeError("its name ends in .raw, which tells nothing of its format") from None
        log = file.extra_info
        claimed = _claimed_seconds(file, log, path.stat().st_size)
        cut_off = "Last page lacks an end-of-stream bit" in log
        if file.format == "FLAC":
            with path.open("rb") as raw:
                if raw.read(5)[:4] == b"fLaC":
                    file = stack.enter_context(_Sequential(stack.enter_context(_WithoutTotal(path))))
        frames = mpeg.walk(path.read_bytes()) if file.subtype == "MPEG_LAYER_III" and file.format == "MP3" else None
        if frames is None:
            yield Decoder(file, claimed, np.nan, 0, cut_off)
            return
        if not frames.has_count:
            claimed = np.nan
            file = stack.enter_context(_Sequential(stack.enter_context(_Endless(path, frames.start))))
        yield Decoder(file, claimed, frames.seconds, frames.skipped_bytes, frames.cut_off)


def reason(error: soundfile.SoundFileError) -> str:
    """Return what a decoder says of its failure, for brackets in a sentence."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    text = text.removeprefix("Error : ").rstrip(".")
    return "its stream is broken" if "internal" in text.lower() else text


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
    """A FLAC file whose header claims no number of samples (36 bits of the metadata block that comes first)."""

    def readinto(self, buffer: Any) -> int:
        at, n_bytes = self.tell(), super().readinto(buffer) or 0
        for byte, mask in zip(range(21, 26), (0xF0, 0, 0, 0, 0), strict=True):
            if at <= byte < at + n_bytes:
                view = memoryview(buffer).cast("B")
                view[byte - at] &= mask
        return n_bytes


def _claimed_seconds(file: soundfile.SoundFile, log: str, file_bytes: int) -> float:
    """Return the length that a header claims, or that the file's size suggests where the header claims far less."""
    if file.frames >= UNKNOWN_FRAMES:
        return np.nan
    seconds = file.frames / file.samplerate
    # libsndfile mends the size of uncompressed data where the file is shorter, and tells it in its log.
    if found := re.search(r"^ *(?:data|SSND) : (\d+)(?: \(should be (\d+)\))?$", log, re.MULTILINE):
        claimed_bytes, data_bytes = int(found[1]), int(found[2] or found[1])
        if found[2] and data_bytes > 0 and claimed_bytes < UNKNOWN_BYTES:
            return seconds * claimed_bytes / data_bytes
        if not found[2] and 0 < 2 * data_bytes < file_bytes:
            return seconds * file_bytes / data_bytes
    return seconds
