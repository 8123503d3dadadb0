"""Comparison of the paper with a run: verdicts for the same experiment, otherwise the differences."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config
from workspaces import ROOT

from veracity.results import published
from veracity.results.pooling import as_markdown
from veracity.results.statistics import proportion

OTHER = {"layers": "ismir2016", "zero_mean": True}
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def configured(*names, **changes):
    config = copy.deepcopy(DEFAULT)
    for name in names:
        update_config(config, yaml.safe_load((ROOT / "config" / name).read_text()))
    update_config(config, changes)
    return config


def test_the_paper_at_full_scale_is_the_paper():
    assert published.differences(configured("jamendo.yaml"), {"train": 61, "valid": 16, "test": 16}) == []


@pytest.mark.parametrize(
    ("names", "changes", "reason"),
    [
        ([], {}, "a synthetic corpus"),
        (["jamendo_free_trained.yaml"], {}, "9 / 3 / 3 songs, not 61 / 16 / 16"),
        (["jamendo.yaml"], {"lime": {"fill": "min"}}, "LIME has fill min"),
        (["jamendo.yaml"], {"attacks": {"waveform": {"max_updates": 500}}}, "the waveform attack has max_updates 500"),
        (["jamendo.yaml"], {"attacks": {"seconds": 30}}, "parts of songs are attacked, not whole songs"),
        (["jamendo.yaml"], {"model": {"build": "a:b"}}, "another model, a:b"),
        (["jamendo.yaml"], {"attacks": {"waveform": {"update_rule": "sign"}}}, "the waveform attack has update_rule sign"),
        (["jamendo.yaml", "bfloat16.yaml"], {}, "the waveform attack has precision bfloat16"),
        (["jamendo.yaml"], {"detector": {"checkpoint": "a.pt"}}, "the supplied detector a.pt"),
        (["jamendo.yaml"], {"detector": {"architecture": {"layers": "ismir2016"}}}, f"the architecture {OTHER}"),
        (["jamendo.yaml"], {"detector": {"threshold": 0.9}}, "the configured threshold 0.9"),
        (["jamendo.yaml"], {"frontend": {"excerpt_frames": 133}}, "the front end has excerpt_frames 133"),
        (["jamendo.yaml"], {"excerpts": {"per_direction": 3}}, "3 excerpts of each song and direction, not 10"),
    ],
)
def test_what_differs_is_said(names, changes, reason):
    songs = {"train": 9, "valid": 3, "test": 3} if names == ["jamendo_free_trained.yaml"] else published.SONGS
    assert reason in published.differences(configured(*names, **changes), songs)


def rates(percent, n=160):
    rows = []
    for domain, original in published.PANELS:
        for selection, fill, k in (
            ("lime", "mean", 3),
            ("lime_positive", "mean", 0),
            ("norm_as_many", "mean", 0),
            ("norm", "", 3),
        ):
            names = {"domain": domain, "original": original, "selection": selection, "fill": fill, "k": k}
            rows.append({**names, **proportion(round(percent * n / 100), n)})
    return pd.DataFrame(rows)


def localised(fidelity=(0.6, 0.7, 0.8)):
    values = np.tile(fidelity, 10)
    names = {"domain": "waveform", "original": "nosing", "method": "sampled", "k": 1}
    return pd.DataFrame({**names, "n_found": 1, "fidelity": values}, index=range(len(values)))


def test_a_published_value_agrees_where_it_lies_in_our_interval():
    found = published.table(rates(53), localised(), fill="mean", comparable=True)
    table1 = found[found["where"] == "Table 1"].set_index(["domain", "original"])
    assert table1.verdict["waveform", "nosing"] == "agrees"  # 53 and 53
    assert table1.verdict["waveform", "sing"] == "differs"  # 21 and 53
    assert table1.low["waveform", "nosing"] < 53 < table1.high["waveform", "nosing"]
    assert table1.n.eq(160).all()
    figure2 = found[(found["where"] == "Figure 2") & (found.domain == "waveform") & (found.original == "nosing")]
    assert figure2.verdict.tolist() == [published.UNKNOWN, "differs", published.UNKNOWN]  # only k = 3 is there
    median = found[(found["where"] == "Figure 4") & (found.domain == "waveform")]
    assert median.ours.iloc[0] == pytest.approx(0.7)
    assert (median.low.iloc[0], median.high.iloc[0]) == (0.6, 0.8)  # binomial: 10th and 21st of 30 values
    assert median.verdict.tolist() == ["agrees", published.UNKNOWN]
    counts = found[found["where"] == "Figure 3"]
    assert len(counts) == 4 * (2 + 4 + 6)
    one = counts[(counts.domain == "waveform") & (counts.original == "nosing")].iloc[0]
    assert (one.published, one.ours) == (pytest.approx(100 * 13 / 32), 100)


def test_every_published_number_has_its_verdict():
    for comparable in (True, False):
        found = published.table(rates(0, n=0), localised(()), fill="mean", comparable=comparable)
        assert len(found) == 4 + 8 + 12 + 48 + 4
        assert (found.verdict.str.len() > 0).all()
        assert found.verdict.eq(published.UNKNOWN if comparable else "not comparable").all()
    assert "Table 1" in as_markdown(published.page(found))


def test_the_reasons_why_numbers_are_not_comparable_stand_once_above_the_table():
    reasons = ["a synthetic corpus", "LIME has fill min"]
    assert published.preface(reasons).endswith("paper: a synthetic corpus; LIME has fill min.")
    assert "agrees" in published.preface([])


@pytest.mark.parametrize("n", [5, 6, 20, 101])
def test_the_interval_of_a_median_covers_it(n):
    rng = np.random.default_rng(n)
    intervals = [published._median_interval(np.sort(rng.normal(size=n))) for _ in range(400)]
    if n == 5:
        assert np.isnan(intervals).all()  # five values are too few for an interval
    else:
        assert np.mean([low <= 0 <= high for low, high in intervals]) > 0.93
