"""Table ``attacks``: success rates of the attacks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..attacks.excerpts import Excerpts
from ..attacks.perturbations import ExcerptAttack, SongAttack, WindowAttack
from ..attacks.settings import DOMAINS
from ..labels import LABELS
from .pooling import Keyed
from .statistics import proportion


def table(attacks: Keyed, excerpts: Keyed) -> pd.DataFrame:
    """Tabulate the success rates of attacks, which are the shares of excerpts whose label flips.

    Parameters
    ----------
    attacks : iterable of (song, domain, SongAttack, ExcerptAttack or WindowAttack)
        Perturbations of the songs.
    excerpts : iterable of (song, domain, Excerpts)
        Excerpts with counts of flipped labels.

    Returns
    -------
    DataFrame
        One row per domain, model and original label, and one for all labels. SNR, norm and largest value of the perturbation,
        and the number of updates, are means over songs. Models are the attacked detector and, if it is different, the explained
        model; both success rates are reported.
    """
    effort = pd.DataFrame([{"song": song, "domain": domain, **_effort(attack)} for song, domain, attack in attacks])
    counts = pd.DataFrame([row for song, domain, item in excerpts for row in _counts(song, domain, item)])
    rows = []
    for domain in DOMAINS:
        means = effort[effort.domain == domain].drop(columns=["song", "domain"]).mean()
        for model, of_model in counts[counts.domain == domain].groupby("model", sort=False):
            for label in (*LABELS, "all"):
                part = of_model if label == "all" else of_model[of_model.original == label]
                share = proportion(part.flipped.sum(), int(part.n.sum()))
                names = {"domain": domain, "scope": part.scope.iloc[0], "model": model, "original": label}
                sums = {"n_songs": part.song.nunique(), "flipped": part.flipped.sum(), **share, "n_picked": part.picked.sum()}
                rows.append({**names, **sums, **means})
    return pd.DataFrame(rows)


def _counts(song: str, domain: str, excerpts: object) -> Iterator[dict[str, object]]:
    """Yield the counts of a song for the attacked detector and, if it is different, for the explained model."""
    assert isinstance(excerpts, Excerpts)
    models = dict.fromkeys((excerpts.attacked, excerpts.model))
    for model, n, n_flipped in zip(models, excerpts.n.tolist(), excerpts.n_flipped.tolist(), strict=True):
        for i, label in enumerate(LABELS):
            yield {
                "song": song,
                "domain": domain,
                "scope": excerpts.scope,
                "model": model,
                "original": label,
                "n": n[i],
                "flipped": n_flipped[i],
                "picked": int((excerpts.original == label).sum()) if model == excerpts.model else 0,
            }


def _effort(attack: object) -> dict[str, float]:
    assert isinstance(attack, SongAttack | ExcerptAttack | WindowAttack)
    axes = None if isinstance(attack, SongAttack) else tuple(range(1, attack.delta.ndim))
    norm = np.sqrt((attack.delta.astype(np.float64) ** 2).sum(axis=axes))
    return {
        "mean_snr_db": float(np.mean(attack.snr_db)),
        "mean_delta_l2": float(np.mean(norm)),
        "mean_delta_max": float(np.abs(attack.delta).max()),
        "mean_updates": len(attack.loss_history) - 1,
    }
