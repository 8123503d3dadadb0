"""The promise of the default configuration: a detector that works, decisions that flip, and explanations that differ."""

import numpy as np
import pandas as pd
import pytest
from workspaces import Workspace

from veracity.detector.decisions import probability
from veracity.detector.predictions import Predictions
from veracity.jobs import store

TARGETS = ("tables/detector.csv", "tables/attacks.csv", "figures/figure1.csv", "figures/figure2.csv")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    configured = workspace.configure("demo", {"device": "cpu"})
    done = workspace.snakemake(*(f"results/synthetic/{target}" for target in TARGETS), config=configured)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace.folder / "results" / "synthetic"


@pytest.mark.slow
def test_both_detectors_of_the_demo_separate_the_labels_with_a_threshold_in_the_middle(results):
    scores = pd.read_csv(results / "tables" / "detector.csv")
    scores = scores[scores["detector"].str.startswith("seed") & (scores["split"] == "test")]
    assert list(scores["detector"]) == ["seed0", "seed1"]
    assert (scores["auroc"] >= 0.95).all()
    assert scores["threshold"].between(0.2, 0.8).all()
    for detector in scores["detector"]:
        predictions = store.read(results / "predictions" / f"{detector}.h5", Predictions)
        p_sing = probability(np.concatenate([song.logit for song in predictions.songs.values() if song.split == "test"]))
        assert np.quantile(p_sing, 0.25) < 0.25
        assert np.quantile(p_sing, 0.75) > 0.75


@pytest.mark.slow
def test_attacks_of_the_demo_flip_most_excerpts_and_drawings_flip_clear_decisions(results):
    attacks = pd.read_csv(results / "tables" / "attacks.csv")
    overall = attacks[attacks["original"] == "all"]
    assert len(overall) == 2
    assert (overall["percent"] > 50).all()
    drawings = pd.read_csv(results / "figures" / "figure1.csv")
    assert ((drawings["clean_p_sing"] < 0.2) & (drawings["drawn_p_sing"] > drawings["threshold"])).any()


@pytest.mark.slow
def test_figure_2_of_the_demo_tells_lime_from_the_norm_and_from_the_best_set(results):
    flips = pd.read_csv(results / "figures" / "figure2.csv")
    area = flips.pivot_table(index=["domain", "original"], columns="selection", values="percent", aggfunc="mean")
    assert len(area) == 4
    assert (area["best"] >= area[["lime", "norm"]].max(axis=1)).all()
    # In percentage points, averaged over all k, in the panel in which they differ most; at k = 20 they are equal.
    assert (area["best"] - area["lime"]).max() > 3
    assert (area["best"] - area["norm"]).max() > 10
    assert (area["lime"] - area["norm"]).abs().max() > 10
