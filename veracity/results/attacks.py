"""Table ``attacks``: success rates of the attacks."""

import numpy as np
import pandas as pd

from ..attacks.excerpts import Excerpts
from ..attacks.perturbations import ExcerptAttack, SongAttack
from ..attacks.settings import DOMAINS
from ..labels import LABELS
from .pooling import Keyed
from .statistics import proportion


def table(attacks: Keyed, excerpts: Keyed) -> pd.DataFrame:
    """Tabulate success rates of attacks: how many excerpts changed their label.

    Parameters
    ----------
    attacks : iterable of (song, domain, SongAttack or ExcerptAttack)
    excerpts : iterable of (song, domain, Excerpts)

    Returns
    -------
    DataFrame
        One row for each domain and original label, and for all; songs' mean SNR, norm and updates beside.
    """
    effort = pd.DataFrame([{"song": song, "domain": domain, **_effort(attack)} for song, domain, attack in attacks])
    counts = pd.DataFrame(
        [
            {
                "song": song,
                "domain": domain,
                "scope": e.scope,
                "original": label,
                "n": getattr(e, f"n_{label}"),
                "flipped": getattr(e, f"n_{label}_flipped"),
                "picked": int((e.original == label).sum()),
            }
            for song, domain, e in excerpts
            if isinstance(e, Excerpts)
            for label in LABELS
        ]
    )
    rows = []
    for domain in DOMAINS:
        of_domain = counts[counts.domain == domain]
        for label in (*LABELS, "all"):
            part = of_domain if label == "all" else of_domain[of_domain.original == label]
            if len(part) == 0:
                continue
            share = proportion(part.flipped.sum(), int(part.n.sum()))
            means = effort[effort.domain == domain].drop(columns=["song", "domain"]).mean()
            row = {"domain": domain, "scope": part.scope.iloc[0], "original": label, "n_songs": part.song.nunique()}
            rows.append({**row, "flipped": part.flipped.sum(), **share, "n_picked": part.picked.sum(), **means})
    return pd.DataFrame(rows)


def _effort(attack: object) -> dict[str, float]:
    assert isinstance(attack, SongAttack | ExcerptAttack)
    axes = tuple(range(1, attack.delta.ndim)) if isinstance(attack, ExcerptAttack) else None
    norm = np.sqrt((attack.delta.astype(np.float64) ** 2).sum(axis=axes))
    return {
        "mean_snr_db": float(np.mean(attack.snr_db)),
        "mean_delta_l2": float(np.mean(norm)),
        "mean_delta_max": float(np.abs(attack.delta).max()),
        "mean_updates": len(attack.loss_history) - 1,
    }
