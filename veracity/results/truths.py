"""Table and figure ``truths``: the exact flip sets of perturbations."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from ..experiments.flips import Flips, all_flips
from ..experiments.perturbation_games import mask_index, norm_ranking
from ..games import scoring, solution_concepts
from ..jobs.seeds import rng_for
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import Estimate, estimate
from .panels import counted
from .pooling import Keyed, in_paper_order
from .study import EMPTY, PANEL

#: Quantities for each excerpt.
NUMBERS = {
    "smallest_size": "segments of a smallest flip set",
    "n_smallest": "smallest flip sets",
    "n_minimal": "inclusion-minimal flip sets",
    "core_of_smallest": "segments in every smallest set",
    "core_of_minimal": "segments in every minimal set",
    "n_necessary": "segments whose removal undoes the flip",
    "flipping_share": "share of all sets that flip",
    "not_monotone": "share of flip sets with a superset that does not flip",
    "monotone": "do all supersets of flip sets flip (exactly monotone)?",
    "norm_flips": "do the s segments of highest norm flip (s: size of a smallest flip set)?",
    "norm_flips_3": "do the three segments of highest norm flip?",
    "best_flips_3": "do any three segments flip?",
}
SHARES = ("flipping_share", "not_monotone", "monotone", "norm_flips", "norm_flips_3", "best_flips_3")
COLUMNS = [*PANEL, "what", "n_songs", "n", "mean", "low", "high", "median", "least", "most"]


def rows_of(flips: Keyed) -> pd.DataFrame:
    """Return the quantities `NUMBERS` of each excerpt, one row per excerpt for which all masks are known."""
    rows = []
    for song, domain, item in flips:
        assert isinstance(item, Flips)
        rankings = norm_ranking(item.squared_norm)
        for e, original in enumerate(item.original):
            known = all_flips(item, e)
            if known is not None:
                names = {"song": song, "domain": domain, "excerpt": e, "original": original}
                rows.append({**names, **_of(known, rankings[e])})
    return pd.DataFrame(rows, columns=["song", "domain", "excerpt", "original", *NUMBERS])


def _of(flips: np.ndarray, by_norm: np.ndarray) -> dict[str, float]:
    truth, flipping, robust = scoring.truth_of(flips), int(flips.sum()), int(scoring.robust(flips).sum())
    top = min(scoring.TOP, truth.n)
    return {
        "smallest_size": truth.size,
        "n_smallest": len(truth.smallest),
        "n_minimal": truth.n_minimal,
        "core_of_smallest": truth.core.bit_count(),
        "core_of_minimal": truth.minimal_core.bit_count(),
        "n_necessary": int(solution_concepts.necessary(flips).sum()),
        "flipping_share": flipping / len(flips),
        "not_monotone": 1 - robust / flipping,
        "monotone": float(robust == flipping),
        "norm_flips": float(flips[mask_index(by_norm[: truth.size])]),
        "norm_flips_3": float(flips[mask_index(by_norm[:top])]),
        "best_flips_3": float(truth.size <= top),
    }


def table(rows: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Pool the rows of `rows_of`: mean over songs with its interval, and median and range over excerpts."""
    tabulated = []
    for panel, part in rows.groupby(PANEL, sort=False) if len(rows) else ():
        for name in NUMBERS:
            of_songs = part.groupby("song", sort=True)[name].mean().to_numpy()
            mean: Estimate = estimate(
                of_songs, rng_for(seed, "truths", *panel, name), bounds=(0, 1 if name in SHARES else np.inf)
            )
            tabulated.append(
                {
                    **dict(zip(PANEL, panel, strict=True)),
                    "what": name,
                    "n_songs": mean.n,
                    "n": len(part),
                    "mean": mean.mean,
                    "low": mean.low,
                    "high": mean.high,
                    "median": part[name].median(),
                    "least": part[name].min(),
                    "most": part[name].max(),
                }
            )
    return in_paper_order(pd.DataFrame(tabulated, columns=COLUMNS))


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display, with one row per quantity and one column per panel."""
    shown: dict[str, dict[str, str]] = {name: {"quantity": words} for name, words in NUMBERS.items()}
    for row in rows.itertuples():
        heading = f"{row.domain}, {direction_title(row.original, label_name)} ({row.n} excerpts of {row.n_songs} songs)"
        interval = "" if np.isnan(row.low) else f" ({row.low:.3g} to {row.high:.3g})"
        shown[row.what][heading] = f"{row.mean:.3g}{interval}; median {row.median:.3g}, {row.least:.3g}-{row.most:.3g}"
    return pd.DataFrame(list(shown.values())) if len(rows) else pd.DataFrame()


def plot(rows: pd.DataFrame, *, footnote: str, label_name: str = SING) -> Figure:
    """Plot the sizes of smallest flip sets, the numbers of minimal flip sets, and the shares of non-monotone flip sets.

    Parameters
    ----------
    rows : DataFrame
        Result of `rows_of`.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One row per quantity with shared axes, one column per original label.
    """
    figure, axes = new_figure(3, 2, (7.6, 8.0), sharex="row", sharey="row")
    rng = np.random.default_rng(0)  # only for the jitter of the points
    for column, original in zip(axes.T, LABELS, strict=True):
        here = rows[rows.original == original]
        column[0].set_title(in_figure(direction_title(original, label_name)), fontsize=9)
        for i, domain in enumerate(DOMAINS):
            part = here[here.domain == domain]
            if len(part):
                _draw(column, part, i, rng)
        for ax in column:
            if here.empty:
                say_empty(ax, EMPTY)
            else:
                ax.legend(frameon=False, fontsize=7)
    axes[0, 0].set_ylim(0, 1.3 * axes[0, 0].get_ylim()[1])  # room for the legend
    axes[1, 0].set_yscale("log")
    axes[1, 0].set_xlim(axes[0, 0].get_xlim())
    axes[2, 0].set_ylim(-4, 104)
    for ax in axes[:2, 0]:
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    for line, (below, beside) in zip(axes, AXES, strict=True):
        line[0].set_ylabel(beside, fontsize=8)
        for ax in line:
            ax.set_xlabel(below, fontsize=8)
            ax.tick_params(which="both", labelsize=7)
    put_footnote(
        figure,
        f"{footnote}. Values of single excerpts, without intervals; the table has means over songs with intervals. Points are "
        "shifted at random by up to 0.12 segments horizontally and 5 % vertically. Exactly monotone: all supersets of "
        "flip sets flip.",
    )
    return figure


#: Labels of the axes, by quantity.
AXES = (
    ("segments of a smallest flip set", "excerpts [%]"),
    ("segments of a smallest flip set", "minimal flip sets of the excerpt"),
    ("flip sets with a superset that does not flip [%]", "excerpts with this share or less [%]"),
)


def _draw(column: np.ndarray, part: pd.DataFrame, i: int, rng: np.random.Generator) -> None:
    """Draw the three quantities of the i-th attack."""
    colour, domain = PALETTE[i], DOMAINS[i]
    sizes = np.arange(1, int(part.smallest_size.max()) + 1)
    shares = [100 * (part.smallest_size == size).mean() for size in sizes]
    look = {"color": colour, "edgecolor": "white", "hatch": (None, "////")[i], "lw": 0}
    n = counted(len(part), part.song.nunique())
    column[0].bar(sizes + 0.4 * i - 0.2, shares, width=0.4, **look, label=f"{domain}: {n}")
    x = part.smallest_size + 0.36 * i - 0.18 + rng.uniform(-0.12, 0.12, len(part))
    y = part.n_minimal * 1.05 ** rng.uniform(-1, 1, len(part))
    column[1].plot(x, y, "o^"[i], color=colour, ms=4, alpha=0.7, mew=0, label=domain)
    monotone, undone = 100 * part.monotone.mean(), np.sort(100 * part.not_monotone[part.monotone == 0])
    steps = [monotone, *(100 - 100 * np.arange(len(undone))[::-1] / len(part)), 100]
    label = f"{domain}: {monotone:.0f} % exactly monotone"
    line = {"color": colour, "ls": ("-", "--")[i], "marker": "o^"[i], "ms": 6, "markevery": [0], "clip_on": False}
    column[2].step([0, *undone, 100], steps, where="post", **line, label=label)
