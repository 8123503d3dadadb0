"""All results of `all`, further targets, and the jobs of a second run in the same workspace."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import soundfile
from workspaces import BOTH, FIGURES, RESULTS, SMALL, TABLES, Workspace, jobs_of

from veracity.results.pooling import read_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(finished_run, tmp_path_factory):
    """Return a copy of the finished run to which targets are added."""
    return Workspace.copy_of(finished_run, tmp_path_factory.mktemp("targets") / "copy")


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


def test_a_second_run_has_nothing_to_do(finished):
    assert jobs_of(finished.snakemake("all")) == set()


def test_a_change_of_the_stability_study_re_runs_what_uses_it(finished):
    finished.configure("wider", SMALL, {"stability": {"n_repeats": 3}})
    jobs = jobs_of(finished.snakemake("--dry-run", "all", config="wider.yaml"))
    assert jobs == {"all", "stability", "sampling_error", "figure_stability", "audits"}


def test_keys_that_do_not_affect_results_re_run_nothing(finished):
    config = finished.configure("elsewhere", SMALL, {"save_every_seconds": 5, "device": "auto", "explaining_device": "auto"})
    assert jobs_of(finished.snakemake("--dry-run", "all", config=config)) == set()


def test_tuning_is_a_target_of_its_own(finished):
    done = finished.snakemake("tuning")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(finished.folder / RESULTS / "tables" / "tuning.csv")
    assert len(table) == 3


def test_what_the_run_cost_is_a_target_of_its_own(finished):
    done = finished.snakemake("costs")
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(finished.folder / RESULTS / "tables" / "costs.csv").set_index("stage")
    assert table.loc["perturbations", "jobs"] == 2
    measured = table.loc[["training", "perturbations", "spectrograms"], ["wall_seconds", "peak_memory_mb", "disk_mb"]]
    assert (measured.to_numpy() > 0).all()
    assert (table["startup_cpu_seconds"] > 0).all()
    assert table["work_percent"].between(0, 100).all()
    assert (finished.folder / RESULTS / "figures" / "costs.png").is_file()


def test_controls_are_a_target_of_their_own(finished):
    done = finished.snakemake("controls")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = finished.folder / RESULTS
    table = read_table(folder / "tables" / "controls.csv")
    controls = ["confined", "shortcut", "random_weights", "grid_shifted", "grid_10x2", "grid_4x5"]
    assert list(dict.fromkeys(table.control)) == controls
    outside = table[(table.score == "largest difference outside") & (table.control == "confined")]
    assert outside.expected.tolist() == ["0"]
    assert outside.verdict.isin(["as expected", "undetermined"]).all()
    assert (folder / "figures" / "controls.png").is_file()
    assert read_table(folder / "tables" / "controls_by_excerpt.csv").control.nunique() == len(controls)
    picked = read_table(folder / "tables" / "attacks.csv").query("original != 'all'").set_index(["domain", "original"]).n_picked
    random = table[(table.control == "random_weights") & (table.explainer == "norm")].set_index("domain").n
    assert random.to_dict() == picked.groupby("domain").sum().to_dict()  # all excerpts of the run
    again = finished.snakemake("controls")
    assert "Nothing to be done" in again.stdout + again.stderr
    other = finished.configure("others_asked", SMALL, {"controls": {"explainers": ["constant"]}})
    shown = finished.snakemake("--dry-run", "controls", config=other).stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", shown.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    assert jobs == {"controlled": "4", "controls": "1"}  # not those of the grids, on which no other explainer is evaluated


def test_explanations_can_be_heard_beside_the_report(finished):
    folder = finished.folder / RESULTS
    table = read_table(folder / "tables" / "listening.csv")
    assert len(table) > 0
    for row in table.itertuples():
        samples, rate = soundfile.read(folder / "listening" / row.file)
        assert (rate, len(samples)) == (22050, 114 * 315 + 1024)
    assert finished.snakemake("report").returncode == 0
    assert (folder / "report.html").read_text().count("<audio controls") == len(table)


def test_the_report_is_one_page_with_everything(finished):
    done = finished.snakemake("report")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (finished.folder / RESULTS / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(FIGURES) + 1  # and costs
    assert page.index('id="figures"') < page.index('id="tables"') < page.index('id="provenance"')
    assert SMALL["corpus"]["note"] in page
    assert "max_updates: 20" in page
    assert not re.search(r"""(src|href)=["']?(https?:|//)""", page)
    for name in TABLES:
        assert f'id="table-{name}"' in page


def test_a_browser_shows_every_figure_of_the_report(finished, browser):
    assert finished.snakemake("report").returncode == 0
    browser.get((finished.folder / RESULTS / "report.html").as_uri())
    shown = browser.execute_script(
        "return [...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 300 && i.checkVisibility()])"
    )
    assert shown == [[name, True] for name in (*FIGURES, "costs")]


def test_recovery_needs_no_number_of_cores(finished):
    for command in ("snakemake --unlock --configfile small.yaml", "snakemake --summary --configfile small.yaml"):
        done = finished.run(command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_can_be_started_from_elsewhere(finished, tmp_path):
    small = (finished.folder / "small.yaml").resolve()
    for place in (f"-s {finished.folder}/Snakefile", f"-s {finished.folder}/Snakefile --directory {tmp_path}/far"):
        (tmp_path / "far").mkdir(exist_ok=True)
        done = Workspace.run(SimpleNamespace(folder=tmp_path), f"snakemake {place} -n all --cores 1 --configfile {small}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "training" in jobs_of(done)


def test_a_threshold_tuned_on_songs_that_are_attacked_is_told(finished):
    finished.configure(
        "tuned", SMALL, {"run": "tuned", "detector": {"threshold": None}, "attacks": {"splits": ["valid", "test"]}}
    )
    assert finished.snakemake("corpus", config="tuned.yaml").returncode == 0
    page = (finished.folder / "results" / "tuned" / "tables" / "corpus.md").read_text()
    assert "threshold tuned on validation songs, which are also attacked" in page
