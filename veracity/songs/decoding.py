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
from typing import Any, BinaryIO

import numpy as np
import soundfile

from . import mpeg

BLOCK = 2**20  # samples of all channels that are decoded at once
FORMATS = ("WAV", "WAVEX", "AIFF", "FLAC", "OGG", "MP3")  # of others it is not known here how they are when they are cut
UNKNOWN_BYTES = 2**31 - 4096  # what writers of streams claim who do not know the size is not below this
UNKNOWN_FRAMES = 2**36 - 1  # as much as a FLAC can claim
BEYOND_ANY_FILE = 2**40  # bytes


@dataclass
class Decoder:
    """An open file, and what is known of its length and its end."""

    file: soundfile.SoundFile
    claimed_seconds: float  # by its header, or as its size suggests where the header claims less; NaN: neither
    stream_seconds: float = np.nan  # of the frames of an MP3, counted
    skipped_bytes: int = 0  # between the frames of an MP3
    cut_off: bool = False  # without its end mark, or within a frame
    n_samples: int = 0  # decoded so far
    source: BinaryIO | None = None  # of uncompressed audio, whose reader stops where its header says

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode on to the end; yields arrays of shape (n_samples, n_channels), float32, of which the last is shorter."""
        size = max(BLOCK // self.file.channels, 1)
        claimed = -1 if np.isnan(self.claimed_seconds) else round(self.claimed_seconds * self.file.samplerate)
        while True:
            left = claimed - self.n_samples
            block = np.empty((min(size, left) if left > 0 else size, self.file.channels), np.float32)
            try:
                n_samples = self.file.buffer_read_into(block, "float32")
            except soundfile.SoundFileError:
                if left:
                    raise
                return  # what follows all that was claimed is a tag
            if not n_samples:
                break
            self.n_samples += n_samples
            yield block[:n_samples]
        if self.source:
            end, following = self.source.tell(), self.source.read(8)
            if len(following) == 8 and not re.match(rb"[ -~]{4}", following):  # another chunk has a name
                self.claimed_seconds *= self.source.seek(0, os.SEEK_END) / end


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Decoder]:
    """Open a file so that it is decoded to its end, whatever it claims of its length.

    Raises
    ------
    soundfile.SoundFileError
        When it cannot be opened, or is of a format that is not read here. Decoding may raise it too.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_Sequential(path))
        if file.format not in FORMATS:
            raise soundfile.SoundFileRuntimeError(f"its format is {file.format}")
        claimed = file.frames / file.samplerate if file.frames < UNKNOWN_FRAMES else np.nan
        if file.format in ("WAV", "WAVEX", "AIFF"):
            source = stack.enter_context(path.open("rb"))
            claimed *= _times_as_long(source.read(8), path.stat().st_size)
            source.seek(0)
            yield Decoder(stack.enter_context(_Sequential(source)), claimed, source=source)
            return
        content = path.read_bytes()
        frames = mpeg.walk(content) if file.subtype == "MPEG_LAYER_III" else None
        if file.format == "OGG":
            second = re.search(rb"OggS\0[\4-\7].*?(?=OggS\0[\2\3])", content, re.DOTALL)  # beginning after an end
            if second:
                claimed *= len(content) / second.end()
            yield Decoder(file, claimed, cut_off="Last page lacks an end-of-stream bit" in file.extra_info)
        elif file.format == "FLAC":
            yield Decoder(stack.enter_context(_Sequential(_without_total(content))), claimed)
        elif frames is None:
            yield Decoder(file, claimed)
        else:
            if not frames.has_count:
                claimed, file = np.nan, stack.enter_context(_Sequential(_Endless(content[frames.start :])))
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


class _Endless(io.BytesIO):
    """An MP3 that claims to be huge, so that no estimate of its number of frames ends decoding."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return super().seek(BEYOND_ANY_FILE + offset)
        return super().seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        if self.tell() < BEYOND_ANY_FILE // 2:
            return super().readinto(buffer)
        buffer[:] = bytes(len(buffer))  # mpg123 insists on reading what may be a tag at the end
        return len(buffer)


def _without_total(content: bytes) -> io.BytesIO:
    """Return a FLAC file whose header claims no number of samples (36 bits of its first metadata block)."""
    at = mpeg.behind_tags(content)
    if content[at : at + 4] == b"fLaC":
        content = content[: at + 21] + bytes([content[at + 21] & 0xF0, 0, 0, 0, 0]) + content[at + 26 :]
    return io.BytesIO(content)


def _times_as_long(head: bytes, n_bytes: int) -> float:
    """Return how many times as long as it is a WAV or AIFF claims to be, in bytes; libsndfile reads what is there."""
    claimed = 8 + int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    return claimed / n_bytes if n_bytes < claimed < UNKNOWN_BYTES else 1.0
