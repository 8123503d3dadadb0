"""Table ``published``: all published numbers of the paper and those of this run, with a verdict.

References
----------
V. Praher, K. Prinz, A. Flexer, G. Widmer, ISMIR 2021: Tables 1 and 2; Figures 2, 3 and 4, read from the plots with an error of
up to 1 in counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from ..attacks.settings import PAPER, Domain
from ..labels import SING, direction_title
from ..songs.settings import FrontEnd
from .pooling import METHODS
from .statistics import proportion
from .study import PANELS, Panel

#: Number of songs of the paper by split.
SONGS = {"train": 61, "valid": 16, "test": 16}
#: Table 1: percentage of labels that flip with the top three segments of LIME, in the order of `PANELS`.
TABLE1 = dict(zip(PANELS, (53, 41, 21, 32), strict=True))
#: Table 2: percentages for all segments of positive weight by LIME, and for the same number by norm.
TABLE2 = dict(zip(PANELS, ((86, 99), (91, 98), (49, 74), (44, 55)), strict=True))
#: Figure 2: percentages for 1, 3 and 5 segments by norm.
FIGURE2 = dict(zip(PANELS, ((20, 64, 85), (14, 48, 74), (7, 21, 39), (20, 46, 64)), strict=True))
#: Figure 3: number of excerpts by number of identified segments, from k to 0.
FIGURE3: dict[Panel, dict[int, tuple[int, ...]]] = {
    ("waveform", "nosing"): {1: (13, 19), 3: (9, 41, 36, 16), 5: (2, 17, 30, 50, 31, 7)},
    ("spectrogram", "nosing"): {1: (11, 11), 3: (8, 26, 27, 16), 5: (1, 22, 31, 29, 22, 14)},
    ("waveform", "sing"): {1: (1, 10), 3: (1, 13, 15, 5), 5: (0, 2, 12, 19, 18, 11)},
    ("spectrogram", "sing"): {1: (12, 18), 3: (2, 23, 31, 13), 5: (1, 14, 29, 36, 14, 2)},
}
#: Figure 4: median fidelity of explanations that identify the segment, and of others.
FIGURE4: dict[Domain, tuple[float, float]] = {"waveform": (0.68, 0.71), "spectrogram": (0.67, 0.74)}
COLUMNS = ["where", "domain", "original", "what", "published", "ours", "low", "high", "n", "verdict"]
AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "nothing to compare: no excerpt"


def differences(config: Mapping[str, Any], n_songs: Mapping[str, int]) -> list[str]:
    """Return the differences between the experiment of a run and that of the paper; empty if their numbers are comparable.

    Parameters
    ----------
    config : mapping
        Complete configuration of the run.
    n_songs : mapping
        Number of songs by split.

    Returns
    -------
    list of str
        Description of each difference.
    """
    model, lime, attacks = config["model"], config["lime"], config["attacks"]
    deviations = []
    if config["corpus"]["kind"] == "synthetic":
        deviations.append("a synthetic corpus")
    elif dict(n_songs) != SONGS:
        shown = " / ".join(str(n_songs.get(split, 0)) for split in SONGS)
        deviations.append(f"{shown} songs, not {' / '.join(map(str, SONGS.values()))}")
    if model["build"] or model["predict"]:
        deviations.append(f"another model, {model['build'] or model['predict']}")
    deviations += _detector_differs(config)
    if attacks["splits"] != ["test"]:
        deviations.append(f"the splits {', '.join(attacks['splits'])} are attacked, not test")
    if attacks["scope"] != "song" or attacks["seconds"] is not None:
        deviations.append("parts of songs are attacked, not whole songs")
    for domain, paper in PAPER.items():
        attack = attacks[domain]
        changed = [f"{key} {attack[key]}" for key, value in asdict(paper).items() if attack[key] != value]
        deviations += [f"the {domain} attack has {', '.join(changed)}"] if changed else []
    expected = {"n_time": 5, "n_band": 4, "n_samples": 8192, "kernel_width": 0.25, "alpha": 1, "fill": "mean"}
    changed = [f"{key} {lime[key]}" for key, value in expected.items() if lime[key] != value]
    deviations += [f"LIME has {', '.join(changed)}"] if changed else []
    if config["excerpts"]["per_direction"] != 10:
        deviations.append(f"{config['excerpts']['per_direction']} excerpts of each song and direction, not 10")
    return deviations


def _detector_differs(config: Mapping[str, Any]) -> Iterator[str]:
    detector, frontend = config["detector"], FrontEnd()
    if detector["checkpoint"]:
        yield f"the supplied detector {detector['checkpoint']}"
    elif detector["training"]["n_updates"] != 40000:
        yield f"training runs of {detector['training']['n_updates']} updates, not 40000"
    if detector["architecture"] != {"layers": "ismir2015", "zero_mean": True}:
        yield f"the architecture {detector['architecture']}"
    if detector["threshold"] is not None:
        yield f"the configured threshold {detector['threshold']:g}"
    if changed := [f"{key} {value}" for key, value in config["frontend"].items() if value != getattr(frontend, key)]:
        yield f"the front end has {', '.join(changed)}"


def table(rates: pd.DataFrame, localised: pd.DataFrame, *, fill: str, comparable: bool) -> pd.DataFrame:
    """Compare each published number with that of the run.

    Parameters
    ----------
    rates : DataFrame
        Result of `veracity.results.flip_rates.table`.
    localised : DataFrame
        Result of `veracity.results.localised_rows.table`.
    fill : str
        Fill of LIME.
    comparable : bool
        Whether the run repeats the experiment of the paper, that is, whether `differences` is empty.

    Returns
    -------
    DataFrame
        Percentages with Wilson's 95 % interval over excerpts, and medians with a 95 % order-statistic interval. A published
        value *agrees* if it is within the interval.
    """
    rows = [*_flips(rates, fill), *_found(localised), *_fidelity(localised)]
    compared = pd.DataFrame(rows, columns=COLUMNS)
    compared["verdict"] = [_verdict(row, comparable=comparable) for row in compared.itertuples()]
    return compared


def _flips(rates: pd.DataFrame, fill: str) -> Iterator[dict[str, Any]]:
    def row(where: str, panel: Panel, selection: str, k: int, what: str, published: float) -> dict[str, Any]:
        domain, original = panel
        part = rates[(rates.domain == domain) & (rates.original == original) & (rates.selection == selection) & (rates.k == k)]
        part = part[part.fill.isin(["", fill])]
        ours = part.iloc[0] if len(part) else {"percent": np.nan, "percent_low": np.nan, "percent_high": np.nan, "n": 0}
        numbers = {"ours": ours["percent"], "low": ours["percent_low"], "high": ours["percent_high"], "n": int(ours["n"])}
        return {"where": where, "domain": domain, "original": original, "what": what, "published": published, **numbers}

    for panel in PANELS:
        yield row("Table 1", panel, "lime", 3, "flips with LIME's first 3 [%]", TABLE1[panel])
        for selection, what, published in zip(
            ("lime_positive", "norm_as_many"),
            ("all segments of positive LIME weight", "the same number of segments by norm"),
            TABLE2[panel],
            strict=True,
        ):
            yield row("Table 2", panel, selection, 0, f"flips with {what} [%]", published)
        for k, published in zip((1, 3, 5), FIGURE2[panel], strict=True):
            yield row("Figure 2", panel, "norm", k, f"flips with the {k} of highest norm [%]", published)


def _found(localised: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for (domain, original), by_k in FIGURE3.items():
        for k, counts in by_k.items():
            part = localised[(localised.domain == domain) & (localised.original == original) & (localised.k == k)]
            part = part[part.method == METHODS[0]]
            for n_found, count in zip(range(k, -1, -1), counts, strict=True):
                own = proportion(int((part.n_found == n_found).sum()), len(part))
                numbers = {"ours": own["percent"], "low": own["percent_low"], "high": own["percent_high"], "n": len(part)}
                what = f"{n_found} of {k} segments found [% of {sum(counts)} excerpts]"
                keys = {"where": "Figure 3", "domain": domain, "original": original, "what": what}
                yield {**keys, "published": 100 * count / sum(counts), **numbers}


def _fidelity(localised: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for domain, medians in FIGURE4.items():
        single = localised[(localised.domain == domain) & (localised.k == 1) & (localised.method == METHODS[0])]
        for n_found, words, published in zip((1, 0), ("found", "missed"), medians, strict=True):
            values = np.sort(single[single.n_found == n_found].fidelity.dropna())
            low, high = _median_interval(values)
            ours = float(np.median(values)) if len(values) else np.nan
            keys = {"where": "Figure 4", "domain": domain, "original": "all", "what": f"median fidelity, segment {words}"}
            yield {**keys, "published": published, "ours": ours, "low": low, "high": high, "n": len(values)}


def _median_interval(ordered: np.ndarray) -> tuple[float, float]:
    """Return order statistics that contain the median with a confidence of 95 %, or NaN for too few values."""
    from scipy.stats import binom

    n = len(ordered)
    below = int(binom.ppf(0.025, n, 0.5)) if n else 0  # ordered[below - 1] and its mirror
    if below < 1:
        return np.nan, np.nan
    return float(ordered[below - 1]), float(ordered[n - below])


def _verdict(row: Any, *, comparable: bool) -> str:
    if not comparable:
        return "not comparable"
    if not row.n:
        return UNKNOWN
    if np.isnan(row.low):
        return f"not comparable: {row.n} excerpts are too few for an interval"
    return AGREES if row.low <= row.published <= row.high else DIFFERS


def preface(differing: list[str]) -> str:
    """Return the text above the table: the reasons why the numbers are not comparable, if any."""
    if not differing:
        return "This run repeats the experiment of the paper. A published value agrees if it is within the interval of the run."
    return f"The numbers are not comparable, because this run differs from the experiment of the paper: {'; '.join(differing)}."


def page(rows: pd.DataFrame, label_name: str = SING) -> pd.DataFrame:
    """Format `table` for display."""
    panels = [
        row.domain if row.original == "all" else f"{row.domain}, {direction_title(row.original, label_name)}"
        for row in rows.itertuples()
    ]
    shown = rows.assign(panel=panels)[["where", "panel", "what", "published", "ours", "low", "high", "n", "verdict"]]
    return shown.rename(columns={"low": "low (95 %)", "high": "high (95 %)", "n": "excerpts of the run"})
