"""Tables of numbers that can be verified by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from veracity.detector.evaluation import Scores
from veracity.errors import ArtefactError, ConfigError
from veracity.experiments.flips import Flips, TriedSets
from veracity.experiments.localised import Localised
from veracity.experiments.stability import Stability
from veracity.results import (
    audits,
    costs,
    detector,
    figure3,
    figure4,
    flip_rates,
    localisation,
    localised_rows,
    sampling_error,
    table1,
    table2,
    tuning,
)
from veracity.results import tuning as tuning_table
from veracity.results.pooling import UNDETERMINED, as_markdown, as_paper_table, read_table
from veracity.results.statistics import proportion


def flips(original=("nosing", "nosing", "sing")) -> Flips:
    """Return three excerpts on a grid of three segments, with one fill and sampled LIME only."""
    by_lime = np.array([[0, 1, 1], [1, 1, 1], [0, 0, 1]], dtype=float)
    methods = ("sampled", "exact")
    shape = (1, len(methods), 3)
    lime = np.full((*shape, 3), np.nan)
    lime[0, 0] = by_lime
    positive = np.full(shape, np.nan)
    positive[0, 0] = [1, 1, 0]
    return Flips(
        evaluator="direct",
        fills=np.array(["mean"]),
        methods=np.array(methods),
        original=np.array(original),
        squared_norm=np.ones((3, 3)),
        by_lime=lime,
        by_norm=np.array([[0, 0, 1], [0, 1, 1], [0, 1, 1]], dtype=bool),
        n_positive=positive * 2,
        positive_by_lime=positive,
        positive_by_norm=1 - positive,
        sets=TriedSets(
            best_found=np.ones((3, 3)),
            random_sampled=np.ones((3, 3)),
            found_size=np.ones(3, dtype=int),
            found_set=np.ones(3, dtype=int),
            found_proved=np.ones(3, dtype=bool),
            found_queries=np.ones(3, dtype=int),
        ),
    )


def test_a_percentage_has_its_count_and_interval():
    share = proportion(3, 4)
    assert (share["n"], share["percent"]) == (4, 75)
    assert share["percent_low"] == pytest.approx(30.06, abs=0.01)  # Wilson, by hand
    assert share["percent_high"] == pytest.approx(95.44, abs=0.01)
    assert proportion(0, 0)["n"] == 0


def test_flips_are_pooled_over_songs():
    long = flip_rates.rows_of([("a", "waveform", flips()), ("b", "waveform", flips(("sing", "sing", "sing")))])
    rates = flip_rates.table(long).set_index(["domain", "original", "selection", "fill", "k"])
    assert rates.loc[("waveform", "nosing", "lime", "mean", 1), ["flipped", "n", "percent"]].tolist() == [1, 2, 50]
    assert rates.loc[("waveform", "sing", "lime", "mean", 1), ["flipped", "n"]].tolist() == [1, 4]
    assert rates.loc[("waveform", "sing", "norm", "", 2), ["flipped", "n"]].tolist() == [3, 4]
    assert "lime_exact" not in rates.index.get_level_values("selection")  # nothing was computed: no row of zeros
    assert "best" not in rates.index.get_level_values("selection")


def test_a_method_of_ones_own_is_not_pooled_with_exact_lime():
    own = dataclasses.replace(flips(), methods=np.array(["sampled", "mine"]))
    own.by_lime[0, 1], own.positive_by_lime[0, 1], own.positive_by_norm[0, 1] = 1, 1, 1
    selections = set(flip_rates.rows_of([("a", "waveform", own), ("b", "waveform", flips())]).selection)
    assert {"lime_mine", "lime_mine_positive", "norm_as_many_mine"} <= selections
    assert not any("exact" in selection for selection in selections)


@pytest.mark.parametrize("rows", [0, 2])
def test_a_table_read_back_has_the_types_of_its_columns(tmp_path, rows):
    table = pd.DataFrame({"domain": ["waveform"] * 2, "fill": ["", "mean"], "k": [1, 2], "percent": [1.5, np.nan]})[:rows]
    table.to_csv(tmp_path / "t.csv", index=False)
    again = read_table(tmp_path / "t.csv")
    assert again.domain.tolist() == table.domain.tolist()
    assert again.fill.tolist() == table.fill.tolist()
    assert again.k.dtype.kind in "if"
    assert again.percent.dtype == float
    np.testing.assert_array_equal(again.percent, table.percent)


def test_a_page_says_in_words_what_is_not_determined():
    page = as_markdown(pd.DataFrame({"a": ["x", "y"], "recall": [0.123456, np.nan]}))
    assert "nan" not in page
    assert "0.1235" in page
    assert UNDETERMINED in page
    assert "No rows" in as_markdown(pd.DataFrame({"a": []}))


def test_tables_1_and_2_are_printed_as_in_the_paper():
    rates = flip_rates.table(flip_rates.rows_of([("a", "waveform", flips()), ("a", "spectrogram", flips())]))
    page = as_paper_table(table1.table(rates, fill="mean", k=2), {"lime": "LIME", "norm": "norm"})
    assert page.columns.tolist() == ["direction", "waveform: LIME", "waveform: norm", "spectrogram: LIME", "spectrogram: norm"]
    assert page.iloc[0].tolist() == ["“no sing” → “sing”", *["100 % (2 of 2)", "50 % (1 of 2)"] * 2]
    page = as_paper_table(table2.table(rates, fill="mean"), {"lime_positive": "LIME", "norm_as_many": "norm"})
    assert page.iloc[1].tolist() == ["“sing” → “no sing”", *["0 % (0 of 1)", "100 % (1 of 1)"] * 2]


def localised() -> Localised:
    rows = {"k": np.array([1, 1, 3]), "excerpt": np.array([0, 1, 0]), "original": np.array(["nosing"] * 3)}
    return Localised(
        evaluator="tables",
        fill="mean",
        methods=np.array(["sampled", "exact"]),
        k_tried=np.array([1, 3]),
        n_excerpts=2,
        **rows,
        kept=np.array([1, 2, 7]),
        p_sing=np.full(3, 0.9),
        weights=np.zeros((2, 3, 4)),
        fidelity=np.array([[0.5, 0.6, 0.7]] * 2),
        n_found=np.array([[1.0, 0, 2], [1, 1, 3]]),
        found_flips=np.array([[1.0, 0, 1]] * 2),
        n_needed=np.array([1.0, 1, 2]),
        needed_found=np.array([[1.0, 0, 0.5], [1, 1, 1]]),
        audit=np.array([1e-7, 3e-7, 2e-7]),
    )


def test_figure_3_counts_and_what_chance_would_give():
    long = localised_rows.table([("a", "waveform", localised())])
    counts = figure3.table(long, k_tried=(1, 3), n_segments=20).query("domain == 'waveform' and original == 'nosing'")
    of = counts.set_index(["method", "k", "n_found"])
    assert of.loc[("sampled", 1, 1), "excerpts"] == 1
    assert of.loc[("exact", 1, 1), "excerpts"] == 2
    assert of.loc[("sampled", 1, 1), "expected_by_chance"] == pytest.approx(2 / 20)
    expected = counts.query("method == 'sampled' and k == 3")
    assert (expected.n_found * expected.expected_by_chance).sum() == pytest.approx(0.45)  # of 3, as method.md says


def test_localisation_is_scored_against_what_was_needed():
    summary = localisation.table(localised_rows.table([("a", "waveform", localised())]))
    row = summary.set_index(["k", "method"]).loc[(1, "sampled")]
    assert (row.n, row.mean_found, row.found_flips_percent, row.needed_found_percent) == (2, 0.5, 50, 50)


def test_figure_4_splits_by_whether_the_segment_was_found():
    table = figure4.table(localised_rows.table([("a", "waveform", localised())])).query("method == 'sampled'")
    assert table[["correct", "fidelity"]].to_numpy().tolist() == [[True, 0.5], [False, 0.6]]


def test_scores_of_seeds_are_averaged():
    def scores(error):
        return Scores(2, 100, 50, error, 0.9, 0.8, 0.7, 0.6, 0.95)

    table = detector.table({"test": {"seed0": scores(0.1), "seed1": scores(0.2)}}, {"seed0": 0.4, "seed1": 0.6})
    assert table.detector.tolist() == ["seed0", "seed1", "mean of 2"]
    assert table.iloc[-1].error_percent == pytest.approx(15)
    assert table.iloc[-1].error_percent_std == pytest.approx(100 * np.std([0.1, 0.2], ddof=1))
    assert table.threshold.tolist() == [0.4, 0.6, 0.5]


def test_stability_is_pooled_over_excerpts_and_repeats():
    error = np.array([[[0.4, 0.2], [0.1, 0.1]]])  # one excerpt, two sizes, two repeats
    study = Stability(
        fill="mean",
        n_samples=np.array([64, 256]),
        original=np.array(["sing"]),
        weight_error=error,
        top_right=np.array([[[1, 0], [1, 1]]]),
        top_overlap=np.array([[[2, 1], [3, 3]]]),
        fidelity=np.full((1, 2, 2), 0.7),
        fidelity_exact=np.array([0.6]),
        audit=np.zeros(1),
    )
    table = sampling_error.table([("a", "waveform", study)])
    assert table.n_samples.tolist() == [64, 256]
    assert table.weight_error.tolist() == pytest.approx([0.3, 0.1])
    assert table.top1_right_percent.tolist() == [50, 100]
    assert table.top3_overlap.tolist() == [1.5, 3]
    assert table.fidelity_gap.tolist() == pytest.approx([0.1, 0.1])


def test_audits_keep_the_largest_difference():
    audited = audits.table([("localised", "a", "waveform", localised()), ("localised", "b", "waveform", localised())])
    (row,) = audits.page(audited).to_dict("records")
    assert row == {"stage": "localised", "domain": "waveform", "n_games": 6, "largest_difference": 3e-7}


def test_the_setting_with_most_flips_is_the_best():
    run = {"domain": "waveform", "eps": 0.01, "eta": 0.001, "alpha": 2, "n": 10, "snr_db": 40.0}
    rows = [{**run, "song": s, "flipped": 3} for s in "ab"] + [{**run, "alpha": 9, "song": s, "flipped": 5} for s in "ab"]
    table = tuning.table(rows)
    assert table[["alpha", "n_songs", "flipped", "n", "percent", "best"]].to_numpy().tolist() == [
        [9, 2, 10, 20, 50.0, True],
        [2, 2, 6, 20, 30.0, False],
    ]


def test_costs_are_summed_by_stage(tmp_path):
    for name, seconds in (("attacks/x/a", 2.0), ("attacks/x/b", 3.0), ("figure", 1.0)):
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{100 * seconds}\t-\n")
    log = tmp_path / "logs" / "attacks" / "x" / "a.log"
    log.parent.mkdir(parents=True)
    log.write_text("CPU seconds of start-up: 1.50\nWARNING something\nCPU seconds in all: 6.00\npeak memory in MB: 812.5\n")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure.png").write_bytes(bytes(50_000))
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "a.h5").write_bytes(bytes(2_000_000))
    table = costs.table(tmp_path)
    assert table.stage.tolist() == ["attacks", "figure"]
    assert table.loc[0, ["jobs", "wall_seconds", "longest_job_seconds", "peak_memory_mb", "disk_mb"]].tolist() == [
        2,
        5,
        3,
        812.5,
        2,
    ]
    assert table.loc[1, ["peak_memory_mb", "disk_mb"]].tolist() == [100, 0.05]
    assert table.loc[0, ["cpu_seconds", "startup_cpu_seconds", "work_percent"]].tolist() == [6.0, 1.5, 75.0]
    with pytest.raises(ArtefactError, match="no measurements"):
        costs.table(tmp_path / "none")


def test_words_of_tables_are_read_as_words(tmp_path):
    table = pd.DataFrame({"song": ["01", "1e5", "NA"], "percent": [1.0, np.nan, 3.0], "corpus": ["NA"] * 3})
    table.to_csv(tmp_path / "t.csv", index=False)
    again = read_table(tmp_path / "t.csv")
    assert again.song.tolist() == ["01", "1e5", "NA"]
    assert again.corpus.tolist() == ["NA"] * 3
    assert np.isnan(again.percent[1])
    page = as_markdown(again)
    assert "| 01 " in page
    assert "| 1e5 " in page


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80"])
def test_a_damaged_table_is_told_by_its_name(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"t.csv: cannot be read as a table\. Delete it"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"domain": "waveform", "flipped": 5, "n": 3}', '{"flipped": 1, "n": 3}'])
def test_a_damaged_tuning_run_is_told_by_its_name(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"r.json: is damaged\. Delete it"):
        tuning_table.read_run(tmp_path / "r.json")


@pytest.mark.parametrize("module", ["table1", "table2", "figure2"])
def test_a_fill_that_there_is_not_is_refused(module):
    import importlib

    with pytest.raises(ConfigError, match=r"got 'mena'\. Did you mean 'mean'\?"):
        importlib.import_module(f"veracity.results.{module}").table(pd.DataFrame(), fill="mena")
