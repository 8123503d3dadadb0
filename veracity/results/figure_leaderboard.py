"""Figure ``figure_leaderboard``: area under the flip curve of each explainer by panel, with intervals and single songs."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import FEW
from .study import BOUNDS, BUDGETS, EMPTY, EXPLAINER, by_song, named

SCORE = "aufc_normalised"


def table(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Return the data of the figure: the rows of the leaderboard for a single score."""
    return leaderboard[leaderboard.score == SCORE].reset_index(drop=True)


def plot(rows: pd.DataFrame, scores: pd.DataFrame, *, footnote: str, called: str = SING) -> Figure:
    """Plot the explainers by query budget, in order of decreasing mean; single songs are dots if there are few.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    scores : DataFrame
        Result of `veracity.results.scores.table`, for the values of single songs.
    footnote : str
        Text at the foot of the figure.
    called : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain.
    """
    order = _order(rows)
    height = 1.6 + 0.17 * (len(order) + order.budget.nunique() if len(order) else 4)
    figure, axes = new_figure(1, 4, (12.0, height), sharex=True, sharey=True)
    panels = [(domain, original) for original in LABELS for domain in DOMAINS]
    songs = by_song(scores[~scores.explainer.isin(BOUNDS)], SCORE) if len(scores) else scores
    for ax, (domain, original) in zip(axes[0], panels, strict=True):
        part = rows[(rows.domain == domain) & (rows.original == original)].set_index(["explainer", "fill"])
        n = int(part.n_songs.max()) if len(part) and part.n_songs.notna().any() else 0
        ax.set_title(f"{domain}\n{in_figure(direction_title(original, called))} ({n} songs)", fontsize=8)
        if part.empty:
            say_empty(ax, EMPTY)
            continue
        for one in order.itertuples():
            key = (one.explainer, one.fill)
            if key not in part.index:
                continue
            row = part.loc[key]
            colour = PALETTE[1] if one.privileged else PALETTE[0]
            if n < FEW:
                here = songs[(songs.domain == domain) & (songs.original == original) & (songs.explainer == one.explainer)]
                here = here[here.fill == one.fill][SCORE].dropna()
                ax.plot(here, [one.y] * len(here), ".", color="0.6", ms=3)
            if not np.isnan(row.low):
                ax.plot([row.low, row.high], [one.y, one.y], color=colour, lw=1)
            ax.plot(row["mean"], one.y, "D" if one.privileged else "o", color=colour, ms=4)
        ax.axvline(0, color="0.4", lw=0.8, ls="--")
        ax.axvline(1, color="0.4", lw=0.8)
        ax.grid(axis="x", color="0.9", lw=0.5)
        ax.set_xlabel("normalised AUFC", fontsize=8)
    if len(order):
        headings = order.groupby("budget", sort=False).y.min() - 1
        ticks = [*order.y, *headings]
        words = [*(named(one.explainer, one.fill) for one in order.itertuples()), *(f"— {name} —" for name in headings.index)]
        axes[0, 0].set_yticks(ticks, words, fontsize=6.5)
        axes[0, 0].set_ylim(order.y.max() + 1, headings.min() - 1)
        lowest = rows.low.fillna(rows["mean"]).min()
        axes[0, 0].set_xlim(max(-1.5, min(-0.3, lowest - 0.05)), 1.08)
    put_footnote(
        figure,
        f"{footnote}. 0: a random ranking, 1: the best ranking. Diamonds: sees the clean excerpt. Lines: 95 % over songs.",
    )
    return figure


def _order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the vertical positions of explainers, by query budget and mean over panels, with a line for each heading."""
    if rows.empty:
        return pd.DataFrame(columns=[*EXPLAINER, "y"])
    means = rows.groupby(EXPLAINER, sort=False)["mean"].mean().reset_index()
    places = {name: i for i, name in enumerate(BUDGETS)}
    means = means.assign(_b=means.budget.map(places)).sort_values(["_b", "mean"], ascending=[True, False], kind="stable")
    means = means.reset_index(drop=True)
    groups = means._b.ne(means._b.shift()).cumsum()
    return means.assign(y=np.arange(len(means)) + groups)
