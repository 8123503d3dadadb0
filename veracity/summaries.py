"""From the artefacts of songs to tidy tables: one row for one number, counts beside every percentage.

Tables are pandas frames; the column names are the vocabulary of the artefacts. Intervals are Wilson's 95 % intervals of a
proportion; they treat excerpts as independent, which excerpts of one song are not quite.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .artefacts import DrawnExcerpt, ExcerptAttack, Excerpts, Explanations, Flips, Localised, SongAttack, Stability
from .decisions import LABELS, direction_title
from .errors import ArtefactError
from .evaluation import Scores, mean_and_std
from .lime import ranking
from .usage import logged

DOMAINS = ("waveform", "spectrogram")  # the paper's order of columns
Keyed = Iterable[tuple[str, str, object]]  # song, domain, artefact

SHARES = ("error", "recall", "specificity", "precision", "f1")  # of the detector's scores, shown in percent

#: How segments are chosen in the flip experiments, in the order of figures.
SELECTIONS = ("lime", "lime_exact", "energy", "best", "random", "worst")


def proportion(successes: float, n: int) -> dict[str, float]:
    """Return ``n``, ``percent`` and its 95 % interval, NaN when there is nothing to count."""
    from scipy.stats import binomtest

    if n == 0:
        return {"n": 0, "percent": np.nan, "percent_low": np.nan, "percent_high": np.nan}
    interval = binomtest(round(successes), n).proportion_ci(method="wilson")
    return {"n": n, "percent": 100 * successes / n, "percent_low": 100 * interval.low, "percent_high": 100 * interval.high}


def detector_table(scores: Mapping[str, Mapping[str, Scores]], thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate the scores of detectors, and their mean and standard deviation over seeds.

    Parameters
    ----------
    scores : mapping
        Split to name of the detector to its scores.
    thresholds : mapping
        Name of the detector to its threshold.

    Returns
    -------
    DataFrame
        One row for each split and detector and, where there are several, one of their mean; shares in percent but AUROC.
    """
    rows = []
    for split, of_split in scores.items():
        for name, own in of_split.items():
            rows.append({"split": split, "detector": name, "threshold": thresholds[name], **vars(own)})
        if len(of_split) == 1:
            continue
        first = next(iter(of_split.values()))
        counts = {"n_songs": first.n_songs, "n_frames": first.n_frames, "n_sing": first.n_sing}
        mean_threshold = float(np.mean(list(thresholds.values())))
        summary = {"split": split, "detector": f"mean of {len(of_split)}", "threshold": mean_threshold}
        rows.append({**summary, **counts, **mean_and_std(list(of_split.values()))})
    table = pd.DataFrame(rows)
    for column in (*SHARES, "auroc"):
        if f"{column}_std" not in table:
            table[f"{column}_std"] = np.nan  # a single detector
    for share in SHARES:
        for suffix in ("", "_std"):
            table[f"{share}_percent{suffix}"] = 100 * table.pop(f"{share}{suffix}")
    return table[[column for column in table if "auroc" not in column] + ["auroc", "auroc_std"]]


def as_detector_page(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange `detector_table` for reading: mean ± standard deviation where there are several seeds."""

    def cell(row: pd.Series, column: str) -> str:
        digits = 3 if column == "auroc" else 2
        spread = "" if np.isnan(row[f"{column}_std"]) else f" ± {row[f'{column}_std']:.{digits}f}"
        return f"{row[column]:.{digits}f}{spread}"

    titles = {**{f"{share}_percent": f"{share} [%]" for share in SHARES}, "auroc": "AUROC"}
    rows = [
        {
            **row[["split", "detector", "threshold", "n_songs", "n_frames", "n_sing"]],
            **{title: cell(row, column) for column, title in titles.items()},
        }
        for _, row in table.iterrows()
    ]
    return pd.DataFrame(rows)


def attacks_table(attacks: Keyed, excerpts: Keyed) -> pd.DataFrame:
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


def flips_long(flips: Keyed) -> pd.DataFrame:
    """Spread the flips of songs: one row for each excerpt, selection, fill and k.

    Returns
    -------
    DataFrame
        ``song, domain, excerpt, original, selection, fill, k, flipped``; ``k`` is a number of segments, or 0 where it is
        "all segments with a positive weight" (``selection`` "lime_positive" and "energy_as_many"). ``flipped`` is 0 or 1,
        for ``random`` the share of all sets of k segments.
    """
    parts = []
    for song, domain, item in flips:
        assert isinstance(item, Flips)
        curves = [("energy", "", item.by_energy)]
        curves += [(name, "", getattr(item, name)) for name in ("best", "random", "worst") if getattr(item, name) is not None]
        for f, fill in enumerate(item.fills):
            for m, method in enumerate(item.methods):
                suffix = "" if method == "sampled" else "_exact"
                curves.append((f"lime{suffix}", fill, item.by_lime[f, m]))
                curves.append((f"lime{suffix}_positive", fill, item.positive_by_lime[f, m][:, None]))
                curves.append((f"energy_as_many{suffix}", fill, item.positive_by_energy[f, m][:, None]))
        for selection, fill, values in curves:
            n_excerpts, n_k = values.shape
            first = 1 if n_k > 1 else 0
            excerpt, k = np.indices((n_excerpts, n_k))
            parts.append(
                pd.DataFrame(
                    {
                        "song": song,
                        "domain": domain,
                        "excerpt": excerpt.ravel(),
                        "original": item.original[excerpt.ravel()],
                        "selection": selection,
                        "fill": fill,
                        "k": k.ravel() + first,
                        "flipped": values.ravel().astype(float),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True).dropna(subset="flipped")


def flip_rates(long: pd.DataFrame) -> pd.DataFrame:
    """Pool the excerpts of `flips_long` over songs: percentage of flips for each setting, selection, fill and k."""
    keys = ["domain", "original", "selection", "fill", "k"]
    pooled = long.fillna({"fill": ""}).groupby(keys, sort=False).flipped.agg(["sum", "size"])
    rows = [
        {**dict(zip(keys, key, strict=True)), "flipped": total, **proportion(total, int(n))}
        for key, total, n in pooled.itertuples()
    ]
    return pd.DataFrame(rows, columns=[*keys, "flipped", *proportion(0, 0)])


def table1(rates: pd.DataFrame, *, fill: str, k: int = 3) -> pd.DataFrame:
    """Return Table 1: flips with LIME's k most relevant segments; sampled LIME and, where known, exact LIME, and bounds."""
    kept = rates[(rates.k == k) & rates.selection.isin(SELECTIONS) & rates.fill.isin(["", fill])]
    return _in_paper_order(kept.assign(direction=kept.original.map(direction_title)))


def table2(rates: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return Table 2: flips with all segments of positive weight, and with as many chosen by energy."""
    kept = rates[(rates.k == 0) & (rates.fill == fill) & rates.selection.isin(["lime_positive", "energy_as_many"])]
    return _in_paper_order(kept.assign(direction=kept.original.map(direction_title)))


def _in_paper_order(table: pd.DataFrame) -> pd.DataFrame:
    order = table.assign(_o=table.original.map(LABELS.index), _d=table.domain.map(DOMAINS.index))
    return order.sort_values(["_o", "_d"], kind="stable").drop(columns=["_o", "_d"]).reset_index(drop=True)


def as_paper_table(table: pd.DataFrame, selections: Mapping[str, str]) -> pd.DataFrame:
    """Arrange a table as the paper prints it: a row for each direction, a column for each domain and selection.

    Parameters
    ----------
    table : DataFrame
        Of `table1` or `table2`.
    selections : mapping
        Selections to show and their titles.
    """
    rows = []
    for direction, part in table.groupby("direction", sort=False):
        row = {"direction": direction}
        for domain in DOMAINS:
            for selection, title in selections.items():
                cell = part[(part.domain == domain) & (part.selection == selection)]
                if len(cell):
                    one = cell.iloc[0]
                    row[f"{domain}: {title}"] = f"{one.percent:.0f} % ({one.flipped:.3g} of {one.n})"
        rows.append(row)
    return pd.DataFrame(rows)


def localised_long(localised: Keyed) -> pd.DataFrame:
    """Spread the localised perturbations of songs: one row for each method, excerpt and k."""
    parts = []
    for song, domain, item in localised:
        assert isinstance(item, Localised)
        for m, method in enumerate(item.methods):
            parts.append(
                pd.DataFrame(
                    {
                        "song": song,
                        "domain": domain,
                        "method": method,
                        "excerpt": item.excerpt,
                        "original": item.original,
                        "k": item.k,
                        "n_found": item.n_found[m],
                        "found_flips": item.found_flips[m],
                        "n_needed": np.nan if item.n_needed is None else item.n_needed,
                        "needed_found": np.nan if item.needed_found is None else item.needed_found[m],
                        "fidelity": item.fidelity[m],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True).dropna(subset="n_found").astype({"n_found": int})


def figure3_table(long: pd.DataFrame, *, k_tried: Sequence[int], n_segments: int) -> pd.DataFrame:
    """Count, for Figure 3, the excerpts by how many of the k segments were found, beside what guessing would find."""
    from scipy.stats import hypergeom

    rows = []
    for original in LABELS:
        for domain in DOMAINS:
            for method in long.method.unique() if len(long) else ["sampled"]:
                for k in k_tried:
                    part = long[(long.original == original) & (long.domain == domain) & (long.k == k) & (long.method == method)]
                    for found in range(k, -1, -1):
                        row = {"original": original, "domain": domain, "method": method, "k": k, "n_found": found}
                        chance = float(hypergeom.pmf(found, n_segments, k, k))
                        count = int((part.n_found == found).sum())
                        rows.append({**row, "excerpts": count, "n": len(part), "expected_by_chance": chance * len(part)})
    return pd.DataFrame(rows)


def localised_summary(long: pd.DataFrame) -> pd.DataFrame:
    """Summarise localisation against the truth: segments found, and share of the segments that were really needed."""
    keys = ["domain", "original", "k", "method"]
    columns = {
        "n": ("n_found", "size"),
        "mean_found": ("n_found", "mean"),
        "found_flips_percent": ("found_flips", lambda x: 100 * x.mean()),
        "mean_needed": ("n_needed", "mean"),
        "needed_found_percent": ("needed_found", lambda x: 100 * x.mean()),
    }
    return _in_paper_order(long.groupby(keys).agg(**columns).reset_index())


def figure4_table(long: pd.DataFrame) -> pd.DataFrame:
    """Return, for Figure 4, the fidelity of each explanation of k = 1 and whether it found the segment."""
    kept = long[long.k == 1]
    return kept.assign(correct=kept.n_found == 1)[["song", "domain", "original", "method", "excerpt", "correct", "fidelity"]]


def stability_table(studies: Keyed) -> pd.DataFrame:
    """Summarise sampling error against N_s, pooled over songs, domains and excerpts.

    Returns
    -------
    DataFrame
        For each domain and N_s: mean relative error of the weights with its 5 % and 95 % quantiles over excerpts and
        repeats, mean overlap of the top three, chance that the top segment is that of exact LIME.
    """
    parts = []
    for _, domain, item in studies:
        assert isinstance(item, Stability)
        excerpt, size, repeat = np.indices(item.weight_error.shape)
        part = {name: getattr(item, name).ravel() for name in ("weight_error", "top_right", "top_overlap", "fidelity")}
        gap = item.fidelity - item.fidelity_exact[:, None, None]
        parts.append(pd.DataFrame({"domain": domain, "n_samples": item.n_samples[size.ravel()], **part, "gap": gap.ravel()}))
        del excerpt, repeat
    long = pd.concat(parts, ignore_index=True)
    columns = {
        "n_fits": ("weight_error", "size"),
        "weight_error": ("weight_error", "mean"),
        "weight_error_p05": ("weight_error", lambda x: x.quantile(0.05)),
        "weight_error_p95": ("weight_error", lambda x: x.quantile(0.95)),
        "top3_overlap": ("top_overlap", "mean"),
        "top1_right_percent": ("top_right", lambda x: 100 * x.mean()),
        "fidelity_gap": ("gap", "mean"),
    }
    return long.groupby(["domain", "n_samples"], sort=False).agg(**columns).reset_index()


def audits_table(artefacts: Iterable[tuple[str, str, str, object]]) -> pd.DataFrame:
    """Summarise the audits: (stage, song, domain, artefact) to the largest difference from direct evaluation."""
    rows = []
    for stage, song, domain, item in artefacts:
        values = getattr(item, "audit", None)
        if values is not None:
            values = np.atleast_1d(values)[~np.isnan(np.atleast_1d(values))]
            row = {"stage": stage, "domain": domain, "song": song, "n_games": values.size}
            rows.append({**row, "largest_difference": float(values.max()) if values.size else 0.0})
    return pd.DataFrame(rows)


def fidelity_by_fill(explanations: Keyed) -> pd.DataFrame:
    """Average the fidelity of LIME by domain, input, fill and method."""
    rows = []
    for song, domain, item in explanations:
        assert isinstance(item, Explanations)
        for (i, f, m, e), value in np.ndenumerate(item.fidelity):
            names = {"input": item.inputs[i], "fill": item.fills[f], "method": item.methods[m]}
            rows.append({"song": song, "domain": domain, **names, "original": item.original[e], "fidelity": value})
    keys = ["domain", "input", "fill", "method"]
    long = pd.DataFrame(rows, columns=["song", *keys, "original", "fidelity"]).dropna(subset="fidelity")
    columns = {"n": ("fidelity", "size"), "mean_fidelity": ("fidelity", "mean"), "std_fidelity": ("fidelity", "std")}
    return long.groupby(keys, sort=False).agg(**columns).reset_index()


def audits_summary(audits: pd.DataFrame) -> pd.DataFrame:
    """Pool `audits_table` over songs: games audited and the largest difference for each stage and domain."""
    pooled = audits.groupby(["stage", "domain"], sort=False)
    return pooled.agg(n_games=("n_games", "sum"), largest_difference=("largest_difference", "max")).reset_index()


def figure2_table(rates: pd.DataFrame, *, fill: str) -> pd.DataFrame:
    """Return what Figure 2 shows: flips with k = 1, 2, ... segments, LIME with one fill."""
    return rates[(rates.k >= 1) & rates.fill.isin(["", fill])]


def drawings_table(drawn: Sequence[tuple[str, DrawnExcerpt]], *, n_top: int = 3) -> pd.DataFrame:
    """Tabulate drawings: what was drawn, P(sing), fidelity, LIME's top segments and the share of the drawing they hold."""
    rows = []
    for song, item in drawn:
        top = ranking(item.weights, "sing")[:n_top] if item.found else np.zeros(0, dtype=int)
        rows.append(
            {
                "song": song,
                "found": item.found,
                "shape": item.shape,
                "strength": item.strength,
                "start_frame": item.start_frame,
                "clean_p_sing": item.clean_p_sing,
                "drawn_p_sing": item.drawn_p_sing,
                "fidelity": item.fidelity,
                "fidelity_exact": item.fidelity_exact,
                "top_segments": " ".join(map(str, top)),
                "drawing_in_top_percent": 100 * item.coverage_by_segment[top].sum() if item.found else np.nan,
            }
        )
    return pd.DataFrame(rows)


def tuning_table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Pool attack runs over songs: one row for each domain and setting, most flipped excerpts first.

    Parameters
    ----------
    rows : sequence of mapping
        ``domain, eps, eta, alpha, song, n, flipped, snr_db`` of each run.
    """
    keys = ["domain", "eps", "eta", "alpha"]
    pooled = pd.DataFrame(rows).groupby(keys, sort=False)
    table = pooled.agg(n_songs=("song", "size"), flipped=("flipped", "sum"), n=("n", "sum"), mean_snr_db=("snr_db", "mean"))
    table = table.reset_index().assign(percent=lambda t: 100 * t.flipped / t.n)
    order = table.assign(_d=table.domain.map(DOMAINS.index)).sort_values(
        ["_d", "flipped"], ascending=[True, False], kind="stable"
    )
    best = order.groupby("domain", sort=False).cumcount() == 0
    return order.drop(columns="_d").assign(best=best).reset_index(drop=True)


def costs_table(results: Path) -> pd.DataFrame:
    """Gather what the jobs of a run took, as Snakemake measured it.

    Parameters
    ----------
    results : Path
        The folder of a run; measurements lie in ``benchmarks/<rule>...tsv``.

    Returns
    -------
    DataFrame
        One row for each stage that has run, the dearest first: number of jobs, their wall time in sum and at most, their CPU
        time in sum, how much of it was start-up and what per cent was work, the largest resident memory, and the size of
        what the stage has left on disk.
    """
    folder = results / "benchmarks"
    parts = []
    for path in sorted(folder.rglob("*.tsv")):
        part = path.relative_to(folder)
        log = (results / "logs" / part).with_suffix(".log")
        startup, seconds, peak_mb = logged(log) if log.is_file() else (math.nan, math.nan, math.nan)
        row = pd.read_csv(path, sep="\t", na_values="-").assign(stage=part.with_suffix("").parts[0], startup=startup)
        # What the job has counted itself, where it has: Snakemake takes samples, and misses short jobs.
        own = {"cpu_time": seconds, "max_rss": peak_mb}
        parts.append(row.assign(**{column: count for column, count in own.items() if not math.isnan(count)}))
    if not parts:
        raise ArtefactError(f"{folder} holds no measurements: run the target `all` first")
    columns = {
        "jobs": ("s", "size"),
        "wall_seconds": ("s", "sum"),
        "longest_job_seconds": ("s", "max"),
        "cpu_seconds": ("cpu_time", "sum"),
        "startup_cpu_seconds": ("startup", "sum"),
        "peak_memory_mb": ("max_rss", "max"),
    }
    table = pd.concat(parts).groupby("stage").agg(**columns).reset_index()
    on_disk = {}
    for stage in table.stage:
        left = (f for where in (f"{stage}/**/*", f"figures/{stage}.*", f"tables/{stage}.*") for f in results.glob(where))
        on_disk[stage] = sum(f.stat().st_size for f in left if f.is_file())
    table["work_percent"] = 100 * (1 - table.startup_cpu_seconds / table.cpu_seconds)
    table["disk_mb"] = table.stage.map(on_disk) / 1e6
    return table.sort_values("wall_seconds", ascending=False, ignore_index=True)
