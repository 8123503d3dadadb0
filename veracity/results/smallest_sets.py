"""Table ``smallest_sets``: sizes of the smallest flip sets, and whether they are proved."""

import numpy as np
import pandas as pd

from ..experiments.flips import AllSets, Flips, TriedSets
from ..labels import SING, direction_title
from .pooling import Keyed, in_paper_order

COLUMNS = ("domain", "original", "n", "n_proved", "size_mean", "size_median", "size_min", "size_max", "n_unique", "n_queries")


def table(flips: Keyed) -> pd.DataFrame:
    """Pool the smallest flip sets over the excerpts of all songs.

    Parameters
    ----------
    flips : iterable of (song, domain, Flips)
        Flips of the songs.

    Returns
    -------
    DataFrame
        One row per domain and direction. ``n`` is the number of excerpts, and ``n_proved`` the number with a proved size: all
        masks are known, or a search has tried all smaller sets. Other sizes are upper bounds. If ``n_proved`` is less than
        ``n``, the mean, median, minimum and maximum of the size are upper bounds, too. ``n_unique`` is the number of excerpts
        with a single smallest set, which requires all masks. ``n_queries`` is the mean number of masks that the search
        evaluated.
    """
    rows = []
    for _, domain, item in flips:
        assert isinstance(item, Flips)
        for e, original in enumerate(item.original):
            rows.append({"domain": domain, "original": original, **_of_excerpt(item.sets, e)})
    sizes = pd.DataFrame(rows, columns=["domain", "original", "size", "proved", "unique", "queries"])
    pooled = [
        {
            "domain": domain,
            "original": original,
            "n": len(part),
            "n_proved": int(part.proved.sum()),
            **{f"size_{name}": getattr(part["size"], name)() for name in ("mean", "median", "min", "max")},
            "n_unique": part.unique.sum(min_count=1),
            "n_queries": part.queries.mean(),
        }
        for (domain, original), part in sizes.groupby(["domain", "original"], sort=False)
    ]
    return in_paper_order(pd.DataFrame(pooled, columns=[*COLUMNS]))


def _of_excerpt(sets: AllSets | TriedSets, e: int) -> dict[str, float]:
    if isinstance(sets, AllSets):
        unique = float(len(sets.smallest(e)) == 1)
        return {"size": sets.smallest_size[e], "proved": True, "unique": unique, "queries": np.nan}
    size = sets.found_size[e] if sets.found_size[e] >= 0 else np.nan
    return {"size": size, "proved": bool(sets.found_proved[e]), "unique": np.nan, "queries": sets.found_queries[e]}


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    bound = np.where(rows.n_proved < rows.n, "at most ", "")
    shown = {
        "direction": [direction_title(original, label_name) for original in rows.original],
        "domain": rows.domain,
        "excerpts": rows.n,
        "with a proved size": rows.n_proved,
        "segments, mean": [f"{b}{m:.2f}" for b, m in zip(bound, rows.size_mean, strict=True)],
        "least": rows.size_min,
        "most": rows.size_max,
        "with a single smallest set": rows.n_unique,
    }
    return pd.DataFrame(shown)
