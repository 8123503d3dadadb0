"""Table ``listening``: sounds of the explanations, and the detector's output for them."""

from collections.abc import Sequence

import pandas as pd

from ..labels import direction_title

COLUMNS = [
    *("domain", "original", "song", "seconds", "sound", "segments", "gain_db", "p_sing", "flips"),
    *("p_heard", "flips_heard", "file"),
]
TITLES = {
    "original": "original",
    "adversarial": "adversarial",
    "perturbation": "perturbation alone",
    "lime": "LIME's first segments",
    "best": "smallest flipping set",
}


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Format the table for display."""
    return pd.DataFrame(
        {
            "panel": [f"{row.domain}, {direction_title(row.original)}" for row in rows.itertuples()],
            "song": rows.song,
            "from (s)": rows.seconds.round(2),
            "heard": [TITLES[name] for name in rows["sound"]],
            "segments": rows.segments,
            "amplified (dB)": rows.gain_db.round(1),
            "f(x)": rows.p_sing.round(3),
            "flips": _yes(rows.flips),
            "f(x) of the sound": rows.p_heard.round(3),
            "sound flips": _yes(rows.flips_heard),
            "file": rows.file,
        }
    )


def _yes(values: Sequence[object]) -> list[str]:
    return ["" if pd.isna(value) else "yes" if value else "no" for value in values]
