"""Table and figure ``own_games``: agreement of explainers with the solution of their own game, and with the ground truth."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..attacks.settings import DOMAINS
from ..jobs.seeds import rng_for
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import bootstrap_rank_correlation
from .pooling import in_paper_order
from .study import BOUNDS, BUDGETS, CLEAN, EMPTY, EXPLAINER, PANEL, named

NAMED = ("lime", "shapley", "occlusion", "grad_cam", "kernel_shap")  # labelled in the figure; the table lists all explainers
AGREEMENT = [*PANEL, "fill", "among", "n_explainers", "n_songs", "rank_correlation", "low", "high"]
AMONG = ("all", "those that read the model")
ALL_FILLS = "all"
LINE = 0.055  # height of a label in data units
#: Kinds of explainers, by the game that they explain and by access to the clean excerpt.
KINDS = ("fill game", "fill game, privileged", "perturbation game")
COLUMNS = [*PANEL, *EXPLAINER, "kind", "n_songs", "n"]
COLUMNS += ["own_game", "own_game_low", "own_game_high", "truth", "truth_low", "truth_high"]


def table(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """Combine the agreement of explainers with the Shapley values of their own game and their scores against the ground truth.

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


def kind_of(fill: str, *, privileged: bool) -> str:
    """Return the element of `KINDS` to which an explainer belongs."""
    return KINDS[2] if fill == CLEAN else KINDS[int(privileged)]


def agreement(scores: pd.DataFrame, *, fill: str, seed: int) -> pd.DataFrame:
    """Correlate the agreement of explainers with their own game and their scores against the ground truth.

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
        One row is for all explainers and one for those that use the model. Intervals are bootstraps over songs, NaN for few
        songs.
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
                rng = rng_for(seed, "own_games", *panel, name, among)
                found = bootstrap_rank_correlation(some["own_game_tau"].to_numpy(), some["aufc_normalised"].to_numpy(), rng)
                numbers = {"rank_correlation": found.mean, "low": found.low, "high": found.high}
                counts = {"n_explainers": len(some), "n_songs": found.n}
                rows.append(dict(zip(PANEL, panel, strict=True)) | {"fill": name, "among": among} | counts | numbers)
    return in_paper_order(pd.DataFrame(rows, columns=AGREEMENT))


def page(rows: pd.DataFrame, called: str = SING) -> pd.DataFrame:
    """Format `table` for display, with the explainers that agree best with their own game first."""
    order = rows.sort_values([*PANEL, "own_game"], ascending=[True, True, False], kind="stable")
    return pd.DataFrame(
        {
            "panel": [f"{row.domain}, {direction_title(row.original, called)}" for row in order.itertuples()],
            "explainer": [named(row.explainer, row.fill) for row in order.itertuples()],
            "explains": order.kind.to_numpy(),
            "own game, Kendall's tau": [_cell(r.own_game, r.own_game_low, r.own_game_high) for r in order.itertuples()],
            "truth, normalised AUFC": [_cell(r.truth, r.truth_low, r.truth_high) for r in order.itertuples()],
            "songs": order.n_songs.to_numpy(),
        }
    )


def _cell(mean: float, low: float, high: float) -> str:
    return f"{mean:.2f}" if np.isnan(low) else f"{mean:.2f} ({low:.2f} to {high:.2f})"


def plot(rows: pd.DataFrame, *, footnote: str, called: str = SING) -> Figure:
    """Plot each explainer by its agreement with its own game and its score against the ground truth.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    footnote : str
        Text at the foot of the figure.
    called : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain.
    """
    figure, axes = new_figure(2, 2, (8.2, 7.0), sharex=True, sharey=True)
    for line, original in zip(axes, LABELS, strict=True):
        for ax, domain in zip(line, DOMAINS, strict=True):
            part = rows[(rows.original == original) & (rows.domain == domain)]
            ax.set_title(f"{domain}, {in_figure(direction_title(original, called))}", fontsize=9)
            if part.empty:
                say_empty(ax, EMPTY)
                continue
            for kind, colour, marker in zip(KINDS, (PALETTE[0], PALETTE[3], PALETTE[1]), "osD", strict=True):
                some = part[part.kind == kind]
                ax.plot(some.own_game, some.truth, marker, color=colour, ms=5, mec="white", mew=0.5, label=kind)
            labelled = part[part.explainer.isin(NAMED)].sort_values("truth", ascending=False)
            for row, height in zip(labelled.itertuples(), _apart(labelled.truth), strict=True):
                ax.annotate(
                    named(row.explainer, row.fill),
                    (row.own_game, row.truth),
                    (row.own_game - 0.1, height),
                    fontsize=6,
                    ha="right",
                    va="center",
                    arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "0.5", "shrinkA": 0, "shrinkB": 2},
                )
            ax.axhline(0, color="0.5", lw=0.7, ls="--")
    for ax in axes[-1]:
        ax.set_xlabel("agreement with the solution of its own game (Kendall's tau)", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("normalised area under the flip curve", fontsize=8)
    handles, titles = next((ax.get_legend_handles_labels() for ax in axes.ravel() if ax.lines), ([], []))
    if handles:
        figure.legend(handles, titles, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    put_footnote(figure, footnote)
    return figure


def _apart(heights: Iterable[float]) -> list[float]:
    """Return decreasing heights, lowered where necessary so that labels do not overlap."""
    found: list[float] = []
    for height in heights:
        found.append(min(height, found[-1] - LINE) if found else height)
    return found
