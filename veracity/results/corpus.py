"""Table ``corpus``: properties of each song, and a verdict on its audio and labels."""

import math
from collections.abc import Iterable
from math import isfinite

import pandas as pd

from ..songs.quality import quality_problems
from ..songs.spectra import Spectrogram

GOOD = "good"
COLUMNS = (
    "song",
    "split",
    "seconds",
    "claimed_seconds",
    "label_end_seconds",
    "sing_percent",
    "sample_rate",
    "channels",
    "peak",
    "silent_percent",
    "clipped_percent",
    "dc_offset",
    "averaging_loss_db",
    "audio_digest",
    "verdict",
)


def table(spectrograms: Iterable[Spectrogram]) -> pd.DataFrame:
    """Tabulate the songs of a corpus.

    Parameters
    ----------
    spectrograms : iterable of Spectrogram
        Spectrograms of the songs; only one is kept in memory at a time.

    Returns
    -------
    DataFrame
        One row per song. ``verdict`` is "good" or lists problems.
    """
    rows, remarks = [], []
    for song in spectrograms:
        rows.append(
            {
                "song": song.song,
                "split": song.split,
                "seconds": song.seconds,
                "claimed_seconds": song.claimed_seconds,
                "label_end_seconds": song.seconds + song.label_overhang_seconds,
                "sing_percent": math.nan if song.is_sing is None else 100 * song.is_sing.mean(),
                "sample_rate": song.sample_rate,
                "channels": song.channels,
                "peak": song.peak,
                "silent_percent": 100 * song.silent_share,
                "clipped_percent": 100 * song.clipped_share,
                "dc_offset": song.dc_offset,
                "averaging_loss_db": song.averaging_loss_db,
                "audio_digest": song.audio_digest,
            }
        )
        remarks.append(quality_problems(song))
    for row, of_song in zip(rows, remarks, strict=True):
        same = [f"{other['song']} ({other['split']})" for other in rows if other is not row and _same_audio(other, row)]
        row["verdict"] = "; ".join([*of_song, *(f"the same audio as {song}" for song in same)]) or GOOD
    return pd.DataFrame(rows, columns=list(COLUMNS))


def page(table: pd.DataFrame) -> pd.DataFrame:
    """Format `table` for display: rounded, with words for unknown values, and without digests."""
    digits = {"seconds": 1, "claimed_seconds": 1, "label_end_seconds": 1, "sing_percent": 1, "sample_rate": 0, "channels": 0}
    digits |= {"peak": 3, "silent_percent": 1, "clipped_percent": 2, "dc_offset": 3, "averaging_loss_db": 1}
    titles = {
        "seconds": "length [s]",
        "claimed_seconds": "claimed length [s]",
        "label_end_seconds": "labels end [s]",
        "sing_percent": "sing [%]",
        "sample_rate": "sample rate [Hz]",
        "silent_percent": "silent [%]",
        "clipped_percent": "clipped [%]",
        "dc_offset": "DC",
        "averaging_loss_db": "loss by averaging [dB]",
    }
    shown = table.drop(columns="audio_digest")
    for column, places in digits.items():
        shown[column] = [_words(value, places) for value in table[column]]
    return shown.rename(columns=titles)


def _words(value: float, places: int) -> str:
    if pd.isna(value):
        return "unknown"
    return f"{round(value, places) + 0.0:.{places}f}" if isfinite(value) else "all"  # adding 0.0 avoids -0


def _same_audio(first: dict[str, object], second: dict[str, object]) -> bool:
    return first["audio_digest"] == second["audio_digest"] != ""
