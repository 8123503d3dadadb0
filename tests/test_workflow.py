"""The small run from audio to a figure and two tables, as a user runs it, and messages about mistakes.

tests/test_workflow_targets.py computes all targets.
"""

import re

import pandas as pd
import pytest
from workspaces import RESULTS, SMALL, Workspace, jobs_of

MADE = ("figure2", "leaderboard")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Return a workspace after the shortest run with every stage from audio to results."""
    workspace = Workspace(tmp_path_factory.mktemp("smoke"))
    few = {
        "corpus": {"synthetic": {"n_train": 1}},
        "detector": {"training": {"n_updates": 10}},
        "lime": {"n_time": 3, "n_band": 2, "n_samples": 64},
        "stability": {"n_samples": []},
    }
    workspace.configure("small", SMALL, few)
    workspace.configure("wider", SMALL, few, {"lime": {"kernel_width": 0.3}})
    workspace.configure("sampled", SMALL, few, {"lime": {"exact": False}})
    done = workspace.snakemake(*MADE)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def test_results_are_there_with_their_numbers_and_logs(smoke):
    results = smoke.folder / RESULTS
    assert (results / "figures" / "figure2.png").read_bytes().startswith(b"\x89PNG")
    assert (results / "figures" / "figure2.pdf").read_bytes().startswith(b"%PDF")
    for path in (results / "figures" / "figure2.csv", results / "tables" / "leaderboard.csv"):
        table = pd.read_csv(path)
        assert len(table), path
        assert (table["corpus"] == SMALL["corpus"]["note"]).all(), path
    assert SMALL["corpus"]["note"] in (results / "tables" / "leaderboard.md").read_text()
    assert {path.stem for path in (results / "logs").glob("*.log")} >= set(MADE)


def test_a_deleted_figure_re_runs_one_job_with_equal_bytes_and_then_there_is_nothing_to_do(smoke):
    before = smoke.digests()
    (smoke.folder / RESULTS / "figures" / "figure2.png").unlink()
    again = smoke.snakemake(*MADE)
    assert again.returncode == 0, again.stderr
    assert "1 of 1 steps (100%) done" in again.stdout + again.stderr
    assert smoke.digests() == before
    assert jobs_of(smoke.snakemake(*MADE)) == set()


def test_a_change_of_one_setting_re_runs_what_uses_it(smoke):
    jobs = jobs_of(smoke.snakemake("--dry-run", *MADE, config="wider.yaml"))
    assert jobs == {"explanations", "flips", "flip_rates", "scores", *MADE}
    plan = smoke.snakemake("--dry-run", "all", config="sampled.yaml")
    assert plan.returncode == 0
    assert "explanations" in plan.stdout
    listed = plan.stdout.split("Job stats:")[1].split("Reasons")[0]
    assert not re.findall(r"^(stability|scores|leaderboard|gap|truths) ", listed, re.MULTILINE)  # they need all masks


#: One mistake of each kind; messages for each key are tested in process (tests/test_config.py, test_consistency.py).
MISTAKES = (
    ("all", {"attacks": {"waveform": {"epsilon": 1}}}, "attacks.waveform.epsilon: unknown key."),
    (
        "all",
        {"corpus": {"kind": "folder", "folder": "nowhere"}},
        "corpus.folder: folder is missing, got nowhere. Correct it, or download Jamendo",
    ),
    ("results/small/spectrograms/nobody.h5", {}, "song: not in the corpus, got nobody."),
)
MORE_MISTAKES = (
    ("all", {"base": {"seed": 1}}, "base: unknown key."),
    ("all", {"frontend": {"f_min": 9000}}, "frontend.f_min: must be below frontend.f_max"),
    ("all", {"corpus": {"kind": "folder"}}, "corpus.folder: missing, got null. Give the path"),
    (
        "all",
        {"run": "missing", "corpus": {"kind": "folder", "folder": "nowhere", "url": "http://127.0.0.1:1/a.zip"}},
        "corpus.folder: folder is missing, got nowhere",
    ),
    ("all", {"detector": {"checkpoint": "nowhere.pt"}}, "detector.checkpoint: file is missing, got nowhere.pt."),
)


@pytest.mark.parametrize("mistakes", [MISTAKES, pytest.param(MORE_MISTAKES, marks=pytest.mark.slow)], ids=["some", "more"])
def test_mistakes_stop_everything_at_once_without_a_traceback(tmp_path, mistakes):
    workspace = Workspace(tmp_path)
    for target, change, message in mistakes:
        failed = workspace.snakemake("--dry-run", target, config=workspace.configure("wrong", SMALL, change))
        said = failed.stdout + failed.stderr
        assert failed.returncode != 0, message
        assert message in said
        assert "Traceback" not in said
