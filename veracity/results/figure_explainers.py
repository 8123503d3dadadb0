"""Figure ``figure_explainers``: flip curves of LIME, the norm and the best explainers of each kind, with bounds."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..labels import SING
from .canvas import PALETTE, new_figure, put_footnote
from .panels import panels
from .study import BOUNDS, CLEAN, EXPLAINER, KINDS, PANEL, kind_of, named, with_fill

#: Bounds in drawing order: title, colour and line style.
CURVES = {
    "best_set": ("best set for each k", "0.1", ":"),
    "random_set": ("random ranking", "0.5", "-."),
}
ALWAYS = ("lime", "norm")  # explainers that are always shown: the paper's
LIKE_LIME = ("lime_exact", "lime_logit")  # explainers whose fill-game curves are nearly LIME's; these are in the table only
#: Number of further explainers of each kind. With `ALWAYS` and the bounds, a panel has at most eight curves.
N_BEST = dict(zip(KINDS, (2, 1, 1), strict=True))
#: Colours and markers of the explainers in drawing order.
LOOKS = [(PALETTE[0], "^"), (PALETTE[1], "o"), (PALETTE[9], "s"), (PALETTE[5], "v"), (PALETTE[4], "D"), (PALETTE[2], "P")]


def table(scores: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return flip curves in per cent, averaged over the excerpts of each song and then over songs.

    For explainers with several fills, only the default fill and the perturbation game are shown.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    fill : str
        Default fill, the paper's.

    Returns
    -------
    DataFrame
        One row per panel, explainer and number of segments k.
    """
    scores = with_fill(scores, fill)
    columns = [name for name in scores if name.startswith("flips_")]
    keys = [*PANEL, *EXPLAINER]
    if scores.empty:
        return pd.DataFrame(columns=[*keys, "n_songs", "n", "k", "percent"])
    songs = scores.groupby([*keys, "song"], sort=False)[columns].mean()
    means = songs.groupby(level=keys, sort=False).agg("mean")
    counts = scores.groupby(keys, sort=False).agg(n_songs=("song", "nunique"), n=("song", "size"))
    long = (100 * means).join(counts).reset_index().melt([*keys, "n_songs", "n"], var_name="k", value_name="percent")
    return long.assign(k=long.k.str.removeprefix("flips_").astype(int)).reset_index(drop=True)


def plot(rows: pd.DataFrame, *, footnote: str, label_name: str = SING) -> Figure:
    """Plot the flip curves, solid for explainers without and dashed for those with access to the clean excerpt.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per original label and domain, with the same explainers in each.
    """
    chosen = _chosen(rows)
    figure, axes = new_figure(2, 2, (8.2, 6.6), sharex=True, sharey=True)
    handles: dict[str, Any] = {}
    for ax, part in panels(axes, rows, label_name=label_name):
        for bound, (title, colour, style) in CURVES.items():
            curve = part[part.explainer == bound].sort_values("k")
            if len(curve):
                handles[title] = ax.plot(curve.k, curve.percent, style, color=colour, lw=1.3)[0]
        for i, (explainer, (colour, marker)) in enumerate(zip(chosen.itertuples(), LOOKS, strict=False)):
            curve = part[(part.explainer == explainer.explainer) & (part.fill == explainer.fill)].sort_values("k")
            look: dict[str, Any] = {"marker": marker, "ms": 4.5, "markevery": (i % 3, 3), "mec": "white", "mew": 0.4}
            if len(curve):
                (line,) = ax.plot(curve.k, curve.percent, "--" if explainer.privileged else "-", color=colour, lw=1.1, **look)
                handles[f"{named(explainer.explainer, explainer.fill)}{', privileged' if explainer.privileged else ''}"] = line
        ax.set_ylim(-3, 103)
    for ax in axes[-1]:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("number of segments k", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("label flips [%]", fontsize=8)
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    n = rows[~rows.explainer.isin(BOUNDS)][["explainer", "fill"]].drop_duplicates().shape[0]
    put_footnote(
        figure,
        f"{footnote}. Means over songs, without intervals (figure_leaderboard has those of the area). Shown are {len(chosen)} "
        f"of {n} explainers and fills: LIME, the norm and, by mean area over panels, the best two unprivileged ones of the "
        "fill game (other than exact LIME and lime_logit) and the best privileged one of each game. The table has the others. "
        "Dashed: privileged, with access to the clean excerpt.",
    )
    return figure


def _chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the explainers to show: the paper's, and those of each kind with the largest mean area over panels.

    Explainers without scores in one of the panels are omitted.
    """
    judged = rows[~rows.explainer.isin(BOUNDS)]
    n_panels = judged.drop_duplicates([*EXPLAINER, *PANEL]).groupby(EXPLAINER, sort=False).size()
    whole = n_panels[n_panels == n_panels.max()].index
    judged = judged.set_index(EXPLAINER).loc[whole].reset_index() if len(judged) else judged
    means = judged.groupby(EXPLAINER, sort=False).percent.mean().reset_index().sort_values("percent", ascending=False)
    paper = means[means.explainer.isin(ALWAYS)].drop_duplicates("explainer").sort_values("explainer")
    others = means[~means.explainer.isin(ALWAYS) & ((means.fill == CLEAN) | ~means.explainer.isin(LIKE_LIME))]
    kinds = [kind_of(row.fill, privileged=bool(row.privileged)) for row in others.itertuples()]
    best = [others[[name == kind for name in kinds]].head(n) for kind, n in N_BEST.items()]
    return pd.concat([paper, *best], ignore_index=True)
