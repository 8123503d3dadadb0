"""Figure ``figure_leaderboard``: area under the flip curve of the best explainers of each query budget, with intervals."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..labels import SING
from .canvas import PALETTE, new_figure, put_footnote
from .over_songs import INTERVALS, MIN_SONGS_BOOTSTRAP, NO_INTERVAL
from .panels import panels
from .study import BOUNDS, BUDGETS, EXPLAINER, PRIVILEGED, by_song, named, with_fill

SCORE = "aufc_normalised"
N_BEST = 2  # number of explainers shown per query budget and access to the clean excerpt
ALWAYS = ("lime",)  # explainers that are always shown
#: Marker, colour and title of explainers, by access to the clean excerpt.
LOOKS = {
    False: ("o", PALETTE[0], "no access to the clean excerpt"),
    True: ("D", PALETTE[1], PRIVILEGED),
}


def table(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the leaderboard for a single score: the data of the figure, and explainers that it does not show."""
    return leaderboard[leaderboard.score == SCORE].reset_index(drop=True)


def plot(rows: pd.DataFrame, scores: pd.DataFrame, *, fill: str, footnote: str, label_name: str = SING) -> Figure:
    """Plot the best explainers of each query budget in order of decreasing mean; single songs are dots if there are few.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    scores : DataFrame
        Result of `veracity.results.scores.table`, for the values of single songs.
    fill : str
        Default fill, the paper's. Other constant fills are in the table only.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain.
    """
    order = _order(rows, fill)
    n_lines = len(order) + order.budget.nunique() if len(order) else 4
    figure, axes = new_figure(1, 4, (11.0, 2.2 + 0.19 * n_lines), sharex=True, sharey=True)
    songs = by_song(scores[~scores.explainer.isin(BOUNDS)], SCORE) if len(scores) else scores
    for ax, part in panels(axes, rows, label_name=label_name, separator="\n"):
        _draw(ax, part.merge(order[[*EXPLAINER, "y"]], on=EXPLAINER), songs)
        ax.set_xlabel("normalised AUFC", fontsize=8)
    if len(order):
        _name_lines(axes[0, 0], order)
        lowest = rows.merge(order[EXPLAINER], on=EXPLAINER)[["low", "mean"]].min(axis=None)
        axes[0, 0].set_xlim(max(-1.5, min(-0.1, lowest - 0.05)), 1.08)
        handles = next(ax.get_legend_handles_labels() for ax in axes[0] if ax.lines)
        key = "Sorted by the mean over panels within each query budget"
        figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8, title=key, title_fontsize=8)
    n = rows[EXPLAINER].drop_duplicates().shape[0]
    put_footnote(
        figure,
        f"{footnote}. 0: a random ranking, 1: the best ranking. Shown are {len(order)} of {n} explainers and fills: the "
        f"paper's LIME and, of each query budget, the {N_BEST} best with and without access to the clean excerpt; the table "
        f"has the others. Lines: {INTERVALS}; {NO_INTERVAL}.",
    )
    return figure


def _draw(ax: Axes, part: pd.DataFrame, songs: pd.DataFrame) -> None:
    for marker, colour, title in LOOKS.values():
        ax.plot([], [], marker, color=colour, ms=4, label=title)
    if part.n_songs.max() < MIN_SONGS_BOOTSTRAP:
        ax.plot([], [], ".", color="0.6", ms=4, label="a single song")
        keys = ["domain", "original", *EXPLAINER]
        each = part[[*keys, "y"]].merge(songs, on=keys)
        ax.plot(each[SCORE], each.y, ".", color="0.6", ms=3)
    for row in part.itertuples():
        marker, colour, _ = LOOKS[bool(row.privileged)]
        ax.plot([row.low, row.high], [row.y, row.y], color=colour, lw=1)
        ax.plot(row.mean, row.y, marker, color=colour, ms=4)
    ax.axvline(0, color="0.4", lw=0.8, ls="--")
    ax.axvline(1, color="0.4", lw=0.8)
    ax.grid(axis="x", color="0.9", lw=0.5)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(axis="y", length=0)


def _name_lines(ax: Axes, order: pd.DataFrame) -> None:
    """Label the lines by explainer, with a heading above each query budget."""
    headings = order.groupby("budget", sort=False).y.min() - 1
    titles = [f"query budget: {'none' if name == BUDGETS[0] else name}" for name in headings.index]
    words = [*(named(row.explainer, row.fill) for row in order.itertuples()), *titles]
    ax.set_yticks([*order.y, *headings], words, fontsize=7)
    for text in ax.get_yticklabels()[len(order) :]:
        text.set_fontweight("bold")
    ax.set_ylim(order.y.max() + 0.8, headings.min() - 0.8)


def _order(rows: pd.DataFrame, fill: str) -> pd.DataFrame:
    """Return the explainers to show with their vertical positions, by query budget and mean over panels."""
    if rows["mean"].isna().all():
        return pd.DataFrame(columns=[*EXPLAINER, "y"])
    means = with_fill(rows, fill).groupby(EXPLAINER, sort=False)["mean"].mean().dropna().reset_index()
    rank = means.groupby(["budget", "privileged"])["mean"].rank(ascending=False, method="first")
    means = means[(rank <= N_BEST) | means.explainer.isin(ALWAYS)]
    places = {name: i for i, name in enumerate(BUDGETS)}
    means = means.assign(_b=means.budget.map(places)).sort_values(["_b", "mean"], ascending=[True, False], kind="stable")
    means = means.reset_index(drop=True)
    groups = means._b.ne(means._b.shift()).cumsum()
    return means.assign(y=np.arange(len(means)) + groups)
