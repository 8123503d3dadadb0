"""Figure ``figure_explainers``: flip curves of all explainers with their bounds, one column per query budget."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..attacks.settings import DOMAINS
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, looks, new_figure, put_footnote, say_empty
from .study import ALL_MASKS, BOUNDS, BUDGETS, CLEAN, EMPTY, EXPLAINER, PANEL, named

#: Bounds in drawing order: title, colour and line style.
CURVES = {
    "best_set": ("best set of each k", PALETTE[2], "--"),
    "best_ranking": ("best ranking", PALETTE[2], "-"),
    "random_set": ("random", "0.45", "--"),
    "worst_set": ("every set of k flips", PALETTE[3], ":"),
}


def table(scores: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return mean flip curves over the excerpts of each song, then over songs, in per cent.

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
    if len(scores):
        shown = scores.fill.isin(["", fill, CLEAN])
        scores = scores[shown | ~scores.explainer.isin(scores.explainer[shown].unique())]
    columns = [name for name in scores if name.startswith("flips_")]
    keys = [*PANEL, *EXPLAINER]
    if scores.empty:
        return pd.DataFrame(columns=[*keys, "n_songs", "n", "k", "percent"])
    songs = scores.groupby([*keys, "song"], sort=False)[columns].mean()
    means = songs.groupby(level=keys, sort=False).agg("mean")
    counts = scores.groupby(keys, sort=False).agg(n_songs=("song", "nunique"), n=("song", "size"))
    long = (100 * means).join(counts).reset_index().melt([*keys, "n_songs", "n"], var_name="k", value_name="percent")
    return long.assign(k=long.k.str.removeprefix("flips_").astype(int)).reset_index(drop=True)


def plot(rows: pd.DataFrame, *, footnote: str, called: str = SING) -> Figure:
    """Plot the flip curves, solid for explainers without and dashed for those with access to the clean excerpt.

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
        One row per original label and domain, one column per query budget.
    """
    budgets = [name for name in BUDGETS if (rows.budget[~rows.explainer.isin(BOUNDS)] == name).any()] or [ALL_MASKS]
    panels = [(domain, original) for original in LABELS for domain in DOMAINS]
    figure, axes = new_figure(len(panels) + 1, len(budgets), (2.6 * len(budgets) + 0.4, 10.5), height_ratios=[1, 1, 1, 1, 0.9])
    for j, budget in enumerate(budgets):
        here = rows[(rows.budget == budget) & ~rows.explainer.isin(BOUNDS)]
        asked = here.drop_duplicates(["explainer", "fill"])
        styles = dict(zip(zip(asked.explainer, asked.fill, strict=True), looks(len(asked)), strict=True))
        handles = {}
        for i, (domain, original) in enumerate(panels):
            ax, part = axes[i, j], rows[(rows.domain == domain) & (rows.original == original)]
            for bound, (title, colour, style) in CURVES.items():
                curve = part[part.explainer == bound].sort_values("k")
                if len(curve):
                    handles[title] = ax.plot(curve.k, curve.percent, style, color=colour, lw=1.3)[0]
            of_budget = part[(part.budget == budget) & ~part.explainer.isin(BOUNDS)]
            for (explainer, fill, privileged), curve in of_budget.groupby(["explainer", "fill", "privileged"], sort=False):
                colour, _, marker = styles[explainer, fill]
                ordered = curve.sort_values("k")
                line = "--" if privileged else "-"
                (handle,) = ax.plot(ordered.k, ordered.percent, line, color=colour, lw=0.9, marker=marker, ms=2.5)
                handles[named(explainer, fill)] = handle
            if part.empty:
                say_empty(ax, EMPTY)
            ax.set_ylim(-3, 103)
            if i == 0:
                ax.set_title(f"reads {budget}", fontsize=8)
            if j == 0:
                n = int(part.n.max()) if len(part) else 0
                ax.set_ylabel(f"{domain}\n{in_figure(direction_title(original, called))}\nflips [%] (n = {n})", fontsize=7)
            else:
                ax.tick_params(labelleft=False)
            ax.tick_params(labelsize=6)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            if i == len(panels) - 1:
                ax.set_xlabel("segments k", fontsize=7)
        foot = axes[-1, j]
        foot.axis("off")
        foot.legend(list(handles.values()), list(handles), loc="upper left", fontsize=5.2, frameon=False, borderaxespad=0)
    put_footnote(figure, f"{footnote}. Means over songs; dashed: sees the clean excerpt.")
    return figure
