"""The paper's figures, from tidy tables (`veracity.summaries`); each function returns a matplotlib figure.

Colours are those of seaborn's colour-blind palette and markers differ too, so that figures read in grey. What the paper does
not draw (chance, bounds, exact LIME) is thin or dashed.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .artefacts import DrawnExcerpt
from .decisions import LABELS, direction_title
from .files import replacing
from .grid import SegmentGrid
from .lime import ranking
from .summaries import DOMAINS

PALETTE = sns.color_palette("colorblind")
STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "veracity",
    "pdf.fonttype": 42,
}
#: Selections of Figure 2 in drawing order: title, colour, line style, marker. The paper draws the first two.
CURVES = {
    "lime": ("LIME", PALETTE[0], "-", "^"),
    "energy": ("norm of the perturbation", PALETTE[1], "-", "o"),
    "lime_exact": ("LIME, exact (all masks)", PALETTE[0], ":", None),
    "best": ("best possible k", PALETTE[2], "--", None),
    "random": ("random k (expectation)", "0.45", "--", None),
    "worst": ("every k flips", PALETTE[3], ":", None),
}


def save(figure: Figure, *paths: str | os.PathLike) -> None:
    """Write a figure to files whose suffix tells the format; equal figures give equal bytes."""
    for path in map(Path, paths):
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=200, metadata=metadata, bbox_inches="tight")


def _new(n_rows: int, n_columns: int, size: tuple[float, float], **kwargs: Any) -> tuple[Figure, np.ndarray]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False, **kwargs)
    return figure, axes


def _footnote(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=7, color="0.35")


def figure1(
    drawn: Sequence[tuple[str, DrawnExcerpt]], *, grid: SegmentGrid, frames_per_second: float, footnote: str, n_top: int = 3
) -> Figure:
    """Show drawings that turn "no sing" into "sing", and the segments that LIME picks (paper Figure 1).

    Parameters
    ----------
    drawn : sequence of (str, DrawnExcerpt)
        Songs and drawings that were found, one row each.
    grid : SegmentGrid
    frames_per_second : float
    footnote : str
        What the data are.
    n_top : int
        Segments shown.
    """
    rows = [(song, item) for song, item in drawn if item.found]
    figure, axes = _new(max(1, len(rows)), 3, (7.2, 0.9 + 1.75 * max(1, len(rows))), sharex=True, sharey=True)
    for ax in axes.ravel()[: 0 if rows else 3]:
        ax.text(0.5, 0.5, "no drawing flipped a label", ha="center", transform=ax.transAxes)
    for line, (song, item) in zip(axes, rows, strict=False):
        low, high = np.percentile(item.clean_log_mel, 2), max(item.drawn_log_mel.max(), item.clean_log_mel.max())
        seconds = grid.n_frames / frames_per_second
        image = {
            "origin": "lower",
            "aspect": "auto",
            "cmap": "magma",
            "vmin": low,
            "vmax": high,
            "extent": (0, seconds, 0, grid.n_mels),
        }
        top = ranking(item.weights, "sing")[:n_top]
        line[0].imshow(item.clean_log_mel.T, **image)
        line[1].imshow(item.drawn_log_mel.T, **image)
        chosen = np.isin(grid.segment_map(), top)
        line[2].imshow(item.drawn_log_mel.T, **image)
        line[2].imshow(np.ma.masked_where(chosen, chosen).T, cmap="Greys", vmin=0, vmax=1, **_only(image), alpha=0.82)
        _outline(line[2], top, grid, frames_per_second)
        line[0].set_title(f"$f(x)$ = {item.clean_p_sing:.2f}", fontsize=8)
        line[1].set_title(f"$f(x)$ = {item.drawn_p_sing:.2f}", fontsize=8)
        line[2].set_title(f"fidelity = {item.fidelity:.2f}", fontsize=8)
        line[0].set_ylabel(f"{song}\n({item.shape.replace('letters:', '')})\nmel band", fontsize=7)
    for ax, title in zip(axes[0], ("original, “no sing”", "drawn on, “sing”", f"LIME's top {n_top} segments"), strict=True):
        ax.set_title(f"{title}\n{ax.get_title()}", fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("time [s]")
    _footnote(figure, footnote)
    return figure


def _only(image: dict) -> dict:
    return {name: image[name] for name in ("origin", "aspect", "extent")}


def _outline(ax: Axes, segments: np.ndarray, grid: SegmentGrid, frames_per_second: float) -> None:
    for segment in segments:
        frames = np.flatnonzero(grid.time_of_frame == segment // grid.n_band)
        mels = np.flatnonzero(grid.band_of_mel == segment % grid.n_band)
        corner = (frames[0] / frames_per_second, mels[0])
        ax.add_patch(Rectangle(corner, len(frames) / frames_per_second, len(mels), fill=False, ec=PALETTE[8], lw=1.2))


def figure2(rates: pd.DataFrame, *, footnote: str) -> Figure:
    """Show the percentage of flips against the number of segments (paper Figure 2), with bounds and chance.

    Parameters
    ----------
    rates : DataFrame
        Of `veracity.summaries.figure2_table`.
    footnote : str
    """
    figure, axes = _new(len(LABELS), len(DOMAINS), (7.2, 5.6), sharex=True, sharey=True)
    handles: dict[str, Artist] = {}
    for line, original in zip(axes, LABELS, strict=True):
        for ax, domain in zip(line, DOMAINS, strict=True):
            part = rates[(rates.original == original) & (rates.domain == domain)]
            for selection, (title, colour, style, marker) in CURVES.items():
                curve = part[part.selection == selection].sort_values("k")
                if len(curve):
                    width = 1.3 if marker else 1.0
                    (handle,) = ax.plot(curve.k, curve.percent, style, color=colour, marker=marker, ms=4, lw=width)
                    handles.setdefault(title, handle)
            n = int(part.n.max()) if len(part) else 0
            ax.set_title(f"{domain}, {direction_title(original)} (n = {n})", fontsize=8)
    n_segments = int(rates.k.max()) if len(rates) else 20
    for ax in axes[-1]:
        ax.set_xlabel("number of segments k")
        ax.set_xticks([1, *range(5, n_segments + 1, 5)])
    for ax in axes[:, 0]:
        ax.set_ylabel("label flips [%]")
        ax.set_ylim(-3, 103)
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    _footnote(figure, footnote)
    return figure


def figure3(counts: pd.DataFrame, *, footnote: str) -> Figure:
    """Show how many of k perturbed segments LIME finds (paper Figure 3), with what guessing would find.

    Parameters
    ----------
    counts : DataFrame
        Of `veracity.summaries.figure3_table`.
    footnote : str
    """
    ks = sorted(counts.k.unique())
    settings = [(original, domain) for original in LABELS for domain in DOMAINS]
    figure, axes = _new(len(settings), len(ks), (7.2, 8.0))
    for line, (original, domain) in zip(axes, settings, strict=True):
        for ax, k in zip(line, ks, strict=True):
            part = counts[(counts.original == original) & (counts.domain == domain) & (counts.k == k)]
            sampled = part[part.method == "sampled"]
            place = np.arange(len(sampled))
            bars = ax.bar(place, sampled.excerpts, color=PALETTE[0], width=0.7, label="LIME")
            ax.bar_label(bars, fontsize=7, padding=1)
            ax.plot(place, sampled.expected_by_chance, "_", color="black", ms=18, mew=1.4, label="expected by chance")
            exact = part[part.method == "exact"]
            if len(exact) == len(sampled):
                ax.plot(place, exact.excerpts, "D", color=PALETTE[1], ms=4, label="exact LIME")
            ax.set_xticks(place, [str(found) for found in sampled.n_found])
            n = int(sampled.n.max()) if len(sampled) else 0
            ax.set_title(f"k = {k} (n = {n})", fontsize=8)
            ax.set_ylim(0, max(1.0, 1.22 * max(part.excerpts.max(), part.expected_by_chance.max())))
            ax.yaxis.get_major_locator().set_params(integer=True)
        line[0].set_ylabel(f"{domain}\n{direction_title(original)}\nexcerpts", fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("segments correctly identified")
    handles, labels = axes[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    _footnote(figure, footnote)
    return figure


def figure4(fidelity: pd.DataFrame, *, footnote: str) -> Figure:
    """Show the fidelity of explanations that found the one perturbed segment and of those that did not (paper Figure 4).

    Parameters
    ----------
    fidelity : DataFrame
        Of `veracity.summaries.figure4_table`; sampled LIME is shown.
    footnote : str
    """
    figure, axes = _new(1, len(DOMAINS), (6.4, 3.4), sharey=True)
    rng = np.random.default_rng(0)  # only spreads the dots
    for ax, domain in zip(axes[0], DOMAINS, strict=True):
        part = fidelity[(fidelity.domain == domain) & (fidelity.method == "sampled")]
        groups = [part[part.correct == correct].fidelity.to_numpy() for correct in (True, False)]
        names = [f"{name}\n(n = {len(group)})" for name, group in zip(("correct", "wrong"), groups, strict=True)]
        shown = [group if len(group) else [np.nan] for group in groups]
        ax.boxplot(shown, widths=0.5, showfliers=False, medianprops={"color": PALETTE[3], "lw": 1.6})
        for place, group in enumerate(groups, start=1):
            ax.plot(place + rng.uniform(-0.12, 0.12, len(group)), group, "o", ms=3, alpha=0.6, color=PALETTE[0], mew=0)
        ax.set_xticks([1, 2], names)
        ax.set_title(domain)
    axes[0, 0].set_ylabel("fidelity (weighted $R^2$)")
    axes[0, 0].set_ylim(0, 1)
    _footnote(figure, footnote)
    return figure


def figure_stability(table: pd.DataFrame, *, n_segments: int, paper_n_samples: int, footnote: str) -> Figure:
    """Show how far sampled LIME is from exact LIME against the number of samples.

    Parameters
    ----------
    table : DataFrame
        Of `veracity.summaries.stability_table`.
    n_segments : int
        For the chance lines.
    paper_n_samples : int
        Marked by a line.
    footnote : str
    """
    figure, axes = _new(1, 3, (8.8, 3.0))
    error, overlap, top = axes[0]
    for domain, colour, marker in zip(DOMAINS, (PALETTE[0], PALETTE[1]), "^o", strict=True):
        part = table[table.domain == domain]
        style = {"color": colour, "marker": marker, "ms": 4, "lw": 1.2, "label": domain}
        error.plot(part.n_samples, part.weight_error, **style)
        error.fill_between(part.n_samples, part.weight_error_p05, part.weight_error_p95, color=colour, alpha=0.18, lw=0)
        overlap.plot(part.n_samples, part.top3_overlap, **style)
        top.plot(part.n_samples, part.top1_right_percent, **style)
    overlap.axhline(9 / n_segments, color="0.45", ls="--", lw=1)
    top.axhline(100 / n_segments, color="0.45", ls="--", lw=1, label="chance")
    for ax in axes[0]:
        ax.set_xscale("log", base=2)
        ax.axvline(paper_n_samples, color="0.7", lw=1, zorder=0)
        ax.set_xlabel("number of samples $N_s$")
    error.set_yscale("log")
    error.set_ylabel("relative error of the weights\n(mean, 5-95 % of fits)")
    overlap.set_ylabel("segments shared with\nexact LIME's top 3")
    overlap.set_ylim(0, 3.1)
    top.set_ylabel("top segment right [%]")
    top.set_ylim(0, 104)
    top.legend(frameon=False, fontsize=7, loc="center right", bbox_to_anchor=(1.0, 0.3))
    _footnote(figure, f"{footnote}; vertical line: N_s = {paper_n_samples}")
    return figure


def figure_costs(table: pd.DataFrame, *, footnote: str) -> Figure:
    """Show where time, memory and disk of a run went.

    Parameters
    ----------
    table : DataFrame
        Of `veracity.summaries.costs_table`.
    footnote : str
    """
    figure, axes = _new(1, 3, (7.6, 0.6 + 0.22 * len(table)), sharey=True)
    place = np.arange(len(table))[::-1]
    columns = {
        "wall_seconds": "wall time of all jobs [s]",
        "peak_memory_mb": "peak memory of a job [MB]",
        "disk_mb": "on disk [MB]",
    }
    for ax, (column, title), colour in zip(axes[0], columns.items(), PALETTE, strict=False):
        bars = ax.barh(place, table[column], color=colour, height=0.7)
        ax.bar_label(bars, fmt="%.3g", fontsize=6, padding=2)
        ax.set_xlabel(title, fontsize=8)
        ax.margins(x=0.2)
    names = [f"{stage} ({jobs})" for stage, jobs in zip(table.stage, table.jobs, strict=True)]
    axes[0, 0].set_yticks(place, names, fontsize=7)
    _footnote(figure, f"{footnote}; in brackets: number of jobs")
    return figure
