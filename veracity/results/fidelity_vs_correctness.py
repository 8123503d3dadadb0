"""Table and figure ``fidelity_vs_correctness``: whether the fidelity of LIME predicts correct explanations."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..games import scoring
from ..jobs.seeds import rng_for
from ..labels import SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import INTERVALS, NO_INTERVAL, ratio
from .study import PANEL, PANELS

ALL = "all"
PREDICTORS = ("fidelity", "additive_share")
TITLES = {"fidelity": "fidelity (R²)", "additive_share": "share the best additive surrogate explains"}
#: Excerpts that are compared: all, or those with a flip set of at most three segments, which can be explained correctly.
ANSWERABLE = "some three segments flip"
COLUMNS = [*PANEL, "explainer", "fill", "predictor", "among", "n_songs", "n_right", "n_wrong", "n_wrong_unanswerable"]
COLUMNS += ["pairs", "auc", "low", "high"]


def table(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Compare the fidelity of correct and wrong explanations of LIME within songs.

    An explanation is correct if its top three segments flip the label. Only excerpts of the same song and panel are compared.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        ``auc`` is the share of ``pairs`` of a correct and a wrong explanation in which the correct one has the larger value of
        the predictor, where ties count half. Its interval is over songs, and 0.5 is chance. Predictors are the fidelity and the
        share of variance, under LIME's kernel, that the best additive surrogate explains. The panel "all" pools the pairs of
        all panels. ``n_wrong_unanswerable`` counts wrong explanations of excerpts without a flip set of at most three segments;
        rows among `ANSWERABLE` exclude these excerpts.
    """
    rows = []
    fitted = scores[scores.fidelity.notna() & ~scores.privileged.astype(bool)] if len(scores) else scores
    for (explainer, fill), part in fitted.groupby(["explainer", "fill"], sort=False) if len(fitted) else ():
        for panel, of_panel in _panels(part):
            for among, some in ((ALL, of_panel), (ANSWERABLE, of_panel[of_panel.smallest_size <= scoring.TOP])):
                for predictor in PREDICTORS:
                    names = {"explainer": explainer, "fill": fill, "predictor": predictor, "among": among}
                    rng = rng_for(seed, "fidelity_vs_correctness", explainer, fill, *panel, predictor, among)
                    rows.append(dict(zip(PANEL, panel, strict=True)) | names | _worth(some, predictor, rng))
    return pd.DataFrame(rows, columns=COLUMNS)


def _worth(part: pd.DataFrame, predictor: str, rng: np.random.Generator) -> dict[str, float]:
    counts = [{"song": key[0], **_pairs(rows, predictor)} for key, rows in part.groupby(["song", *PANEL], sort=True)]
    songs = pd.DataFrame(counts, columns=["song", "concordant", "pairs"]).groupby("song").sum()
    auc = ratio(songs.concordant.to_numpy(), songs.pairs.to_numpy(), rng)
    wrong = part[part.sufficiency == 0]
    return {
        "n_songs": auc.n,
        "n_right": len(part) - len(wrong),
        "n_wrong": len(wrong),
        "n_wrong_unanswerable": int((wrong.smallest_size > scoring.TOP).sum()),
        "pairs": int(songs.pairs.sum()),
        "auc": auc.mean,
        "low": auc.low,
        "high": auc.high,
    }


def _panels(part: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    yield from part.groupby(PANEL, sort=False)
    yield (ALL, ALL), part


def _pairs(part: pd.DataFrame, predictor: str) -> dict[str, float]:
    right, wrong = (part.loc[part.sufficiency == outcome, predictor].to_numpy() for outcome in (1, 0))
    differences = right[:, None] - wrong[None, :]
    return {"concordant": float((differences > 0).sum() + 0.5 * (differences == 0).sum()), "pairs": float(differences.size)}


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    shown = {
        "panel": [_panel(row.domain, row.original, label_name) for row in rows.itertuples()],
        "explainer (fill)": [f"{row.explainer} ({row.fill})" for row in rows.itertuples()],
        "predictor": [TITLES[name] for name in rows.predictor],
        "excerpts": rows.among,
        "right": rows.n_right,
        "wrong": rows.n_wrong,
        "wrong, and no three segments flip": rows.n_wrong_unanswerable,
        "pairs within songs": rows.pairs,
        "songs with pairs": rows.n_songs,
        "AUC (chance 0.5)": rows.auc,
        "low": rows.low,
        "high": rows.high,
    }
    return pd.DataFrame(shown)


def _panel(domain: str, original: str, label_name: str) -> str:
    return "all four" if domain == ALL else f"{domain}, {direction_title(original, label_name)}"  # type: ignore[arg-type]


def plot(rows: pd.DataFrame, *, fill: str, footnote: str, label_name: str = SING) -> Figure:
    """Plot the AUC of both predictors for sampled and exact LIME with each fill, with intervals and counts.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    fill : str
        Default fill, the paper's, which is the first row.
    footnote : str
        Text at the foot of the figure.
    label_name : str
        Display name of "sing".

    Returns
    -------
    Figure
        One row per fill, one column per predictor.
    """
    titles = [in_figure(_panel(*panel, label_name)) for panel in (*PANELS, (ALL, ALL))]
    shown = rows[rows.among == ALL]
    fills = [fill, *(further for further in shown.fill.unique() if further != fill)]
    figure, axes = new_figure(len(fills), len(PREDICTORS), (9.2, 1.5 + 2.05 * len(fills)), sharex=True, sharey=True)
    for line, name in zip(axes, fills, strict=True):
        for ax, predictor in zip(line, PREDICTORS, strict=True):
            ax.set_title(f"fill: {name}{' (default)' if name == fill else ''}\n{TITLES[predictor]}", fontsize=8.5)
            _draw(ax, shown[(shown.predictor == predictor) & (shown.fill == name)], counts=ax is line[-1])
    axes[0, 0].set_xlim(0, 1)
    axes[0, 0].set_ylim(len(titles) - 0.5, -0.5)
    axes[0, 0].set_yticks(range(len(titles)), titles)
    for ax in axes.ravel():
        ax.tick_params(labelsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("AUC within songs (0.5: chance)", fontsize=8)
    for _, title, _, marker, colour in LIMES:
        axes[0, 0].plot([], [], marker, color=colour, ms=5, label=title)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    put_footnote(
        figure,
        f"{footnote}. On the right, for both columns and in the order of the markers: numbers of correct and wrong "
        f"explanations, and of pairs within songs. Lines: {INTERVALS}; {NO_INTERVAL}.",
    )
    return figure


#: Explainer, title, vertical shift, marker and colour.
LIMES = (("lime", "LIME", -0.16, "^", PALETTE[0]), ("lime_exact", "LIME, exact (all masks)", 0.16, "D", PALETTE[2]))


def _draw(ax: Axes, part: pd.DataFrame, *, counts: bool) -> None:
    """Draw the AUC of a fill and predictor, and write the counts beside the axes."""
    if part.auc.notna().sum() == 0:
        say_empty(ax, "no song has both correct and wrong explanations")
    for explainer, _, offset, marker, colour in LIMES:
        for y, (domain, original) in enumerate((*PANELS, (ALL, ALL))):
            for row in part[(part.explainer == explainer) & (part.domain == domain) & (part.original == original)].itertuples():
                ax.plot([row.low, row.high], [y + offset] * 2, color=colour, lw=1)
                ax.plot(row.auc, y + offset, marker, color=colour, ms=5, clip_on=False)
                if counts:
                    pairs = f"{row.pairs:.0f} pairs of {row.n_songs:.0f} songs" if row.pairs else "no pairs"
                    words = f"{row.n_right:.0f} correct, {row.n_wrong:.0f} wrong; {pairs}"
                    ax.text(1.03, y + offset, words, transform=ax.get_yaxis_transform(), fontsize=6.5, va="center")
    ax.axvline(0.5, color="0.5", lw=0.8, ls="--")
