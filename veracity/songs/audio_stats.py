"""Measurements of the audio of a song during decoding; the spectrogram stores them for the table ``corpus``."""

from dataclasses import dataclass
from math import nan

from ..jobs.store import note


@dataclass(frozen=True, kw_only=True)
class AudioStats:
    """Measurements of a song's audio file; NaN for numbers that were not measured."""

    seconds: float = note("length of the decoded audio", default=nan)
    claimed_seconds: float = note("length according to the header or the contents of the file; NaN if unknown", default=nan)
    skipped_bytes: float = note("number of bytes between the frames of an MP3 file", default=nan)
    cut_off: bool = note("whether the file ends within a frame or without an end mark", default=False)
    sample_rate: float = note("sampling rate of the file, Hz", default=nan)
    channels: float = note("number of channels of the file", default=nan)
    peak: float = note("largest magnitude of any channel; full scale is 1", default=nan)
    clipped_share: float = note("share of samples, of all channels, at or beyond full scale", default=nan)
    silent_share: float = note("share of 10 ms blocks with a peak below -60 dB, after averaging the channels", default=nan)
    dc_offset: float = note("mean of the average of the channels", default=nan)
    averaging_loss_db: float = note("mean power of the channels relative to that of their average, dB", default=nan)
    audio_digest: str = note("digest of the samples of the average of the channels: SHA-256, 16 hexadecimal digits", default="")
