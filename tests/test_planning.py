"""What a run will cost: units of work by hand, what follows from given costs, and measuring itself."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import yaml
from snakemake.utils import update_config
from workspaces import SMALL, Workspace

from veracity.errors import VeracityError
from veracity.planning.measuring import fit, gpu_stages, measure, probe
from veracity.planning.prediction import Cost, as_time, compare, in_words, predict, summarise
from veracity.planning.work import FIGURES, OTHER_PAGES, PAGES, POOLED, STUDY_PAGES, TRUTH_PAGES, Songs, songs_of, work

ROOT = Path(__file__).resolve().parents[1]
EXPLAINING = ("explanations", "flips", "localised", "stability", "drawings")
TINY = {  # six segments instead of twenty, so that all masks are few
    "device": "cpu",
    "corpus": {"synthetic": {"n_train": 1, "n_valid": 1, "n_test": 1, "seconds": 6}},
    "detector": {"n_seeds": 1, "training": {"batch": 4}},
    "attacks": {"seconds": 4},
    "lime": {"n_time": 3, "n_band": 2, "n_samples": 64},
    "drawings": {"shapes": ["wiggle"], "n_placements": 1},
    "stability": {"n_samples": [16], "n_repeats": 1},
}


def configured(*parts):
    merged = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for part in parts:
        update_config(merged, yaml.safe_load((ROOT / "config" / part).read_text()) if isinstance(part, str) else part)
    return merged


def counted(config):
    """Return jobs, units of all and steps of all by probe."""
    return {part.probe: (len(part.units), sum(part.units), sum(part.steps)) for part in work(config, songs_of(config))}


def test_work_of_the_default_configuration():
    assert counted(configured()) == {
        "synthetic_corpus": (1, 18 * 20, 0),
        "spectrograms": (18, 18 * 20, 0),
        "training": (2, 2 * 12 * 20, 2 * 300),
        "predictions": (2, 2 * 6 * 20, 0),
        "perturbations waveform": (3, 3 * 10, 3 * 10 * 50),
        "perturbations spectrogram": (3, 3 * 10, 3 * 10 * 50),
        "excerpts": (6, 6 * 10, 0),
        "explanations": (6, 6 * 4 * 3, 0),  # two directions, two excerpts each, three fills
        "flips": (6, 6 * 4, 0),
        "localised": (6, 6 * 4 * 3, 0),  # three k
        "stability": (6, 6 * 2, 6 * 2 * 4),
        "drawings": (3, 3 * 20, 3 * 12),
        POOLED: (29, 2 * 3 * 10, 0),
    }


def test_work_of_the_paper_without_its_corpus():
    config = configured("jamendo.yaml")
    assert songs_of(config).assumed
    assert counted(config) == {
        "spectrograms": (93, 93 * 240, 0),
        "training": (5, 5 * 61 * 240, 5 * 40000),
        "predictions": (5, 5 * 32 * 240, 0),
        "perturbations waveform": (16, 16 * 240, 16 * 240 * 1000),
        "perturbations spectrogram": (16, 16 * 240, 16 * 240 * 1000),
        "excerpts": (32, 32 * 240, 0),
        "explanations": (32, 32 * 20 * 3, 0),
        "flips": (32, 32 * 20, 0),
        "localised": (32, 32 * 20 * 3, 0),
        "stability": (32, 32 * 2, 32 * 2 * 20),
        "drawings": (16, 16 * 240, 16 * 12),
        POOLED: (29, 2 * 16 * 240, 0),
    }


def test_work_follows_the_keys_that_change_it():
    change = {
        "detector": {"checkpoint": "some.pt"},
        "attacks": {"scope": "excerpt", "candidates": 3, "splits": ["train", "test"], "waveform": {"max_updates": 7}},
        "lime": {"exact": False, "fills": ["mean"]},
        "localised": {"k": [2]},
        "drawings": {"shapes": ["wiggle", "horse"]},
    }
    assert counted(configured(change)) == {
        "synthetic_corpus": (1, 18 * 20, 0),
        "spectrograms": (18, 18 * 20, 0),
        "imported": (1, 0, 0),
        "predictions": (1, 6 * 20, 0),
        "perturbations waveform": (15, 15 * 3, 15 * 3 * 7),
        "perturbations spectrogram": (15, 15 * 3, 15 * 3 * 50),
        "excerpts": (30, 30 * 3, 0),
        "explanations": (30, 30 * 3, 0),  # of three attacked excerpts no four can be explained
        "flips": (30, 30 * 3, 0),
        "localised": (30, 30 * 3, 0),
        "drawings": (15, 15 * 20, 15 * 2),
        POOLED: (17, 2 * 15 * 3, 0),
    }
    one = configured(change, {"attacks": {"candidates": 1}})
    assert counted(one)["flips"] == (30, 30, 0)
    without_train = configured(change, {"attacks": {"splits": ["test"]}})
    assert counted(without_train)["spectrograms"] == (6, 6 * 20, 0)


def test_lengths_of_songs_are_read_from_their_files(tmp_path):
    for part in ("audio", "labels", "filelists"):
        (tmp_path / part).mkdir()
    for name, seconds in (("a", 3), ("b", 5)):
        soundfile.write(tmp_path / "audio" / f"{name}.wav", np.zeros((seconds * 8000, 2)), 8000)
        (tmp_path / "labels" / f"{name}.lab").write_text(f"0 {seconds} sing\n")
    for split, listed in (("train", "a.wav\n"), ("valid", ""), ("test", "b.wav\n")):
        (tmp_path / "filelists" / split).write_text(listed)
    songs = songs_of(configured({"corpus": {"kind": "folder", "folder": str(tmp_path)}}))
    assert songs == Songs({"train": (3.0,), "valid": (), "test": (5.0,)}, 8000, 2, ".wav")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("plan"))
    workspace.configure("small", SMALL)
    return workspace


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lime": {"exact": False}, "detector": {"n_seeds": 3}, "attacks": {"splits": ["valid", "test"]}},
        {"controls": {"all": True}, "attacks": {"splits": ["train", "test"]}, "listening": {"per_panel": 0}},
        {"controls": {"all": True}, "lime": {"exact": False}},
    ],
)
def test_jobs_are_those_that_snakemake_would_run(workspace, change):
    shown = workspace.snakemake("--dry-run", "all", config=workspace.configure("counted", SMALL, change)).stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", shown.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    config = configured(SMALL, change)
    ours = predict(work(config, songs_of(config)), UNIT_COSTS)
    pooled = sum(int(jobs.pop(page, 0)) for page in (*PAGES, *FIGURES, *STUDY_PAGES, *TRUTH_PAGES, *OTHER_PAGES))
    assert jobs.pop("all") == "1"
    assert dict(zip(ours.stage, ours.jobs, strict=True)) == {**{name: int(n) for name, n in jobs.items()}, POOLED: pooled}


class _Same(dict):
    def __missing__(self, probe):
        return Cost(1.0, 2.0, 0.25, 0.5, 300.0, 2.0, 3.0, 0.125)


UNIT_COSTS = _Same()


def test_a_plan_follows_from_given_costs():
    config = configured()
    plan = predict(work(config, songs_of(config)), UNIT_COSTS).set_index("stage")
    training = 1 + 2 + 0.25 * 240 + 0.5 * 300
    assert plan.loc["training"].tolist() == [2, training, training, 2 * training, 2.0, 300 + 2 * 240, 2 * (3 + 240 / 8)]
    attack = 1 + 2 + 0.25 * 10 + 0.5 * 10 * 50
    assert plan.loc["perturbations"].tolist() == [6, attack, attack, 6 * attack, 6.0, 320, 6 * (3 + 10 / 8)]


@pytest.mark.parametrize(
    ("change", "stage", "seconds"),
    [
        ({"corpus": {"synthetic": {"n_test": 6}}}, "perturbations", 12 * (3 + 2.5 + 250)),
        ({"corpus": {"synthetic": {"n_test": 6}}}, "training", 2 * (3 + 60 + 150)),
        ({"corpus": {"synthetic": {"n_train": 24}}}, "training", 2 * (3 + 120 + 150)),
        ({"detector": {"training": {"n_updates": 600}}}, "training", 2 * (3 + 60 + 300)),
        ({"attacks": {"waveform": {"max_updates": 100}}}, "perturbations", 3 * (3 + 2.5 + 250) + 3 * (3 + 2.5 + 500)),
        ({"excerpts": {"per_direction": 4}}, "flips", 6 * (3 + 2)),
    ],
)
def test_what_grows_grows_in_proportion(change, stage, seconds):
    config = configured(change)
    plan = predict(work(config, songs_of(config)), UNIT_COSTS).set_index("stage")
    assert plan.loc[stage, "cpu_seconds"] == pytest.approx(seconds)


def test_stages_that_explain_work_on_a_gpu_only_where_they_are_told_to(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    long = {"training", "predictions", "perturbations"}
    for change, expected in (
        ({"device": "auto"}, (2, long)),
        ({"device": "cpu"}, (0, set())),
        ({"device": "cpu", "explaining_device": "cuda:1"}, (2, {"excerpts", *EXPLAINING})),
        ({"device": "cuda", "explaining_device": "auto"}, (2, {*long, "excerpts", *EXPLAINING})),
    ):
        config = configured(change)
        assert gpu_stages(config, work(config, songs_of(config))) == expected


def test_jobs_ask_for_a_gpu_where_they_work_on_one(workspace):
    config = workspace.configure("devices", SMALL, {"device": "auto", "explaining_device": "cpu"})
    shown = workspace.snakemake("--dry-run", "all", "--quiet", "host", config=config).stdout
    asked = {rule: "gpu=1" in text for rule, text in re.findall(r"^rule (\w+):\n(.*?)\n\n", shown, re.MULTILINE | re.DOTALL)}
    assert {rule for rule, on_gpu in asked.items() if on_gpu} == {"training", "predictions", "perturbations"}
    assert asked.keys() > set(EXPLAINING)
    on_cpu = workspace.snakemake("--dry-run", "all", config=workspace.configure("devices", SMALL, {"device": "cpu"})).stdout
    assert "gpu=1" not in on_cpu


def test_the_cost_of_the_stages_of_a_song_is_linear_in_songs():
    totals = []
    for n_songs in (1, 2, 4):
        config = configured({"corpus": {"synthetic": {"n_train": 0, "n_valid": 0, "n_test": n_songs}}})
        plan = predict(work(config, songs_of(config)), UNIT_COSTS).set_index("stage")
        totals.append(plan.loc[["spectrograms", "perturbations", "explanations", "drawings"], "cpu_seconds"].to_numpy())
    np.testing.assert_allclose([total / n for total, n in zip(totals, (1, 2, 4), strict=True)], [totals[0]] * 3)


@pytest.mark.parametrize(
    ("cores", "gpus", "wall"),
    [(1, 0, 46), (2, 0, 23), (10, 0, 17), (10, 1, 40), (10, 4, 17)],  # all work; half of it; the chain; one GPU; the chain
)
def test_wall_time_is_bounded_by_cores_chain_and_gpus(cores, gpus, wall):
    plan = pd.DataFrame(
        {
            "stage": ["spectrograms", "perturbations", "stability"],
            "jobs": [3, 4, 1],
            "cpu_seconds_per_job": [2.0, 6.0, 16.0],
            "longest_job_seconds": [2.0, 15.0, 16.0],
            "cpu_seconds": [6.0, 24.0, 16.0],
            "startup_seconds": [3.0, 4.0, 2.2],
            "peak_memory_mb": [300.0, 900.0, 400.0],
            "disk_mb": [3.0, 4.0, 5.0],
        }
    )
    found = summarise(plan, cores=cores, gpus=gpus, gpu_stages={"perturbations", "stability"})
    assert (found.wall_seconds, found.chain_seconds, found.jobs) == (wall, 17, 8)
    assert (found.work_percent, found.peak_memory_mb, found.disk_mb) == (pytest.approx(80), 900, 12)


def test_coefficients_are_those_that_the_measurements_were_made_of():
    def point(units, steps, more=0.0):
        seconds = 0.5 + 0.25 * units + 2.0 * steps + more
        return {"units": units, "steps": steps, "seconds": seconds, "memory_mb": 40 + 3 * units, "disk_mb": 1 + units / 8}

    points = [point(4, 1, more=1.5), point(4, 1), point(16, 4), point(4, 9)]
    assert fit(points, 1.25, 200.0, holds_all=True) == Cost(1.25, 2.0, 0.25, 2.0, 240.0, 3.0, 1.0, 0.125)
    assert fit(points, 1.25, 200.0, holds_all=False) == Cost(1.25, 2.0, 0.25, 2.0, 288.0, 0.0, 1.0, 0.125)
    falling = [{**p, "seconds": 1 / p["units"], "memory_mb": -p["units"], "disk_mb": 0.0} for p in points]
    assert fit(falling[:3], 1.25, 200.0, holds_all=True) == Cost(1.25, 0.25, 0.0, 0.0, 200.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "sizes", "change"),
    [
        ("perturbations waveform", [(4, 0), (8, 0), (4, 400)], {"attacks": {"scope": "excerpt"}}),
        ("excerpts", [(4, 0), (8, 0)], {"attacks": {"scope": "excerpt"}}),
        ("spectrograms", [(20, 0), (80, 0)], {}),
        ("explanations", [(1, 0), (4, 0)], {}),
        ("imported", [(0, 0), (1, 0)], {}),
    ],
)
def test_measuring_finds_costs_that_grow(name, sizes, change):
    stored = {"sample_rate": 44100, "channels": 2, "suffix": ".ogg"}
    cost = fit(probe(name, configured(TINY, change), stored, sizes), 1.0, 200.0, holds_all=True)
    assert cost.fixed + cost.per_unit > 0
    assert cost.disk_fixed + cost.disk_per_unit > 0
    assert (cost.per_unit > 0) or name in ("imported", "excerpts")
    assert (cost.per_step > 0) == name.startswith("perturbations")


def test_training_is_measured_with_the_batch_of_the_configuration():
    stored = {"sample_rate": 22050, "channels": 1, "suffix": ".wav"}
    configs = [configured(TINY, {"detector": {"training": {"batch": batch}}}) for batch in (2, 16)]
    small, large = (
        fit(probe("training", config, stored, [(4, 1), (8, 1), (4, 9)]), 1.0, 200.0, holds_all=True) for config in configs
    )
    assert large.per_step > 2 * small.per_step > 0
    assert large.memory_fixed > small.memory_fixed


def test_a_stage_that_cannot_run_is_named():
    config = configured(TINY, {"lime": {"n_time": 5, "n_band": 4, "evaluator": "direct"}})
    parts = [part for part in work(config, songs_of(config)) if part.probe == "stability"]
    with pytest.raises(VeracityError, match=r"the cost of stability .* set stability.n_samples to \[\]"):
        measure(config, songs_of(config), parts)


def test_a_plan_is_compared_stage_by_stage():
    plan = pd.DataFrame({"stage": ["flips", POOLED], "jobs": [2, 15], "cpu_seconds": [6.0, 30.0]})
    plan = plan.assign(peak_memory_mb=[300.0, 200.0], disk_mb=[4.0, 2.0])
    costs = pd.DataFrame({"stage": ["figure1", "table1", "flips", "tuning"], "jobs": [1, 1, 2, 1]})
    costs = costs.assign(
        cpu_seconds=[4.0, 6.0, 3.0, 1.0], peak_memory_mb=[160.0, 100.0, 600.0, 50.0], disk_mb=[0.0, 0.0, 2.0, 0.0]
    )
    both = compare(plan, costs).set_index("stage")
    assert both.loc["flips", ["cpu_ratio", "memory_ratio", "disk_ratio"]].tolist() == [2.0, 0.5, 2.0]
    assert both.loc[POOLED, ["jobs_measured", "cpu_seconds_measured", "cpu_ratio", "memory_ratio"]].tolist() == [2, 10, 3, 1.25]
    assert np.isnan(both.loc[POOLED, "disk_ratio"])
    assert np.isnan(both.loc["tuning", "cpu_ratio"])


def test_durations_are_readable():
    given = (0.04, 59.0, 61.0, 3599.0, 5400.0, 200000.0)
    assert [as_time(s) for s in given] == ["0.0 s", "59.0 s", "1 min 1 s", "59 min 59 s", "1 h 30 min", "2 d 8 h"]


def test_the_rule_plans_and_runs_nothing_else(workspace):
    config = workspace.configure("tiny", {"run": "tiny"}, TINY)
    done = workspace.snakemake("plan", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results" / "tiny"
    assert {path.name for path in results.rglob("*") if path.is_file()} == {".made_at", "plan.csv", "plan.md", "plan.log"}
    table = pd.read_csv(results / "tables" / "plan.csv").set_index("stage")
    assert list(table.jobs) == [1, 3, 1, 1, 2, 2, 2, 2, 2, 2, 1, 29]
    assert (table.cpu_seconds > table.startup_seconds).all()
    assert (table.startup_seconds > 0.2 * table.jobs).all()
    assert (table[["peak_memory_mb", "disk_mb"]] > 0).all(axis=None)
    for shown in (done.stdout, (results / "logs" / "plan.log").read_text(), (results / "tables" / "plan.md").read_text()):
        assert "48 jobs" in shown
        assert "upper bounds" in shown
        assert "| perturbations " in shown


def test_an_assumed_corpus_is_said_to_be_assumed():
    config = configured("jamendo.yaml")
    songs = songs_of(config)
    summary = summarise(predict(work(config, songs), UNIT_COSTS), cores=4)
    assert "assumed are songs of 240 s (61 train, 16 valid, 16 test)" in in_words(summary, songs)
    assert "assumed are" not in in_words(summary, replace(songs, assumed=False))
