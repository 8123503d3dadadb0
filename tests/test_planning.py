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

from veracity.attacks.settings import CPU_CHUNK_FRAMES, n_cpu_chunks
from veracity.errors import VeracityError
from veracity.planning import turns
from veracity.planning.measuring import fit, gpu_stages, measure, probe
from veracity.planning.prediction import Cost, as_time, compare, in_words, predict, summarise
from veracity.planning.schedule import LOSS, Job, jobs_of, wall_seconds
from veracity.planning.sharing import configurations
from veracity.planning.turns import priority_of, threads_of
from veracity.planning.work import FIGURES, OTHER_PAGES, PAGES, POOLED, STUDY_PAGES, TRUTH_PAGES, Songs, only, songs_of, work

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
        POOLED: (30, 2 * 3 * 10, 0),
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
        POOLED: (30, 2 * 16 * 240, 0),
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


@pytest.mark.slow
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


@pytest.mark.slow
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


# --- threads, priorities, and the schedule that follows ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "training", "attack"),
    [(1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 2, 1), (12, 4, 2), (16, 4, 2), (32, 8, 4), (64, 8, 8), (1000, 8, 8)],
)
def test_threads_of_the_paper_by_cores(cores, training, attack):
    """Five trainings of eight shards, 32 attacks of sixteen chunks: all cores at work, no job with more than there are."""
    config = configured("jamendo.yaml", {"device": "cpu"})
    assert threads_of("training", config, cores=cores, n_songs=16) == training
    assert threads_of("perturbations", config, cores=cores, n_songs=16) == attack
    assert threads_of("explanations", config, cores=cores, n_songs=16) == 1


@pytest.mark.parametrize(
    ("change", "stage", "expected"),
    [
        ({"detector": {"n_seeds": 1}}, "training", 4),  # a batch of sixteen is four shards
        ({"detector": {"n_seeds": 1, "training": {"batch": 32}}}, "training", 8),
        ({"detector": {"n_seeds": 1, "training": {"batch": 4}}}, "training", 1),
        ({"detector": {"n_seeds": 1, "training": {"batch": 22}}}, "training", 6),
        ({"detector": {"n_seeds": 1}, "device": "cuda"}, "training", 1),  # a GPU is worked by one thread
        ({"attacks": {"seconds": 10}}, "perturbations", 1),  # one chunk
        ({"attacks": {"seconds": 60}}, "perturbations", 4),
        ({"attacks": {"seconds": 10, "chunk_frames": 100}}, "perturbations", 8),
        ({"attacks": {"scope": "excerpt", "candidates": 20}}, "perturbations", 3),
        ({"attacks": {"scope": "excerpt", "candidates": 20}}, "tuning_runs", 1),  # of songs, whatever the scope
        ({"attacks": {"seconds": 60}, "model": {"build": "own:model"}}, "perturbations", 1),
    ],
)
def test_threads_are_no_more_than_there_are_parts(change, stage, expected):
    assert threads_of(stage, configured({"device": "cpu"}, change), cores=8, n_songs=1) == expected


def test_a_gpu_that_is_there_takes_the_threads_away(monkeypatch, tmp_path):
    (tmp_path / "card").touch()
    for paths, expected in (((str(tmp_path / "card"),), 1), ((str(tmp_path / "none"),), 4)):
        monkeypatch.setattr(turns, "GPUS", paths)
        one = configured({"device": "auto", "detector": {"n_seeds": 1}})
        assert threads_of("training", one, cores=8, n_songs=1) == expected


@pytest.mark.parametrize("n_frames", [1, 700, 1536, 1537, 4000, 7000, 16535, 10**6])
def test_a_song_is_cut_into_chunks_that_threads_can_share(n_frames):
    n = n_cpu_chunks(n_frames)
    assert n in (1, 2, 4) or n % 8 == 0
    assert n_frames / n <= 1.5 * CPU_CHUNK_FRAMES
    assert n == 1 or n_frames / n >= 0.6 * CPU_CHUNK_FRAMES


def test_what_everything_waits_for_comes_first_and_long_songs_before_short_ones(tmp_path):
    short, long = tmp_path / "short.ogg", tmp_path / "long.ogg"
    short.write_bytes(b"0" * 10)
    long.write_bytes(b"0" * 10**6)
    attacks = [priority_of("perturbations", audio=path) for path in (tmp_path / "still to be made", short, long)]
    others = priority_of("training", attacked=False)
    assert 0 == priority_of("flips") < attacks[0] < attacks[1] < attacks[2] < others / 8  # who has the most threads
    assert priority_of("training", attacked=True) > 8 * others


def jobs_by_hand(*rows):
    """Make jobs of (stage, serial, parallel, parts, index, threads, priority)."""
    return [Job(*row) for row in rows]


@pytest.mark.parametrize(
    ("cores", "wall"),
    [
        (1, 10 + 20 + 20 + 1 + 30 + 2),  # all of it, one after the other
        (2, 10 + 20 + 1 + 30 + 2),  # both trainings at a time; then the attack
        (8, 10 + 20 + 1 + 30 + 2),
    ],
)
def test_jobs_begin_when_what_they_wait_for_is_done_and_a_core_is_free(cores, wall):
    jobs = jobs_by_hand(
        ("spectrograms", 10, 0, 1, 0, 1, 0),
        ("training", 20, 0, 1, 0, 1, 1000),
        ("training", 20, 0, 1, 1, 1, 100),
        ("predictions", 1, 0, 1, 0, 1, 0),
        ("perturbations", 30, 0, 1, 0, 1, 1),
        (POOLED, 2, 0, 1, 0, 1, 0),
    )
    assert wall_seconds(jobs, cores=cores) == pytest.approx(wall)


def test_threads_shorten_a_job_by_whole_parts_and_lose_a_little():
    (job,) = jobs_by_hand(("training", 1, 80, 8, 0, 4, 0))
    assert job.seconds == pytest.approx(1 + 20 * LOSS["training"])
    job.threads = 3  # three rounds of eight parts
    assert job.seconds == pytest.approx(1 + 30 * LOSS["training"])
    job.threads = 1
    assert job.seconds == 81


def test_a_variants_jobs_wait_for_its_own_and_for_what_it_shares():
    base = jobs_by_hand(
        ("perturbations", 10, 0, 1, 0, 1, 1), ("excerpts", 1, 0, 1, 0, 1, 0), ("explanations", 4, 0, 1, 0, 1, 0)
    )
    variant = jobs_by_hand(("explanations", 4, 0, 1, 0, 1, 0), ("flips", 2, 0, 1, 0, 1, 0))
    for job in variant:
        job.variant = "grid"
    assert wall_seconds([*base, *variant], cores=2) == 10 + 1 + 4 + 2
    assert wall_seconds([*base, *variant], cores=1) == 10 + 1 + 4 + 4 + 2


def test_work_of_a_variant_is_what_it_makes_itself():
    config = configured({"variants": {"eps": {"attacks": {"waveform": {"eps": 0.005}}}}})
    assert counted(config)[POOLED][0] == 31  # the comparison, too
    its = configurations(config)["eps"]
    counts = {"training": 1, "perturbations waveform": 1, "excerpts": 1}
    assumed = only(work(its, songs_of(its)), counts, assumed=True)  # one song has stood for all
    assert [(part.probe, len(part.units)) for part in assumed] == [
        ("training", 1),
        ("perturbations waveform", 3),
        ("excerpts", 6),
    ]
    own = only(work(its, songs_of(its)), {"perturbations waveform": 3, "excerpts": 3, "explanations": 3})
    assert [(part.probe, len(part.units), len(part.steps)) for part in own] == [
        ("perturbations waveform", 3, 3),
        ("excerpts", 3, 0),
        ("explanations", 3, 0),
    ]


@pytest.mark.parametrize(("priority", "wall"), [(1, 12), (0, 15)])
def test_a_long_job_that_comes_first_saves_time(priority, wall):
    """Two cores, twelve seconds of one job and four short ones: last of all, the long one would end alone."""
    jobs = jobs_by_hand(*[("spectrograms", 3, 0, 1, i, 1, 0.5) for i in range(2)], ("spectrograms", 12, 0, 1, 2, 1, priority))
    assert wall_seconds(jobs, cores=2) == wall


def test_a_gpu_works_on_one_job_at_a_time():
    jobs = jobs_by_hand(*[("perturbations", 5, 0, 1, i, 1, 0) for i in range(4)], ("drawings", 7, 0, 1, 0, 1, 0))
    for gpus, wall in ((0, 7), (1, 20), (2, 10)):
        assert wall_seconds(jobs, cores=8, gpus=gpus, gpu_stages={"perturbations"}) == wall


@pytest.mark.parametrize("cores", [8, 16, 32])
def test_the_paper_takes_hardly_longer_than_its_work_over_the_cores(cores):
    config = configured("jamendo.yaml", {"device": "cpu"})
    works = work(config, songs_of(config))
    costs = dict.fromkeys((part.probe for part in works), Cost(1.5, 1, 0, 0, 300, 0, 0, 0))
    costs["training"], costs["perturbations waveform"] = (Cost(1.5, 2, 0, step, 300, 0, 0, 0) for step in (0.92, 0.021))
    costs["perturbations spectrogram"] = costs["perturbations waveform"]
    jobs = jobs_of(works, costs, config, cores=cores)
    seconds = predict(works, costs).cpu_seconds.sum()
    assert seconds / cores <= wall_seconds(jobs, cores=cores) <= 1.1 * seconds / cores


def test_a_plan_is_summed_up():
    config = configured({"device": "cpu"})
    works = work(config, songs_of(config))
    plan, jobs = predict(works, UNIT_COSTS), jobs_of(works, UNIT_COSTS, config, cores=2)
    found = summarise(plan, jobs, cores=2)
    assert (found.jobs, found.cores, found.gpus) == (len(jobs), 2, 0)
    assert found.cpu_seconds == plan.cpu_seconds.sum()
    assert found.wall_seconds == wall_seconds(jobs, cores=2) >= found.cpu_seconds / 2
    assert found.chain_seconds < found.wall_seconds
    assert found.work_percent == pytest.approx(100 * (1 - plan.startup_seconds.sum() / plan.cpu_seconds.sum()))


@pytest.mark.slow
def test_jobs_have_the_threads_and_priorities_that_a_plan_says(workspace):
    config = workspace.configure(
        "threads", SMALL, {"detector": {"n_seeds": 2, "training": {"batch": 16}}, "attacks": {"chunk_frames": 40}}
    )
    shown = workspace.snakemake("--dry-run", "--cores", "6", "all", "--quiet", "host", config=config).stdout
    found = {}
    for rule, text in re.findall(r"^rule (\w+):\n(.*?)\n\n", shown, re.MULTILINE | re.DOTALL):
        threads, priority = (re.search(rf"{key}: ([0-9.]+)", text) for key in ("threads", "priority"))
        found.setdefault(rule, []).append((int(threads[1]) if threads else 1, float(priority[1]) if priority else 0.0))
    assert sorted(found["training"]) == [(4, 100.0), (4, 1000.0)]
    assert [threads for threads, _ in found["perturbations"]] == [4, 4]  # eight chunks: six threads would be no faster
    assert all(1 <= priority <= 2 for _, priority in found["perturbations"])
    assert set(found["flips"]) == {(1, 0.0)}


def test_coefficients_are_those_that_the_measurements_were_made_of():
    def point(units, steps, more=0.0):
        seconds = 0.5 + 0.25 * units + 2.0 * steps + more
        return {"units": units, "steps": steps, "seconds": seconds, "memory_mb": 40 + 3 * units, "disk_mb": 1 + units / 8}

    points = [point(4, 1, more=1.5), point(4, 1), point(16, 4), point(4, 9)]
    assert fit(points, 1.25, 200.0, holds_all=True) == Cost(1.25, 2.0, 0.25, 2.0, 240.0, 3.0, 1.0, 0.125)
    assert fit(points, 1.25, 200.0, holds_all=False) == Cost(1.25, 2.0, 0.25, 2.0, 288.0, 0.0, 1.0, 0.125)
    falling = [{**p, "seconds": 1 / p["units"], "memory_mb": -p["units"], "disk_mb": 0.0} for p in points]
    assert fit(falling[:3], 1.25, 200.0, holds_all=True) == Cost(1.25, 0.25, 0.0, 0.0, 200.0, 0.0, 0.0, 0.0)


@pytest.mark.slow
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


@pytest.mark.slow
def test_training_is_measured_with_the_batch_of_the_configuration():
    stored = {"sample_rate": 22050, "channels": 1, "suffix": ".wav"}
    configs = [configured(TINY, {"detector": {"training": {"batch": batch}}}) for batch in (2, 16)]
    small, large = (
        fit(probe("training", config, stored, [(4, 1), (8, 1), (4, 9)]), 1.0, 200.0, holds_all=True) for config in configs
    )
    assert large.per_step > 2 * small.per_step > 0
    assert large.memory_fixed > small.memory_fixed


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_rule_plans_and_runs_nothing_else(workspace):
    variants = {"fill_min": {"lime": {"fill": "min"}}, "wide": {"lime": {"kernel_width": 0.5}}}
    config = workspace.configure("tiny", {"run": "tiny", "variants": variants}, TINY)
    done = workspace.snakemake("plan", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results" / "tiny"
    assert {path.name for path in results.rglob("*") if path.is_file()} == {".made_at", "plan.csv", "plan.md", "plan.log"}
    table = pd.read_csv(results / "tables" / "plan.csv").set_index("stage")
    assert list(table[table.variant.isna()].jobs) == [1, 3, 1, 1, 2, 2, 2, 2, 2, 2, 1, 31]
    assert table[table.variant.notna()][["variant", "jobs"]].to_records().tolist() == [
        ("explanations", "wide", 2),
        ("flips", "wide", 2),
    ]
    assert (table.cpu_seconds > table.startup_seconds).all()
    assert (table.startup_seconds > 0.2 * table.jobs).all()
    assert (table[["peak_memory_mb", "disk_mb"]] > 0).all(axis=None)
    for shown in (done.stdout, (results / "logs" / "plan.log").read_text(), (results / "tables" / "plan.md").read_text()):
        assert "54 jobs" in shown
        assert "22 of the 26 jobs of 2 variants are shared and so saved, 4 are their own" in shown
        assert "| flips (wide) " in shown
        assert "upper bounds" in shown
        assert "| perturbations " in shown


def test_an_assumed_corpus_is_said_to_be_assumed():
    config = configured("jamendo.yaml")
    songs = songs_of(config)
    works = work(config, songs)
    jobs = jobs_of(works, UNIT_COSTS, config, cores=4)
    summary = summarise(predict(works, UNIT_COSTS), jobs, cores=4)
    assert "assumed are songs of 240 s (61 train, 16 valid, 16 test)" in in_words(summary, songs)
    assert "assumed are" not in in_words(summary, replace(songs, assumed=False))
