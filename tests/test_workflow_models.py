"""User-supplied classifiers and explainers in the whole DAG."""

import os
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from workspaces import ROOT, SMALL, Workspace

pytestmark = pytest.mark.slow


OWN_CLASSIFIER = """
import torch
from torch import nn
from veracity.classifiers.adapters import WaveformClassifier


class Loud(nn.Module):
    def forward(self, audio):
        return 40 * (torch.cumsum(audio, dim=1)[:, ::8].diff(dim=1) ** 2).mean(dim=1) - {offset}


def loud():
    return WaveformClassifier(
        Loud(), labels=["loud"], sample_rate=8000, excerpt_samples=4096, frame_samples=256, hop_samples=64
    )
"""
OWN_EXPLAINER = """
def quiet(task):
    n = task.grid.n_segments
    import numpy as np
    return {sign} * (task.values(np.ones(n, dtype=bool)) - task.values(~np.eye(n, dtype=bool)))
"""


@pytest.fixture(scope="module")
def own_everything(tmp_path_factory):
    """Return a workspace with a finished run on a folder of audio, with a custom classifier and a custom explainer."""
    workspace, folder = Workspace(tmp_path_factory.mktemp("own")), tmp_path_factory.mktemp("code")
    (folder / "custom_classifier.py").write_text(OWN_CLASSIFIER.replace("{offset}", "0.8"))
    (folder / "own_explainer.py").write_text(OWN_EXPLAINER.replace("{sign}", "1"))
    times = np.arange(8000 * 4) / 8000
    sound = 0.2 * np.abs(np.sin(np.pi * times)) * np.random.default_rng(0).standard_normal(len(times))
    soundfile.write(folder / "a song.wav", sound, 8000)
    (folder / "labels.csv").write_text("path,label\na song.wav,loud\n")
    attack = {"max_updates": 40, "eps": 0.3, "eta": 0.02, "alpha": 100}
    workspace.configure(
        "own",
        SMALL,
        {
            "run": "own",
            "corpus": {"kind": "audio", "folder": str(folder)},
            "model": {"build": "custom_classifier:loud", "label": "loud", "hop_seconds": 0.25},
            "attacks": {"seconds": None, "waveform": attack, "spectrogram": {**attack, "eps": 5, "eta": 0.2, "alpha": 1e4}},
            "lime": {"n_time": 3, "n_band": 2, "n_samples": 64, "fills": ["mean"]},
            "stability": {"n_samples": []},
            "explainers": ["lime", "integrated_gradients", "own_explainer:quiet"],
        },
    )
    os.environ["PYTHONPATH"] = str(folder)
    done = workspace.snakemake("all", config="own.yaml")
    yield SimpleNamespace(workspace=workspace, folder=folder, done=done, results=workspace.folder / "results" / "own")
    del os.environ["PYTHONPATH"]


def test_a_classifier_an_explainer_and_audio_of_ones_own_go_through_the_dag(own_everything):
    assert own_everything.done.returncode == 0, own_everything.done.stdout + own_everything.done.stderr
    rates = pd.read_csv(own_everything.results / "tables" / "flip_rates.csv")
    assert set(rates.original) <= {"loud", "no loud"}
    assert {"lime", "integrated_gradients", "quiet", "quiet_positive"} <= set(rates.selection)
    page = (own_everything.results / "tables" / "table1.md").read_text()
    assert "“no loud” → “loud”" in page or "“loud” → “no loud”" in page
    assert "quiet" in page
    attacks = pd.read_csv(own_everything.results / "tables" / "attacks.csv")
    assert set(attacks.model) == {"custom_classifier:loud"}
    assert (own_everything.results / "figures" / "figure2.png").is_file()
    assert not (own_everything.results / "figures" / "figure1.png").exists()
    assert "1 files that may contain labels are not used (labels.csv)" in own_everything.done.stderr
    assert "Nothing to be done" in own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout


def test_an_edit_of_an_explainer_re_runs_its_answers_and_no_others(own_everything):
    (own_everything.folder / "own_explainer.py").write_text(OWN_EXPLAINER.replace("{sign}", "-1"))
    plan = own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout
    assert re.search(r"^attributions +2$", plan, re.MULTILINE)
    assert re.search(r"^localised_attributions +2$", plan, re.MULTILINE)
    assert not re.search(r"^(perturbations|excerpts|explanations|flips|localised) ", plan, re.MULTILINE)


def test_what_a_classifier_cannot_answer_is_said_before_the_first_attack(own_everything):
    workspace = own_everything.workspace
    own = yaml.safe_load((workspace.folder / "own.yaml").read_text())
    fine = {**own, "run": "fine", "lime": {**own["lime"], "n_time": 5, "n_band": 4}}
    for name, part, message in [
        ("shapley", {"explainers": ["lime", "shapley"]}, "explainers.shapley: requires the values of all masks"),
        ("layers", {"explainers": ["lime", "grad_cam"]}, "explainers.grad_cam: requires layers"),
        ("study", {"stability": {"n_samples": [64]}}, "stability.n_samples: requires all masks"),
    ]:
        workspace.configure(name, {**fine, "run": name, **part})
        done = workspace.snakemake("all", "--cores", "1", config=f"{name}.yaml")
        assert done.returncode != 0
        assert message in done.stderr
        assert not (workspace.folder / "results" / name / "perturbations").exists()


def test_beyond_twelve_segments_the_smallest_sets_are_searched(own_everything):
    workspace = own_everything.workspace
    own = yaml.safe_load((workspace.folder / "own.yaml").read_text())
    lime = {**own["lime"], "n_time": 5, "n_band": 3}
    workspace.configure("searched", {**own, "lime": lime, "flips": {"search_budget": 200}})
    done = workspace.snakemake("smallest_sets", "table1", "results/own/tables/classifier.csv", config="searched.yaml")
    assert done.returncode == 0, done.stderr
    assert "rule perturbations" not in done.stderr  # the attacks do not depend on the grid
    tables = own_everything.results / "tables"
    found = pd.read_csv(tables / "smallest_sets.csv")
    assert (found.n_proved <= found.n).all()
    assert (found.n_queries <= 200).all()
    assert found.n_unique.isna().all()  # only all masks tell
    assert "best_found" in set(pd.read_csv(tables / "flip_rates.csv").selection)
    assert "it does not expose its layers" in pd.read_csv(tables / "classifier.csv").reason[0]


def test_an_edit_of_a_classifier_attacks_anew(own_everything):
    (own_everything.folder / "custom_classifier.py").write_text(OWN_CLASSIFIER.replace("{offset}", "0.7"))
    plan = own_everything.workspace.snakemake("-n", "all", config="own.yaml").stdout
    assert re.search(r"^perturbations +2$", plan, re.MULTILINE)


def test_the_cnn_of_the_page_goes_through_the_dag(tmp_path, monkeypatch):
    """Module and configuration as docs/model.md prints them, with a folder of songs that is there and few updates.

    The twenty segments that they have are only planned, for time.
    """
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs" / "model.md").read_text(), re.MULTILINE | re.DOTALL)
    workspace, songs, code = (tmp_path / name for name in ("workspace", "songs", "code"))
    for folder in (workspace, songs, code):
        folder.mkdir()
    (code / "my_cnn.py").write_text(next(text for kind, text in blocks if kind == "python"))
    printed = next(text for kind, text in blocks if kind == "yaml")
    assert "folder: /data/my_songs" in printed
    rng = np.random.default_rng(0)
    for name, loudness in (("one.wav", 0.3), ("two.mp3", 0.1)):
        soundfile.write(songs / name, loudness * rng.standard_normal(16000 * 4), 16000)
    page = yaml.safe_load(printed.replace("/data/my_songs", str(songs)))
    attack = {"max_updates": 20, "eps": 0.5, "eta": 0.05, "alpha": 1000}
    few = {
        "attacks": {"seconds": None, "waveform": attack, "spectrogram": {**attack, "eps": 5, "eta": 0.5}},
        "excerpts": {"per_direction": 1},
        "stability": {"n_samples": [64], "n_repeats": 1},
        "device": "cpu",
    }
    segments = {"lime": {"n_time": 4, "n_band": 3}}
    monkeypatch.setenv("PYTHONPATH", str(code))
    workspace = Workspace(workspace)
    workspace.configure("my_cnn", page, few, segments)
    done = workspace.snakemake("attacks", "audits", "figure_stability", config="my_cnn.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = workspace.snakemake("classifier", config=workspace.configure("as_printed", page, few))
    assert done.returncode == 0, done.stdout + done.stderr
    tables = workspace.folder / "results" / "my_cnn" / "tables"
    (row,) = pd.read_csv(tables / "classifier.csv").itertuples()
    assert (row.evaluator, row.all_masks, row.n_segments, row.label) == ("tables", True, 20, "music")
    assert set(pd.read_csv(tables / "attacks.csv").original) == {"music", "no music", "all"}
    assert (workspace.folder / "results" / "my_cnn" / "figures" / "figure_stability.png").is_file()
    assert pd.read_csv(tables / "audits.csv").largest_difference.max() < 1e-4
