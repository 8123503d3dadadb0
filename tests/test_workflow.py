"""The smoke run: the whole DAG on seconds of synthetic audio, as a user runs it, and how it answers mistakes."""

import re

import pandas as pd
import pytest
from workspaces import BOTH, FIGURES, RESULTS, SMALL, TABLES, Workspace, jobs_of


def test_every_figure_is_there_with_its_numbers(finished_run):
    folder = finished_run.folder / RESULTS / "figures"
    for name in FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF"), name
        numbers = (folder.parent / "tables" if name in BOTH else folder) / f"{name}.csv"
        assert (pd.read_csv(numbers)["corpus"] == SMALL["corpus"]["note"]).all(), name


def test_every_table_is_there_with_its_page(finished_run):
    folder = finished_run.folder / RESULTS / "tables"
    for name in TABLES:
        table = pd.read_csv(folder / f"{name}.csv")
        assert len(table), name
        assert (table["corpus"] == SMALL["corpus"]["note"]).all(), name
        assert SMALL["corpus"]["note"] in (folder / f"{name}.md").read_text(), name


def test_some_labels_flipped_and_the_audits_are_small(finished_run):
    attacks = pd.read_csv(finished_run.folder / RESULTS / "tables" / "attacks.csv")
    assert attacks["flipped"].sum() > 0
    audits = pd.read_csv(finished_run.folder / RESULTS / "tables" / "audits.csv")
    assert audits["n_games"].min() > 0
    assert audits["largest_difference"].max() < 1e-4


def test_every_job_left_a_log_and_nothing_unfinished(finished_run):
    results = finished_run.folder / RESULTS
    assert {path.stem for path in (results / "logs").glob("*.log")} >= {"figure1", "attacks"}
    assert not [
        path for path in results.rglob(".*") if path.is_file() and path.name not in (".snakemake_timestamp", ".made_at")
    ]


def test_a_second_run_has_nothing_to_do_and_a_deleted_figure_re_runs_one_job_with_equal_bytes(copy):
    """In a copy of the folder: paths of a run are relative."""
    again = copy.snakemake("all")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr
    before = copy.digests()
    (copy.folder / RESULTS / "figures" / "figure2.png").unlink()
    again = copy.snakemake("all")
    assert again.returncode == 0, again.stderr
    assert "2 of 2 steps (100%) done" in again.stdout + again.stderr  # figure2, and `all` itself
    assert copy.digests() == before


def test_a_change_of_one_setting_re_runs_what_uses_it(copy):
    copy.configure("wider", SMALL, {"stability": {"n_repeats": 3}})
    jobs = jobs_of(copy.snakemake("--dry-run", "all", config="wider.yaml"))
    assert jobs == {"all", "stability", "sampling_error", "figure_stability", "audits"}
    copy.configure("sampled", SMALL, {"lime": {"exact": False}})
    plan = copy.snakemake("--dry-run", "all", config="sampled.yaml")
    assert plan.returncode == 0
    assert "explanations" in plan.stdout
    listed = plan.stdout.split("Job stats:")[1].split("Reasons")[0]
    assert not re.findall(r"^(stability|scores|leaderboard|gap|truths) ", listed, re.MULTILINE)  # they need all masks


#: One mistake of each kind; what is said of every key is tested in process (tests/test_config.py, test_consistency.py).
MISTAKES = (
    ("all", {"attacks": {"waveform": {"epsilon": 1}}}, "configuration key 'attacks.waveform.epsilon' is unknown"),
    ("all", {"corpus": {"kind": "folder", "folder": "nowhere"}}, "There is no corpus folder nowhere"),
    ("results/small/spectrograms/nobody.h5", {}, "no song of the corpus is named nobody"),
)
MORE_MISTAKES = (
    ("all", {"frontend": {"f_min": 9000}}, "frontend.f_min 9000 is not below frontend.f_max 8000"),
    ("all", {"corpus": {"kind": "folder"}}, "configuration key 'corpus.folder' is null"),
    (
        "all",
        {"run": "missing", "corpus": {"kind": "folder", "folder": "nowhere", "url": "http://127.0.0.1:1/a.zip"}},
        "there is no corpus folder",
    ),
    ("all", {"detector": {"checkpoint": "nowhere.pt"}}, "nowhere.pt"),
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
