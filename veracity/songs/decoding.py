"""Decoders of audio files, which read streams to their end.

The length in a header is only compared with the decoded length, because headers may lack a length or contain a wrong one. For
an MP3 file without a frame count, libsndfile estimates the length from the first frame and stops at that length.
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

BLOCK = 2**20  # number of samples of all channels in a decoded block
UNKNOWN_BYTES = 2**31 - 4096  # smallest size in headers of streams of unknown size
UNKNOWN_FRAMES = 2**36 - 1  # largest length in a FLAC header
BEYOND_ANY_FILE = 2**40  # bytes


@dataclass
class Decoder:
    """Open audio file, with information about its length and its end."""

    file: soundfile.SoundFile
    claimed_seconds: float  # according to the header, or to the size of the file if the header claims less; NaN if unknown
    stream_seconds: float = np.nan  # total length of the frames of an MP3 file; NaN for other formats
    skipped_bytes: int = 0  # between the frames of an MP3 file
    cut_off: bool = False  # whether the stream lacks its end mark or ends inside a frame
    n_samples: int = 0  # decoded so far
    source: BinaryIO | None = None  # file of uncompressed audio; its reader stops at the length in the header

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the remaining audio in blocks, shape (n_samples, n_channels), float32; the last block may be shorter."""
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
                return  # a tag follows the samples
            if not n_samples:
                break
            self.n_samples += n_samples
            yield block[:n_samples]
        if self.source:
            end, following = self.source.tell(), self.source.read(8)
            if len(following) == 8 and not re.match(rb"[ -~]{4}", following):  # another chunk would begin with its name
                self.claimed_seconds *= self.source.seek(0, os.SEEK_END) / end


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Decoder]:
    """Open an audio file so that it is decoded to its end, regardless of the length in its header.

    SoundFileError is raised if the file cannot be opened or decoded, or has an unsupported format.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_Sequential(path))
        claimed = file.frames / file.samplerate if file.frames < UNKNOWN_FRAMES else np.nan
        if file.format in ("WAV", "WAVEX", "AIFF"):
            source = stack.enter_context(path.open("rb"))
            claimed *= _times_as_long(source.read(8), path.stat().st_size)
            source.seek(0)
            yield Decoder(stack.enter_context(_Sequential(source)), claimed, source=source)
        elif file.format == "OGG":
            content = path.read_bytes()
            if second := re.search(rb"OggS\0[\4-\7].*?(?=OggS\0[\2\3])", content, re.DOTALL):  # start of a second stream
                claimed *= len(content) / second.end()
            yield Decoder(file, claimed, cut_off="Last page lacks an end-of-stream bit" in file.extra_info)
        elif file.format == "FLAC":
            yield Decoder(stack.enter_context(_Sequential(_without_total(path.read_bytes()))), claimed)
        elif file.format == "MP3":
            content = path.read_bytes()
            frames = mpeg.walk(content) if file.subtype == "MPEG_LAYER_III" else None
            if frames and not frames.has_count:
                claimed, file = np.nan, stack.enter_context(_Sequential(_Endless(content[frames.start :])))
            of_stream = (frames.seconds, frames.skipped_bytes, frames.cut_off) if frames else ()
            yield Decoder(file, claimed, *of_stream)
        else:  # rejected, because truncation would not be detected
            raise soundfile.SoundFileRuntimeError(f"format {file.format} is not supported")


def reason(error: soundfile.SoundFileError) -> str:
    """Return the error message of a decoder as a clause."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    text = text.removeprefix("Error : ").rstrip(".")
    return "broken stream" if re.search("internal|lost sync", text.lower()) else text


class _Sequential(soundfile.SoundFile):
    """Sound file that is not seekable, because soundfile would otherwise seek after each block."""

    def seekable(self) -> bool:
        return False


class _Endless(io.BytesIO):
    """MP3 file of apparently unlimited size, so that an estimated number of frames does not stop decoding."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return super().seek(BEYOND_ANY_FILE + offset)
        return super().seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        if self.tell() < BEYOND_ANY_FILE // 2:
            return super().readinto(buffer)
        buffer[:] = bytes(len(buffer))  # mpg123 must be able to read a tag at the end
        return len(buffer)


def _without_total(content: bytes) -> io.BytesIO:
    """Return a FLAC file without the total number of samples in its header (36 bits of the first metadata block)."""
    at = mpeg.behind_tags(content)
    if content[at : at + 4] == b"fLaC":
        content = content[: at + 21] + bytes([content[at + 21] & 0xF0, 0, 0, 0, 0]) + content[at + 26 :]
    return io.BytesIO(content)


def _times_as_long(head: bytes, n_bytes: int) -> float:
    """Return the ratio of the size in a WAV or AIFF header to the actual size; 1 if the former is unknown or not larger."""
    claimed = 8 + int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    return claimed / n_bytes if n_bytes < claimed < UNKNOWN_BYTES else 1.0
