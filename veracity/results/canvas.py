"""Style, files and footnotes of all figures.

Colours are from seaborn's colour-blind palette. Markers differ as well, so that figures are legible in greyscale. Curves that
are not in the paper (chance, bounds, exact LIME) are thin or dashed.
"""

import io
import os
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..jobs.files import replacing

# Seaborn's palette "colorblind" and style "ticks" in the context "paper", copied because importing it takes as long as drawing.
PALETTE = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"]
STYLE: Any = {  # Any, because matplotlib's types allow only literal keys
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), ".15"),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"), 9.6),
    **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 8.8),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 1),
    **dict.fromkeys(("patch.linewidth", "xtick.minor.width", "ytick.minor.width"), 0.8),
    **dict.fromkeys(("lines.markersize", "xtick.major.size", "ytick.major.size"), 4.8),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 3.2),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    "axes.axisbelow": True,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "grid.color": ".8",
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "pdf.fonttype": 42,
}


class Picture(Figure):
    """Figure that notebooks display regardless of the backend of pyplot."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=120, bbox_inches="tight")
        return written.getvalue()


def save(figure: Figure, *paths: str | os.PathLike) -> None:
    """Write a figure to files in the formats given by their suffixes; equal figures give identical files."""
    for path in map(Path, paths):
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=200, metadata=metadata, bbox_inches="tight")


def new_figure(n_rows: int, n_columns: int, size: tuple[float, float], **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes.

    Parameters
    ----------
    n_rows, n_columns : int
        Number of rows and columns of panels.
    size : tuple of float
        Width and height in inches.
    **kwargs
        Arguments of `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    figure : Figure
        The figure.
    axes : ndarray of Axes, shape (n_rows, n_columns)
        Its panels.
    """
    with mpl.rc_context(STYLE):
        figure = Picture(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, **kwargs)
    return figure, axes


def looks(n: int) -> list[tuple[Any, str, str | None]]:
    """Return distinct colours, line styles and markers for `n` additional curves."""
    import seaborn as sns  # takes as long as drawing a figure

    colours = sns.husl_palette(max(n, 1), s=0.85, l=0.55)
    return [(colours[i], ("-", "--", "-.")[i % 3], "svDPX<>*"[i % 8]) for i in range(n)]


def say_empty(ax: Axes, text: str = "no excerpt flipped") -> None:
    """Write the reason in the middle of an empty panel."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, fontsize=8, color="0.35", backgroundcolor="white")


def put_footnote(figure: Figure, text: str) -> None:
    """Show a description of the data at the foot of a figure, in lines that fit its width."""
    lines = textwrap.wrap(text, int(20 * figure.get_figwidth()), break_long_words=False, break_on_hyphens=False)
    figure.supxlabel("\n".join(lines), fontsize=7, color="0.35", parse_math=False)


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign as text; a number that rounds to zero has no sign."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if text.strip("+-0.") else text[1:]
