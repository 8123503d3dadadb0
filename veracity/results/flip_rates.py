"""Table ``flip_rates``: flips pooled over all songs, the source of Figure 2 and Tables 1 and 2."""

import numpy as np
import pandas as pd

from ..experiments.attributions import Attributions
from ..experiments.flips import Flips
from ..explainers.settings import AS_MANY, POSITIVE
from .pooling import Keyed
from .statistics import proportion


def rows_of(flips: Keyed, attributions: Keyed = ()) -> pd.DataFrame:
    """Tabulate the flips of songs in long format, one row per excerpt, selection, fill and k.

    Parameters
    ----------
    flips : iterable of (song, domain, Flips)
        Flips of the songs for LIME, the norm and the bounds.
    attributions : iterable of (song, domain, Attributions)
        Results of other explainers, whose names are the selections.

    Returns
    -------
    DataFrame
        Columns ``song, domain, excerpt, original, selection, fill, k, flipped``. ``k`` is the number of segments, or 0 for "all
        segments with a positive weight" and for the same number of segments by norm. The selections are then "lime_positive"
        and "norm_as_many", or "<name>_positive" and "<name>_as_many" for an explainer. ``flipped`` is 0 or 1; for ``random``
        and ``random_sampled`` it is the share of sets of k segments that flip the label.
    """
    parts = []
    for song, domain, item in flips:
        assert isinstance(item, Flips)
        curves = [("norm", "", item.by_norm)]
        curves += [(name, "", getattr(item.sets, name)) for name in item.sets.CURVES]
        for f, fill in enumerate(item.fills):
            for m, method in enumerate(item.methods):
                suffix = "" if method == "sampled" else f"_{method}"
                curves.append((f"lime{suffix}", fill, item.by_lime[f, m]))
                curves.append((f"lime{suffix}_positive", fill, item.positive_by_lime[f, m]))
                curves.append((f"norm_as_many{suffix}", fill, item.positive_by_norm[f, m]))
        parts += [_rows(song, domain, item.original, *curve) for curve in curves]
    for song, domain, item in attributions:
        assert isinstance(item, Attributions)
        curves = [(item.explainer, "", item.flips)]
        if item.signed:
            curves.append((f"{item.explainer}{POSITIVE}", "", item.positive_flips))
            curves.append((f"{item.explainer}{AS_MANY}", "", item.positive_by_norm))
        parts += [_rows(song, domain, item.original, *curve) for curve in curves]
    return pd.concat(parts, ignore_index=True).dropna(subset="flipped")


def _rows(song: str, domain: str, original: np.ndarray, selection: str, fill: str, values: np.ndarray) -> pd.DataFrame:
    first = values.ndim - 1  # k starts at 1; 0 means "all segments of positive weight", which has no axis k
    values = values if first else values[:, None]
    excerpt, k = np.indices(values.shape)
    return pd.DataFrame(
        {
            "song": song,
            "domain": domain,
            "excerpt": excerpt.ravel(),
            "original": original[excerpt.ravel()],
            "selection": selection,
            "fill": fill,
            "k": k.ravel() + first,
            "flipped": values.ravel().astype(float),
        }
    )


def table(long: pd.DataFrame) -> pd.DataFrame:
    """Pool the rows of `rows_of` over songs: percentage of flips for each panel, selection, fill and k."""
    keys = ["domain", "original", "selection", "fill", "k"]
    pooled = long.fillna({"fill": ""}).groupby(keys, sort=False).flipped.agg(["sum", "size"])
    rows = [
        {**dict(zip(keys, key, strict=True)), "flipped": total, **proportion(total, int(n))}
        for key, total, n in pooled.itertuples()
    ]
    return pd.DataFrame(rows, columns=[*keys, "flipped", *proportion(0, 0)])
