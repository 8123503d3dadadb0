"""Measurements of the audio of a song from decoding, which its spectrogram passes on to the table ``corpus``."""

from dataclasses import dataclass
from math import nan

from ..jobs.store import note


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """Measurements of a song's audio file; NaN for numbers that were not measured."""

    seconds: float = note("length of the decoded audio", default=nan)
    claimed_seconds: float = note("length that the file claims, or its contents suggest; NaN: neither", default=nan)
    skipped_bytes: float = note("bytes between frames of an MP3 that belong to none", default=nan)
    cut_off: bool = note("whether the file ends without its end mark or within a frame", default=False)
    sample_rate: float = note("of the file, Hz", default=nan)
    channels: float = note("of the file", default=nan)
    peak: float = note("largest magnitude of any channel; full scale is 1", default=nan)
    clipped_share: float = note("share of samples, of all channels, at or beyond full scale", default=nan)
    silent_share: float = note("share of stretches of 10 ms whose peak, channels averaged, is below -60 dB", default=nan)
    dc_offset: float = note("mean of the averaged channels", default=nan)
    averaging_loss_db: float = note("power of the channels over that of their average, dB", default=nan)
    audio_digest: str = note("of the averaged channels' samples: SHA-256, 16 hexadecimal digits", default="")
