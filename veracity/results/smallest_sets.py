"""Table ``smallest_sets``: how few segments of a perturbation flip the label, and whether that is known for certain."""

import numpy as np
import pandas as pd

from ..experiments.flips import AllSets, Flips, TriedSets
from ..labels import SING, direction_title
from .pooling import Keyed, in_paper_order

COLUMNS = ("domain", "original", "n", "n_proved", "size_mean", "size_median", "size_min", "size_max", "n_unique", "n_queries")


def table(flips: Keyed) -> pd.DataFrame:
    """Pool the excerpts of all songs.

    Parameters
    ----------
    flips : iterable of (song, domain, Flips)

    Returns
    -------
    DataFrame
        A row for each domain and direction. ``n`` excerpts, of ``n_proved`` the size is proved (all masks are known, or a
        search has tried all smaller sets); of the others it is an upper bound, and so are mean, median, least and largest size
        where ``n_proved`` is less than ``n``. ``n_unique``: excerpts with one smallest set, which only all masks tell.
        ``n_queries``: masks evaluated by the search, on average.
    """
    rows = []
    for _, domain, item in flips:
        assert isinstance(item, Flips)
        for e, original in enumerate(item.original):
            rows.append({"domain": domain, "original": original, **_of_excerpt(item.sets, e)})
    found = pd.DataFrame(rows, columns=["domain", "original", "size", "proved", "unique", "queries"])
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
        for (domain, original), part in found.groupby(["domain", "original"], sort=False)
    ]
    return in_paper_order(pd.DataFrame(pooled, columns=[*COLUMNS]))


def _of_excerpt(sets: AllSets | TriedSets, e: int) -> dict[str, float]:
    if isinstance(sets, AllSets):
        unique = float(len(sets.smallest(e)) == 1)
        return {"size": sets.smallest_size[e], "proved": True, "unique": unique, "queries": np.nan}
    found = sets.found_size[e] if sets.found_size[e] >= 0 else np.nan
    return {"size": found, "proved": bool(sets.found_proved[e]), "unique": np.nan, "queries": sets.found_queries[e]}


def page(rows: pd.DataFrame, called: str = SING) -> pd.DataFrame:
    """Arrange `table` to be read."""
    bound = np.where(rows.n_proved < rows.n, "at most ", "")
    shown = {
        "direction": [direction_title(original, called) for original in rows.original],
        "domain": rows.domain,
        "excerpts": rows.n,
        "of these proved": rows.n_proved,
        "segments, mean": [f"{b}{m:.2f}" for b, m in zip(bound, rows.size_mean, strict=True)],
        "least": rows.size_min,
        "most": rows.size_max,
        "with one smallest set": rows.n_unique,
    }
    return pd.DataFrame(shown)
