"""Table and figure ``fidelity_worth``: whether the fidelity of LIME predicts correct explanations."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..games import scoring
from ..jobs.seeds import rng_for
from ..labels import LABELS, SING, direction_title, in_figure
from .canvas import PALETTE, new_figure, put_footnote, say_empty
from .over_songs import ratio
from .study import PANEL

ALL = "all"
PREDICTORS = ("fidelity", "additive_share")
TITLES = {"fidelity": "fidelity (R²)", "additive_share": "share that any additive surrogate explains"}
#: Excerpts that are compared: all, or those with a flip set of at most three segments, which have a correct explanation.
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
        ``auc`` is the share of ``pairs`` of a correct and a wrong explanation in which the correct one has the larger
        predictor, where ties count half. Its interval is over songs, and 0.5 is chance. Predictors are the fidelity and the
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
                    rng = rng_for(seed, "fidelity_worth", explainer, fill, *panel, predictor, among)
                    rows.append(dict(zip(PANEL, panel, strict=True)) | names | _worth(some, predictor, rng))
    return pd.DataFrame(rows, columns=COLUMNS)


def _worth(part: pd.DataFrame, predictor: str, rng: np.random.Generator) -> dict[str, float]:
    counts = [{"song": key[0], **_pairs(one, predictor)} for key, one in part.groupby(["song", *PANEL], sort=True)]
    songs = pd.DataFrame(counts, columns=["song", "concordant", "pairs"]).groupby("song").sum()
    found = ratio(songs.concordant.to_numpy(), songs.pairs.to_numpy(), rng)
    wrong = part[part.sufficiency == 0]
    return {
        "n_songs": found.n,
        "n_right": len(part) - len(wrong),
        "n_wrong": len(wrong),
        "n_wrong_unanswerable": int((wrong.smallest_size > scoring.TOP).sum()),
        "pairs": int(songs.pairs.sum()),
        "auc": found.mean,
        "low": found.low,
        "high": found.high,
    }


def _panels(part: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    yield from part.groupby(PANEL, sort=False)
    yield (ALL, ALL), part


def _pairs(part: pd.DataFrame, predictor: str) -> dict[str, float]:
    right, wrong = (part.loc[part.sufficiency == outcome, predictor].to_numpy() for outcome in (1, 0))
    differences = right[:, None] - wrong[None, :]
    return {"concordant": float((differences > 0).sum() + 0.5 * (differences == 0).sum()), "pairs": float(differences.size)}


def page(rows: pd.DataFrame, called: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    shown = {
        "panel": [_panel(row.domain, row.original, called) for row in rows.itertuples()],
        "of": [f"{row.explainer} ({row.fill})" for row in rows.itertuples()],
        "predictor": [TITLES[name] for name in rows.predictor],
        "excerpts": rows.among,
        "right": rows.n_right,
        "wrong": rows.n_wrong,
        "of these no three segments flip": rows.n_wrong_unanswerable,
        "pairs within songs": rows.pairs,
        "songs with pairs": rows.n_songs,
        "AUC (chance 0.5)": rows.auc,
        "low": rows.low,
        "high": rows.high,
    }
    return pd.DataFrame(shown)


def _panel(domain: str, original: str, called: str) -> str:
    return "all four" if domain == ALL else f"{domain}, {direction_title(original, called)}"  # type: ignore[arg-type]


def plot(rows: pd.DataFrame, *, fill: str, footnote: str, called: str = SING) -> Figure:
    """Plot the AUC of both predictors for sampled and exact LIME, with intervals and counts.

    Parameters
    ----------
    rows : DataFrame
        Result of `table`.
    fill : str
        Fill of LIME to show.
    footnote : str
        Text at the foot of the figure.
    called : str
        Display name of "sing".

    Returns
    -------
    Figure
        One panel per predictor.
    """
    panels = [*((domain, original) for original in LABELS for domain in ("waveform", "spectrogram")), (ALL, ALL)]
    figure, axes = new_figure(1, len(PREDICTORS), (8.6, 3.4), sharex=True, sharey=True)
    for ax, predictor in zip(axes[0], PREDICTORS, strict=True):
        ax.set_title(TITLES[predictor], fontsize=9)
        part = rows[(rows.predictor == predictor) & (rows.fill == fill) & (rows.among == ALL)]
        if part.auc.notna().sum() == 0:
            say_empty(ax, "no song has right and wrong answers")
        for offset, explainer, marker, colour in ((-0.13, "lime", "^", PALETTE[0]), (0.13, "lime_exact", "D", PALETTE[2])):
            for y, panel in enumerate(panels):
                one = part[(part.explainer == explainer) & (part.domain == panel[0]) & (part.original == panel[1])]
                if one.empty or np.isnan(one.auc.iloc[0]):
                    continue
                row = one.iloc[0]
                ax.plot([row.low, row.high], [y + offset] * 2, color=colour, lw=1)
                ax.plot(row.auc, y + offset, marker, color=colour, ms=5, label=explainer if y == 0 else None)
                words = f"{row.n_right:.0f}/{row.n_wrong:.0f}, {row.pairs:.0f} pairs"
                if explainer == "lime":
                    ax.text(1.02, y, words, fontsize=6, va="center")
        ax.axvline(0.5, color="0.5", lw=0.8, ls="--")
        ax.set_xlim(0, 1.45)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        titles = [in_figure(_panel(*panel, called)) for panel in panels]
        ax.set_yticks(range(len(panels)), titles, fontsize=8)
        ax.set_xlabel("AUC within songs (0.5: says nothing); right/wrong", fontsize=8)
    axes[0, 0].invert_yaxis()
    handles, titles = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, titles, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    put_footnote(figure, f"{footnote}. Lines: 95 % over songs.")
    return figure
