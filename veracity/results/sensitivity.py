"""Table ``sensitivity``: estimates of the truth study with alternative methods that were declared before the run.

The normalised area under the flip curve divides by the difference between the best and a random ranking, so it is unstable if
that difference is small. Songs of one artist are not independent. Each estimate of the other tables (``songs``) is therefore
repeated:

- ``ratio of sums``: areas above random, summed over a panel's excerpts, divided by the sum for the best ranking,
- ``area``: differences in unnormalised area, as means over songs,
- ``artists``: the mean over songs, with an interval over artists (a t interval for few artists, as in the other tables),
- ``artists, bootstrap``: the same with a BCa bootstrap over artists, whose coverage is below the nominal level for few artists.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ..jobs.seeds import rng_for
from ..labels import SING, direction_title
from .contrasts import RANDOM, of_explainer
from .gap import by_excerpt, parts_of
from .over_songs import Estimate, bootstrap_ratio, estimate, interval_words, ratio
from .pooling import in_paper_order
from .study import BOUNDS, CLEAN, PANEL, named

METHODS = ("songs", "ratio of sums", "area", "artists", "artists, bootstrap")
COLUMNS = [*PANEL, "kind", "what", "method", "n_units", "n", "mean", "low", "high"]
EXPLAINER, CONTRAST, PART = "explainer", "contrast", "part of the gap"


def table(
    scores: pd.DataFrame,
    *,
    tested: Sequence[str],
    against: Sequence[str],
    fill: str,
    groups: Mapping[str, str],
    seed: int,
) -> pd.DataFrame:
    """Estimate scores, declared contrasts and the parts of the gap with each of `METHODS`.

    Parameters
    ----------
    scores : DataFrame
        Result of `veracity.results.scores.table`.
    tested, against : sequence of str
        Explainers of the contrasts, as in `veracity.results.contrasts.table`.
    fill : str
        Default fill, the paper's. Explainers with other constant fills are omitted.
    groups : mapping of str to str
        Artist of each song. A song without an entry counts as a separate artist.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        One row per panel, estimate and method. ``n_units`` is the number of songs or artists, and ``n`` the number of
        excerpts.
    """
    rows: list[dict[str, object]] = []
    for panel, part in scores.groupby(PANEL, sort=False) if len(scores) else ():
        cells = by_excerpt(part[~part.explainer.isin(BOUNDS)], "aufc")
        of_excerpt = part.drop_duplicates(["song", "excerpt"]).set_index(["song", "excerpt"])
        random = of_excerpt["chance_aufc"].reindex(cells.index)
        best = by_excerpt(part, "aufc")[BOUNDS[0], ""].reindex(cells.index) - random
        for kind, what, area in _areas(cells.sub(random, axis=0), best, tested, against, fill):
            names = dict(zip(PANEL, panel, strict=True)) | {"kind": kind, "what": what}
            for method in METHODS:
                over_units = _estimated(area, best, method, groups, rng_for(seed, "sensitivity", *panel, kind, what, method))
                numbers = {"n_units": over_units.n, "mean": over_units.mean, "low": over_units.low, "high": over_units.high}
                known = area.notna() if method in ("ratio of sums", "area") else area.notna() & (best > 1e-12)
                rows.append({**names, "method": method, "n": int(known.sum()), **numbers})
    return in_paper_order(pd.DataFrame(rows, columns=COLUMNS))


def _areas(
    cells: pd.DataFrame, best: pd.Series, tested: Sequence[str], against: Sequence[str], fill: str
) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield kind, name and values of each estimated difference of areas by excerpt."""
    shown = [(name, reference) for name, reference in cells if reference in ("", fill, CLEAN)]
    for name, reference in shown:
        yield EXPLAINER, named(name, reference), cells[name, reference]
    for tested_name in tested:
        for reference in against:
            if tested_name != reference:
                first, second = (_column(cells, name, fill) for name in (tested_name, reference))
                yield CONTRAST, f"{first.name} - {second.name}", first - second
    for name, values in parts_of(cells, fill, best).items():
        yield PART, name, values
    yield PART, "gap", best - cells["lime", fill]


def _column(cells: pd.DataFrame, name: str, fill: str) -> pd.Series:
    """Return the values of a configured explainer under its name in tables; 0 for the random ranking."""
    if name == RANDOM:
        return pd.Series(0.0, cells.index, name=RANDOM)
    cell = of_explainer(cells.columns.to_frame(index=False), name, fill).iloc[0]
    return cells[cell.explainer, cell.fill].rename(named(cell.explainer, cell.fill))


def _estimated(area: pd.Series, best: pd.Series, method: str, groups: Mapping[str, str], rng: np.random.Generator) -> Estimate:
    known = area.notna()
    if method == "ratio of sums":
        sums = pd.DataFrame({"area": area[known], "best": best[known]}).groupby("song").sum()
        return ratio(sums.area.to_numpy(), sums.best.to_numpy(), rng, bounds=(-np.inf, np.inf))
    if method == "area":
        return estimate(area[known].groupby("song").mean().to_numpy(), rng)
    songs = (area / best.where(best > 1e-12)).dropna().groupby("song").mean()
    if method == "songs":
        return estimate(songs.to_numpy(), rng)
    artists = songs.groupby([groups.get(str(song), f"song {song}") for song in songs.index])
    sums, counts = artists.sum().to_numpy(), artists.size().to_numpy().astype(float)
    if method == "artists" or len(sums) < 2 or np.ptp(sums / counts) < 1e-12:
        return ratio(sums, counts, rng, bounds=(-np.inf, np.inf))
    return bootstrap_ratio(sums, counts, rng)


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display, with one row per estimate and one column per method."""
    shown: dict[tuple[str, ...], dict[str, object]] = {}
    for row, interval in zip(rows.itertuples(), interval_words(rows.rename(columns={"n_units": "n_songs"})), strict=True):
        panel = f"{row.domain}, {direction_title(row.original, label_name)}"
        line = shown.setdefault((panel, row.kind, row.what), {"panel": panel, "kind": row.kind, "what": row.what})
        line[row.method] = f"{row.mean:.3g} ({interval})" if np.isfinite(row.mean) else "none"
    return pd.DataFrame(list(shown.values()))
