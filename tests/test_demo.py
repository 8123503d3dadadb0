"""The promise of the default configuration: a detector that works, and drawings that flip its clear decisions."""

import numpy as np
import pandas as pd
import pytest
from workspaces import Workspace

from veracity.detector.decisions import probability
from veracity.detector.predictions import Predictions
from veracity.jobs import store


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    configured = workspace.configure("demo", {"device": "cpu"})
    done = workspace.snakemake(
        "results/synthetic/tables/detector.csv", "results/synthetic/figures/figure1.csv", config=configured
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace.folder / "results" / "synthetic"


@pytest.mark.slow
def test_the_detector_of_the_demo_separates_the_labels_with_a_threshold_in_the_middle(results):
    scores = pd.read_csv(results / "tables" / "detector.csv").query("split == 'test' and detector == 'seed0'").iloc[0]
    assert scores["auroc"] >= 0.95
    assert 0.2 < scores["threshold"] < 0.8
    predictions = store.read(results / "predictions" / "seed0.h5", Predictions)
    p_sing = probability(np.concatenate([song.logit for song in predictions.songs.values() if song.split == "test"]))
    assert np.quantile(p_sing, 0.25) < 0.25
    assert np.quantile(p_sing, 0.75) > 0.75


@pytest.mark.slow
def test_drawings_of_the_demo_flip_a_clear_decision(results):
    drawings = pd.read_csv(results / "figures" / "figure1.csv")
    assert ((drawings["clean_p_sing"] < 0.2) & (drawings["drawn_p_sing"] > drawings["threshold"])).any()
