"""Table and figure ``compare``: the base run and its variants, with differences from the base over the same songs.

The statistical unit is the song, as in `veracity.results.over_songs`. Differences are paired by excerpt if a variant shares
the excerpts of the base, and by song if its attacks or its detector differ. The comparison is descriptive, without adjustment
for the number of variants.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..attacks.excerpts import Excerpts
from ..attacks.settings import DOMAINS
from ..experiments.explanations import Explanations
from ..experiments.flips import TOP_SEGMENTS
from ..jobs.seeds import rng_for
from ..labels import BASE, LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty, signed
from .figure2 import CURVES
from .flip_rates import rows_of
from .over_songs import INTERVALS, NO_INTERVAL, Estimate, estimate
from .panels import counted, panel_title
from .pooling import UNDETERMINED, Keyed
from .study import PANEL, PANELS

ATTACK, FIDELITY = "attack_success", "fidelity"
#: Titles of the measures. If the exact truth is not known, searched and sampled values replace it and are marked.
MEASURES = {
    ATTACK: "attack success",
    "lime": f"flips by LIME's top {TOP_SEGMENTS}",
    "norm": f"flips by the top {TOP_SEGMENTS} of the norm",
    "best": f"flips by the best {TOP_SEGMENTS}",
    "random": f"flips by a random {TOP_SEGMENTS}",
    FIDELITY: "fidelity",
}
LOWER_BOUNDS = {FIDELITY: -np.inf}  # lower bounds of measures, 0 if not listed; the upper bound is 1
NBSP = "\N{NO-BREAK SPACE}"
STAND_IN = {"best_found": "best", "random_sampled": "random"}
SHOWN = ("lime", "norm", "best", "random")
KEYS = [*PANEL, "measure"]
COLUMNS = [
    *("variant", *KEYS, "k", "n_segments", "n_songs", "n_excerpts", "value", "low", "high", "searched"),
    *("difference", "difference_low", "difference_high", "n_songs_paired", "n_excerpts_paired", "paired_by"),
]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The base run or a variant of it, as input of the comparison.

    Attributes
    ----------
    name : str
        Name of the variant, `BASE` for the base run.
    fill : str
        Fill of LIME.
    n_segments : int
        Number of segments.
    songs : mapping of str to object
        Identity of the audio of each song, because songs with the same name may differ between variants.
    shared : collection of (str, str)
        Domain and song of the excerpts that are shared with the base run.
    excerpts, explanations, flips : iterable of (song, domain, artefact)
        Artefacts of the variant.
    """

    name: str
    fill: str
    n_segments: int
    songs: Mapping[str, object]
    shared: Collection[tuple[str, str]]
    excerpts: Keyed
    explanations: Keyed
    flips: Keyed


def rows(variant: Variant) -> pd.DataFrame:
    """Tabulate the measured values of a variant in long format.

    Parameters
    ----------
    variant : Variant
        The variant.

    Returns
    -------
    DataFrame
        Columns ``song, domain, original, excerpt, measure, k, value, n, searched``, with one row per excerpt,
        measure and k, and for attack success one per song and original label (``excerpt`` -1). ``value`` is the measured value,
        at most 1. ``n`` is the number of excerpts: 1, except for attack success, which refers to a whole song. ``searched`` is
        True for values that replace the exact ones (`STAND_IN`).
    """
    flips = rows_of(variant.flips)
    flips = flips[(flips.fill.isin(["", variant.fill])) & (flips.k > 0)]
    searched = flips.selection.isin(STAND_IN)
    flips = flips.assign(measure=flips.selection.replace(STAND_IN), value=flips.flipped, n=1, searched=searched)
    others = pd.DataFrame([*_successes(variant.excerpts), *_fidelities(variant.explanations, variant.fill)])
    combined = pd.concat([flips[flips.measure.isin(MEASURES)], others], ignore_index=True)
    return combined[["song", *PANEL, "excerpt", "measure", "k", "value", "n", "searched"]].dropna(subset="value")


def _successes(excerpts: Keyed) -> Iterator[dict[str, object]]:
    for song, domain, item in excerpts:
        assert isinstance(item, Excerpts)
        for original, n, hits in zip(LABELS, item.n[0].tolist(), item.n_flipped[0].tolist(), strict=True):
            names = {"song": song, "domain": domain, "original": original, "excerpt": -1, "measure": ATTACK, "k": 0}
            yield {**names, "value": hits / n if n else np.nan, "n": n, "searched": False}


def _fidelities(explanations: Keyed, fill: str) -> Iterator[dict[str, object]]:
    for song, domain, item in explanations:
        assert isinstance(item, Explanations)
        for e, value in enumerate(item.along("fidelity", fill=fill)):
            names = {"song": song, "domain": domain, "original": item.original[e], "excerpt": e, "measure": FIDELITY, "k": 0}
            yield {**names, "value": value, "n": 1, "searched": False}


def curves(variants: Sequence[Variant], measured: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the data of the figure: mean flips over songs for each number of segments.

    Parameters
    ----------
    variants : sequence of Variant
        Variants, with the base run first.
    measured : sequence of DataFrame
        Results of `rows` for each variant.

    Returns
    -------
    DataFrame
        Columns ``variant, domain, original, measure, k, n_songs, n_excerpts, value``.
    """
    parts = []
    for variant, rows_of_variant in zip(variants, measured, strict=True):
        part = rows_of_variant[rows_of_variant.k > 0]
        songs = part.groupby([*KEYS, "k", "song"], sort=False).agg(value=("value", "mean"), n=("n", "sum"))
        means = songs.groupby([*KEYS, "k"], sort=False).agg(
            n_songs=("n", "size"), n_excerpts=("n", "sum"), value=("value", "mean")
        )
        parts.append(means.reset_index().assign(variant=variant.name))
    return pd.concat(parts, ignore_index=True)[["variant", *KEYS, "k", "n_songs", "n_excerpts", "value"]]


def table(variants: Sequence[Variant], measured: Sequence[pd.DataFrame], *, seed: int) -> pd.DataFrame:
    """Compare variants with the base run.

    Parameters
    ----------
    variants : sequence of Variant
        Variants, with the base run first.
    measured : sequence of DataFrame
        Results of `rows` for each variant.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        One row per panel (domain and original label), measure and variant. ``value`` is the mean over songs with a 95 %
        interval. ``difference`` is the mean difference from the base with its interval, over the songs, or excerpts of songs,
        that both runs have.
    """
    panels = [(domain, original, name) for original in LABELS for domain in DOMAINS for name in MEASURES]
    compared = [rows[(rows.k == 0) | (rows.k == TOP_SEGMENTS)] for rows in measured]
    tabulated: list[dict[str, object]] = []
    for key in panels:
        base = _of(compared[0], key)
        for variant, of_variant in zip(variants, compared, strict=True):
            part, rng = _of(of_variant, key), rng_for(seed, "compare", variant.name, *key)
            value = estimate(part.groupby("song").value.mean().to_numpy(), rng, bounds=(LOWER_BOUNDS.get(key[2], 0.0), 1.0))
            row = {
                "variant": variant.name,
                **dict(zip(KEYS, key, strict=True)),
                "k": 0 if key[2] in (ATTACK, FIDELITY) else TOP_SEGMENTS,
            }
            row |= {"n_segments": variant.n_segments, "n_songs": value.n, "n_excerpts": int(part.n.sum())}
            row |= {"value": value.mean, "low": value.low, "high": value.high, "searched": bool(part.searched.any())}
            tabulated.append(row | (_difference(base, part, variants[0], variant, key, rng) if variant.name != BASE else {}))
    return pd.DataFrame(tabulated, columns=COLUMNS)


def _of(measured: pd.DataFrame, key: tuple[str, str, str]) -> pd.DataFrame:
    return measured[(measured.domain == key[0]) & (measured.original == key[1]) & (measured.measure == key[2])]


def _difference(
    base: pd.DataFrame,
    own: pd.DataFrame,
    before: Variant,
    variant: Variant,
    key: tuple[str, str, str],
    rng: np.random.Generator,
) -> dict[str, object]:
    same = {song for song, digest in before.songs.items() if variant.songs.get(song, not digest) == digest}
    base, own = base[base.song.isin(same)], own[own.song.isin(same)]
    songs, span = set(base.song) & set(own.song), 1 - LOWER_BOUNDS.get(key[2], 0.0)
    by_excerpt = all((key[0], song) in variant.shared for song in songs)
    on = ["song", "excerpt"] if by_excerpt else ["song"]
    mine = own.groupby(on).agg(value=("value", "mean"), n=("n", "sum"))
    both = base.groupby(on).agg(before=("value", "mean")).join(mine, how="inner")
    each = (both.value - both.before).groupby("song").mean()
    mean: Estimate = estimate(each.to_numpy(), rng, bounds=(-span, span))
    return {
        "difference": mean.mean,
        "difference_low": mean.low,
        "difference_high": mean.high,
        "n_songs_paired": mean.n,
        "n_excerpts_paired": int(both.n.sum()),
        "paired_by": ("excerpt" if by_excerpt else "song") if songs else UNDETERMINED,
    }


def page(compared: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display, with one row per panel and variant and one column per measure."""
    lines = []
    for (domain, original, variant), part in compared.groupby([*PANEL, "variant"], sort=False):
        cells = {row.measure: row for row in part.itertuples()}
        line: dict[str, object] = {"attack": f"{domain}, {direction_title(original, label_name)}", "variant": variant}
        line |= {title: _cell(cells[name]) for name, title in MEASURES.items()}
        counted = max((row for row in cells.values() if row.measure != ATTACK), key=lambda row: row.n_excerpts)
        pairs = {row.paired_by for row in cells.values() if isinstance(row.paired_by, str)} - {UNDETERMINED}
        line |= {"segments": counted.n_segments, "songs": counted.n_songs, "excerpts": counted.n_excerpts}
        lines.append(line | {"paired by": " and ".join(sorted(pairs)) or UNDETERMINED})
    return pd.DataFrame(lines)


def _cell(row: object) -> str:
    """Return value, difference and interval; lines may break only between these."""
    if np.isnan(row.value):  # type: ignore[attr-defined]
        return UNDETERMINED
    percent = row.measure != FIDELITY  # type: ignore[attr-defined]
    shown = f"{100 * row.value:.0f}{NBSP}%" if percent else f"{row.value:.2f}"  # type: ignore[attr-defined]
    shown += " (not exact)" if row.searched else ""  # type: ignore[attr-defined]
    numbers = [row.difference, row.difference_low, row.difference_high]  # type: ignore[attr-defined]
    if np.isnan(numbers[0]):
        return shown
    words = [signed(100 * number, 0) if percent else signed(number) for number in numbers]
    if np.isnan(numbers[1]):
        n = row.n_songs_paired  # type: ignore[attr-defined]
        return f"{shown} ({words[0]}, {f'all{NBSP}{n:.0f}{NBSP}songs' if n > 1 else f'one{NBSP}song'})"
    return f"{shown} ({words[0]}, {words[1]}{NBSP}to{NBSP}{words[2]})"


def plot(
    flip_curves: pd.DataFrame, compared: pd.DataFrame, names: Sequence[str], *, footnote: str, label_name: str = SING
) -> Figure:
    """Plot the flip curves of all variants as small multiples, and the paired differences from the base run with intervals.

    Parameters
    ----------
    flip_curves : DataFrame
        Result of `curves`.
    compared : DataFrame
        Result of `table`.
    names : sequence of str
        Names of the variants, with the base run first. Variants without flips have no rows in `flip_curves`.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One row of flip curves per variant, each with the curve of LIME in the base run behind it, and one row of differences;
        one column per panel of the study.
    """
    n, others = len(names), [name for name in names if name != BASE]
    below = 0.6 + 0.5 * len(others)  # height of the differences in inches
    heights = {"height_ratios": [1.25] * n + [below]}
    figure, axes = new_figure(n + 1, 4, (9.0, 1.3 + 1.25 * n + below), sharey="row", sharex="row", gridspec_kw=heights)
    handles: dict[str, Artist] = {}
    for line, name in zip(axes, names, strict=False):
        for ax, (domain, original) in zip(line, PANELS, strict=True):
            here = flip_curves[(flip_curves.domain == domain) & (flip_curves.original == original)]
            handles |= _draw_curves(ax, here[here.variant == name], here[(here.variant == BASE) & (name != BASE)])
        line[0].set_ylabel(f"{in_figure(name)}\nflips [%]", fontsize=8)
    for ax, (domain, original) in zip(axes[-1], PANELS, strict=True):
        here = compared[(compared.domain == domain) & (compared.original == original) & compared.difference.notna()]
        _draw_differences(ax, here, others)
    for i, panel in enumerate(PANELS):
        axes[0, i].set_title(panel_title(*panel, label_name, "\n"), fontsize=8)
        axes[n - 1, i].set_xlabel("number of segments k", fontsize=8)
        axes[-1, i].set_xlabel("difference from the base\n[percentage points]", fontsize=8)
    marks, words = axes[-1, 0].get_legend_handles_labels()
    handles |= {f"difference: {title}": mark for title, mark in zip(words, marks, strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    put_footnote(
        figure,
        f"{footnote}. Flip curves: means over songs, without intervals. Bottom row: mean paired differences in attack success "
        f"and in flips by {TOP_SEGMENTS} segments, over the songs that both runs have. Lines: {INTERVALS}; {NO_INTERVAL}.",
    )
    return figure


#: Measures whose differences are plotted: marker and colour.
DIFFERENCES = {ATTACK: ("X", "0.25"), "lime": ("^", PALETTE[0]), "norm": ("o", PALETTE[1]), "best": ("D", PALETTE[2])}


def _draw_curves(ax: Axes, part: pd.DataFrame, base: pd.DataFrame) -> dict[str, Artist]:
    """Draw the flip curves of a variant in a panel, and return the handles of the legend."""
    handles: dict[str, Artist] = {}
    if part.empty:
        say_empty(ax, "no excerpt flipped")
    elif len(behind := base[base.measure == "lime"]):
        (handles["LIME in the base"],) = ax.plot(behind.k, 100 * behind.value, color="0.7", lw=3, solid_capstyle="round")
    for measure in SHOWN:
        title, colour, style, marker = CURVES[measure]
        if len(curve := part[part.measure == measure].sort_values("k")):
            look: dict[str, Any] = {"marker": marker, "ms": 3, "markevery": 4}
            (handles[title],) = ax.plot(curve.k, 100 * curve.value, style, color=colour, lw=1.2, **look)
    ax.set_ylim(-4, 104)
    ax.set_yticks([0, 50, 100])
    if len(part):
        counts = counted(part.n_excerpts.max(), part.n_songs.max())
        ax.text(0.98, 0.06, counts, ha="right", transform=ax.transAxes, fontsize=6.5, color="0.35")
    ax.tick_params(labelsize=7)
    return handles


def _draw_differences(ax: Axes, part: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the paired differences of all variants from the base run in a panel."""
    for shift, (measure, (marker, colour)) in zip(np.linspace(-0.3, 0.3, len(DIFFERENCES)), DIFFERENCES.items(), strict=True):
        ax.plot([], [], marker, color=colour, ms=4, label=MEASURES[measure])
        for row in part[(part.measure == measure) & part.variant.isin(names)].itertuples():
            y = names.index(row.variant) + shift
            ax.plot([100 * row.difference_low, 100 * row.difference_high], [y, y], color=colour, lw=1)
            ax.plot(100 * row.difference, y, marker, color=colour, ms=4)
    if part.empty:
        say_empty(ax, "no song in both runs")
    ax.axvline(0, color="0.5", lw=0.8, ls="--")
    ax.set_yticks(range(len(names)), [in_figure(name) for name in names], fontsize=7)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=7)
