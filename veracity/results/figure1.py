"""Figure 1: drawings that flip "no sing" to "sing", and the segments selected by LIME; table and plot."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..detector.decisions import is_sing
from ..experiments.drawings import N_TOP, DrawnExcerpt
from ..explainers.lime import ranking
from ..games.grid import SegmentGrid
from ..labels import label, title
from .canvas import new_figure, put_footnote
from .panels import counted
from .segments import plot_segments

MAX_DIGITS = 8  # of a probability in a title


def table(drawn: Sequence[tuple[str, DrawnExcerpt]]) -> pd.DataFrame:
    """Tabulate drawings with P(sing), fidelity, the top segments of LIME, and the share of the drawing in them."""
    rows = []
    for song, item in drawn:
        top = ranking(item.weights, "sing")[:N_TOP] if item.found else np.zeros(0, dtype=int)
        rows.append(
            {
                "song": song,
                "found": item.found,
                "shape": item.shape,
                "strength": item.strength,
                "start_frame": item.start_frame,
                "clean_p_sing": item.clean_p_sing,
                "drawn_p_sing": item.drawn_p_sing,
                "threshold": item.threshold,
                "top_p_sing": item.top_p_sing,
                "top_flips": bool(is_sing(item.top_p_sing, item.threshold)),
                "fidelity": item.fidelity,
                "fidelity_exact": item.fidelity_exact,
                "top_segments": " ".join(map(str, top)),
                "drawing_in_top_percent": 100 * item.coverage_by_segment[top].sum() if item.found else np.nan,
            }
        )
    return pd.DataFrame(rows)


def plot(
    drawn: Sequence[tuple[str, DrawnExcerpt]],
    *,
    grid: SegmentGrid,
    frames_per_second: float,
    footnote: str,
    hertz: np.ndarray | None = None,
) -> Figure:
    """Plot drawings that flip "no sing" to "sing", and the segments that LIME selects (paper Figure 1).

    Parameters
    ----------
    drawn : sequence of (str, DrawnExcerpt)
        Songs and their drawings. Each drawing that flips the label is one row.
    grid : SegmentGrid
        Segments of the excerpts.
    frames_per_second : float
        Frame rate of the excerpts.
    footnote : str
        Text at the foot of the figure.
    hertz : ndarray, shape (n_mels,), optional
        Centre frequencies of the bands in Hz. By default the axis shows band numbers.

    Returns
    -------
    Figure
        One row per drawing: the original, the drawing, and the top segments of LIME.
    """
    axis = "mel band" if hertz is None else "frequency [Hz]"
    rows = [(song, item) for song, item in drawn if item.found]
    figure, axes = new_figure(max(1, len(rows)), 3, (7.8, 0.9 + 1.85 * max(1, len(rows))), sharex=True, sharey=True)
    for ax in axes.ravel()[: 0 if rows else 3]:
        ax.text(0.5, 0.5, "no drawing flipped a label", ha="center", transform=ax.transAxes)
    for line, (song, item) in zip(axes, rows, strict=False):
        low, high = np.percentile(item.clean_log_mel, 2), max(item.drawn_log_mel.max(), item.clean_log_mel.max())
        seconds = grid.n_frames / frames_per_second
        top = ranking(item.weights, "sing")[:N_TOP]
        pictures = ((item.clean_log_mel, None), (item.drawn_log_mel, None), (item.drawn_log_mel, top))
        for ax, (log_mel, segments) in zip(line, pictures, strict=True):
            image = plot_segments(ax, log_mel, grid, segments, seconds=seconds, low=low, high=high, hertz=hertz)
        figure.colorbar(image, ax=line, label="ln magnitude", pad=0.01)
        for ax, p in zip(line, (item.clean_p_sing, item.drawn_p_sing, item.top_p_sing), strict=True):
            ax.set_title(decision_title(p, item.threshold), fontsize=7.5)
        line[2].set_title(f"fidelity {item.fidelity:.2f}; these segments alone:\n{line[2].get_title()}", fontsize=7.5)
        line[0].set_ylabel(f"{song}\n({item.shape.replace('letters:', '')})\n{axis}", fontsize=7)
    for ax, heading in zip(axes[0], ("original", "with drawing", f"LIME's top {N_TOP} segments"), strict=True):
        ax.set_title(f"{heading}\n{ax.get_title()}", fontsize=7.5)
    for ax in axes[-1]:
        ax.set_xlabel("time [s]")
    put_footnote(figure, f"{footnote}. n = {counted(len(rows), len({song for song, _ in rows}))}. f(x): P(sing)")
    return figure


def decision_title(p: float, threshold: float) -> str:
    """Return P(sing), the threshold and the decision, with more digits if rounding makes unequal values look equal."""
    digits = 2
    while p != threshold and f"{p:.{digits}f}" == f"{threshold:.{digits}f}" and digits < MAX_DIGITS:
        digits += 2
    decision = title(label(bool(is_sing(p, threshold))))
    return f"$f(x)$ = {p:.{digits}f}, threshold {threshold:.{digits}f}: “{decision}”"
