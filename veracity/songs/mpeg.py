"""Frame count of an MP3 file. Decoders only estimate it if the file does not contain it.

References
----------
ISO/IEC 11172-3 and 13818-3, audio layer III. The Xing header is a convention of encoders.
"""

from typing import NamedTuple

KBITS = {  # kbit/s by MPEG version; its bits in the header are 3 for version 1, 2 for version 2 and 0 for version 2.5
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Frames(NamedTuple):
    """Frames of an MP3 file."""

    start: int  # position of the first frame in bytes
    has_count: bool  # whether the file contains the number of its frames
    seconds: float  # total length of all frames
    skipped_bytes: int  # between frames
    cut_off: bool  # whether the file ends inside a frame


def walk(data: bytes) -> Frames | None:
    """Count the frames of an MP3 file; return None if it does not contain two consecutive frames of layer III.

    Frames are counted if they have the version and sample rate of the first frame. After a gap, counting continues at the next
    two consecutive frames.
    """
    at = behind_tags(data)
    start, end, n_samples, skipped, rate = -1, -1, 0, 0, 0
    while (at := data.find(b"\xff", at)) >= 0:
        size, samples, own_rate = _frame(data, at)
        follows = at == end or _frame(data, at + size)[1:] == (samples, own_rate)
        if not size or not follows or rate not in (0, own_rate):
            at += 1
            continue
        if start < 0:
            start, rate = at, own_rate
        else:
            skipped += at - end
        n_samples += samples
        at = end = at + size
    if start < 0:
        return None
    head = data[start : start + 48]
    tag = max(head.find(b"Xing"), head.find(b"Info"))
    if tag > 0:
        n_samples -= _frame(data, start)[1]  # the header is a separate frame, which is not played
    return Frames(start, tag > 0 and bool(head[tag + 7] & 1), n_samples / rate, skipped, end > len(data))


def behind_tags(data: bytes) -> int:
    """Return the position after the ID3v2 tags at the beginning, whose lengths are stored in four bytes of seven bits."""
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(data[at + 6 : at + 10]))
        at += size + (20 if data[at + 5] & 0x10 else 10)  # header and optional footer
    return at


def _frame(data: bytes, at: int) -> tuple[int, int, int]:
    """Return size in bytes, samples and sample rate of the layer III frame at a position; zeros if there is none."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0, 0, 0
    version, bitrate, rate, padding = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or not 0 < bitrate < 15 or rate == 3:  # reserved value or free bit rate
        return 0, 0, 0
    samples = 1152 if version == 3 else 576
    rate = RATES[version][rate]
    return samples // 8 * 1000 * KBITS[3 if version == 3 else 2][bitrate] // rate + padding, samples, rate
