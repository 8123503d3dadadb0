"""Table and figure ``faithfulness_to_own_game``: agreement of explainers with their own game, and with the ground truth."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..jobs.seeds import rng_for
from ..labels import SING, direction_title
from .canvas import PALETTE, new_figure, put_footnote, signed
from .over_songs import MIN_SONGS_BOOTSTRAP, bootstrap_rank_correlation
from .panels import panels
from .pooling import in_paper_order
from .study import BOUNDS, BUDGETS, CLEAN, EXPLAINER, KINDS, PANEL, kind_of, named

NAMED = ("lime", "shapley", "occlusion", "grad_cam", "kernel_shap")  # labelled in the figure; the table lists all explainers
AGREEMENT = [*PANEL, "fill", "among", "n_explainers", "n_songs", "rank_correlation", "low", "high"]
AMONG = ("all", "those that read the model")
ALL_FILLS = "all"
LINE = 0.055  # height of a label in data units
MARKERS = {"mean": "o", "zero": "s", "min": "^", CLEAN: "D"}  # of fills in the figure
OTHER_FILL = "v"
#: Colour of each kind of explainer, and whether its markers are filled.
LOOKS = {KINDS[0]: (PALETTE[0], True), KINDS[1]: (PALETTE[3], False), KINDS[2]: (PALETTE[2], True)}
COLUMNS = [*PANEL, *EXPLAINER, "kind", "n_songs", "n"]
COLUMNS += ["own_game", "own_game_low", "own_game_high", "truth", "truth_low", "truth_high"]


def table(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """List for each explainer its agreement with the Shapley values of its own game and its score against the ground truth.

    Parameters
    ----------
    leaderboard : DataFrame
        Result of `veracity.results.leaderboard.table`.

    Returns
    -------
    DataFrame
        ``own_game`` is Kendall's tau, ``truth`` the normalised area under the flip curve, and ``kind`` one of `KINDS`.
        Explainers without a game are omitted.
    """
    keys = [*PANEL, *EXPLAINER]
    own, truth = (leaderboard[leaderboard.score == score].set_index(keys) for score in ("own_game_tau", "aufc_normalised"))
    rows = own.merge(truth, left_index=True, right_index=True, suffixes=("_own", "_truth")).reset_index()
    rows = rows.dropna(subset="mean_own")
    for name, suffix in (("own_game", "_own"), ("truth", "_truth")):
        rows = rows.rename(columns={f"mean{suffix}": name, f"low{suffix}": f"{name}_low", f"high{suffix}": f"{name}_high"})
    rows = rows.assign(kind=[kind_of(row.fill, privileged=bool(row.privileged)) for row in rows.itertuples()])
    return rows.rename(columns={"n_songs_truth": "n_songs", "n_truth": "n"})[COLUMNS].reset_index(drop=True)


def agreement(scores: pd.DataFrame, *, fill: str, seed: int) -> pd.DataFrame:
    """Return the rank correlation between explainers' agreement with their own game and their scores against the ground truth.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    fill : str
        Default fill, the paper's.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        Spearman's rank correlation over the unprivileged explainers of the fill game, for the default fill and for all fills.
        One row is for all explainers and one for those that use the model. Intervals are from a bootstrap over songs, NaN
        for few songs.
    """
    rows = []
    judged = scores[~scores.explainer.isin(BOUNDS) & ~scores.privileged.astype(bool)] if len(scores) else scores
    for panel, part in judged.groupby(PANEL, sort=False) if len(judged) else ():
        songs = part.groupby([*EXPLAINER, "song"], sort=False)[["own_game_tau", "aufc_normalised"]].mean().unstack("song")
        songs = songs[songs["own_game_tau"].notna().any(axis=1)]
        of_fill, reads = songs.index.get_level_values("fill") == fill, songs.index.get_level_values("budget") != BUDGETS[0]
        for name, of_game in ((fill, of_fill), (ALL_FILLS, np.ones(len(songs), dtype=bool))):
            for among, of_kind in zip(AMONG, (np.ones(len(songs), dtype=bool), reads), strict=True):
                some = songs[of_game & of_kind]
                rng = rng_for(seed, "faithfulness_to_own_game", *panel, name, among)
                pair = some["own_game_tau"].to_numpy(), some["aufc_normalised"].to_numpy()
                correlation = bootstrap_rank_correlation(*pair, rng)
                numbers = {"rank_correlation": correlation.mean, "low": correlation.low, "high": correlation.high}
                counts = {"n_explainers": len(some), "n_songs": correlation.n}
                rows.append(dict(zip(PANEL, panel, strict=True)) | {"fill": name, "among": among} | counts | numbers)
    return in_paper_order(pd.DataFrame(rows, columns=AGREEMENT))


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display, with the explainers that agree best with their own game first."""
    order = rows.sort_values([*PANEL, "own_game"], ascending=[True, True, False], kind="stable")
    return pd.DataFrame(
        {
            "panel": [f"{row.domain}, {direction_title(row.original, label_name)}" for row in order.itertuples()],
            "explainer": [named(row.explainer, row.fill) for row in order.itertuples()],
            "explains": order.kind.to_numpy(),
            "own game, Kendall's tau": [_cell(r.own_game, r.own_game_low, r.own_game_high) for r in order.itertuples()],
            "truth, normalised AUFC": [_cell(r.truth, r.truth_low, r.truth_high) for r in order.itertuples()],
            "songs": order.n_songs.to_numpy(),
        }
    )


def _cell(mean: float, low: float, high: float) -> str:
    return f"{mean:.2f}" if np.isnan(low) else f"{mean:.2f} ({low:.2f} to {high:.2f})"


def plot(rows: pd.DataFrame, agreed: pd.DataFrame, *, fill: str, footnote: str, label_name: str = SING) -> Figure:
    """Plot each explainer by its agreement with its own game and its score against the ground truth.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    agreed : DataFrame
        Result of `agreement`, whose rank correlations are in the titles.
    fill : str
        Default fill, the paper's, to which the rank correlation and the labels refer.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain.
    """
    figure, axes = new_figure(2, 2, (9.4, 7.8), sharex=True, sharey=True)
    handles: dict[str, Artist] = {}
    for ax, part in panels(axes, rows, label_name=label_name):
        known = agreed[(agreed.domain == part.domain.iloc[0]) & (agreed.original == part.original.iloc[0])]
        ax.set_title(f"{ax.get_title()}\n{_correlation(known[(known.fill == fill) & (known.among == AMONG[0])])}", fontsize=8.5)
        for kind, (colour, full) in LOOKS.items():
            for name, some in part[part.kind == kind].groupby("fill", sort=False):
                look: Any = {"color": colour, "mfc": colour if full else "white", "mec": "white" if full else colour}
                (points,) = ax.plot(some.own_game, some.truth, MARKERS.get(name, OTHER_FILL), ms=5.5, mew=0.7, **look)
                handles.setdefault(kind if name == CLEAN else f"{kind} ({name or 'no fill'})", points)
        _label(ax, part[part.explainer.isin(NAMED) & part.fill.isin([fill, CLEAN])].sort_values("truth", ascending=False))
        ax.axhline(0, color="0.5", lw=0.7, ls="--")
    for ax in axes[-1]:
        ax.set_xlabel("agreement with the solution of its own game (Kendall's tau)", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("normalised area under the flip curve", fontsize=8)
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    put_footnote(
        figure,
        f"{footnote}. Points are means over songs for an explainer and fill; the table has the intervals. Privileged: has "
        f"access to the clean excerpt. Rank correlation: Spearman's, over the unprivileged explainers of the fill game with "
        f"the fill {fill}, with a 95 % bootstrap interval over songs (none below {MIN_SONGS_BOOTSTRAP} songs).",
    )
    return figure


def _correlation(known: pd.DataFrame) -> str:
    """Return the rank correlation of a panel as text."""
    row = known.iloc[0] if len(known) else None
    if row is None or np.isnan(row.rank_correlation):
        return "rank correlation: not determined"
    interval = "" if np.isnan(row.low) else f" ({signed(row.low)} to {signed(row.high)})"
    return f"rank correlation {signed(row.rank_correlation)}{interval}, {row.n_explainers:.0f} explainers"


def _label(ax: Axes, labelled: pd.DataFrame) -> None:
    """Write the names of explainers to the right of the axes, with lines to their points."""
    for row, height in zip(labelled.itertuples(), _apart(labelled.truth), strict=True):
        ax.annotate(
            named(row.explainer, row.fill),
            (row.own_game, row.truth),
            (1.03, height),
            textcoords=ax.get_yaxis_transform(),
            fontsize=7,
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "0.4", "shrinkA": 0, "shrinkB": 2},
        )


def _apart(heights: Iterable[float]) -> list[float]:
    """Return decreasing heights, lowered where necessary so that labels do not overlap."""
    placed: list[float] = []
    for height in heights:
        placed.append(min(height, placed[-1] - LINE) if placed else height)
    return placed
