"""The four panels of the study in a figure: titles, counts and the text of empty panels."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..labels import SING, Label, direction_title, in_figure
from .canvas import say_empty
from .study import EMPTY, PANELS


def panel_title(domain: str, original: Label, label_name: str = SING, separator: str = ", ") -> str:
    """Return the title of a panel: the attack and the direction of the flip."""
    return f"{domain}{separator}{in_figure(direction_title(original, label_name))}"


def counted(n: float, n_songs: float) -> str:
    """Return the numbers of excerpts and songs as text."""
    return f"{n:.0f} excerpt{'' if n == 1 else 's'} of {n_songs:.0f} song{'' if n_songs == 1 else 's'}"


def panels(
    axes: np.ndarray, rows: pd.DataFrame, *, label_name: str = SING, separator: str = ", ", empty: str = EMPTY
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """Iterate over the panels of the study, after setting their titles.

    Parameters
    ----------
    axes : ndarray of Axes
        Axes of the four panels.
    rows : DataFrame
        Data with columns ``domain`` and ``original``, and either ``n`` and, if known, ``n_songs``, or one row per excerpt with
        the column ``song``.
    label_name : str
        Display name of "sing".
    separator : str
        Text between attack and direction in a title.
    empty : str
        Text in a panel without rows.

    Yields
    ------
    ax : Axes
        Axes of a panel that has rows.
    part : DataFrame
        Its rows.
    """
    for ax, (domain, original) in zip(axes.ravel(), PANELS, strict=True):
        part = rows[(rows.domain == domain) & (rows.original == original)]
        heading = panel_title(domain, original, label_name, separator)
        ax.set_title(f"{heading}\n{_counts(part)}" if len(part) else heading, fontsize=8.5)
        if part.empty:
            say_empty(ax, empty)
            continue
        yield ax, part


def _counts(part: pd.DataFrame) -> str:
    if "n" not in part:
        return counted(len(part), part.song.nunique())
    return counted(part.n.max(), part.n_songs.max()) if "n_songs" in part else f"n = {part.n.max():.0f} excerpts"
