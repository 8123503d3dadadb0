"""Copied or renamed runs are rejected if their files may have been computed with other settings."""

import shutil
import time
from pathlib import Path

import pytest
from test_config import DEFAULT, merged
from test_runs import empty_stability
from workspaces import SMALL

from veracity.errors import ArtefactError
from veracity.jobs import store
from veracity.jobs.provenance import describe
from veracity.workflow.copied import mark, refuse_copied
from veracity.workflow.runs import runs_of

ARTEFACT = "excerpts/waveform/synthetic-test-01.h5"


def run_of(name, **changes):
    return runs_of(merged(merged(DEFAULT, SMALL), {"run": name, **changes}))[""]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a run with an artefact and a table that Snakemake has created."""
    monkeypatch.chdir(tmp_path)
    Path(".snakemake/metadata").mkdir(parents=True)
    run = run_of("a")
    write(run, ARTEFACT)
    Path(run.folder, "tables").mkdir()
    Path(run.folder, "tables", "table1.csv").write_text("1\n")
    time.sleep(0.02)
    mark(run)
    return run


def write(run, path):
    settings = run.settings_of(path.split("/")[0], domain="waveform", song="synthetic-test-01")
    store.write(Path(run.folder, path), empty_stability(), describe(settings=settings, seed=0))


def test_run_in_its_own_folder_is_left_to_snakemake_whatever_its_settings(made):
    refuse_copied(made)
    refuse_copied(run_of("a", excerpts={"per_direction": 3}))


def test_copied_run_is_refused_until_what_cannot_show_its_settings_is_removed(made):
    shutil.copytree("results/a", "results/b")
    with pytest.raises(ArtefactError, match=r"^results/b: .* Remove them to compute them again: rm -r results/b/tables$"):
        refuse_copied(run_of("b"))
    shutil.rmtree("results/b/tables")
    Path("results/b/tables").mkdir()  # as Snakemake does before a job
    refuse_copied(run_of("b"))
    with pytest.raises(ArtefactError, match=r"rm -r results/b/excerpts$"):
        refuse_copied(run_of("b", excerpts={"per_direction": 3}))


def test_what_was_made_from_stale_artefacts_is_removed_with_them(made):
    write(made, ARTEFACT.replace("excerpts", "flips"))
    write(made, ARTEFACT.replace("excerpts", "perturbations"))
    shutil.copytree("results/a", "results/b")
    with pytest.raises(ArtefactError, match=r"rm -r results/b/excerpts results/b/flips results/b/tables$"):
        refuse_copied(run_of("b", excerpts={"per_direction": 3}))


def test_files_copied_into_a_run_are_compared_even_if_they_claim_to_be_older(made):
    other = run_of("other", excerpts={"per_direction": 3})
    write(other, ARTEFACT)
    time.sleep(0.02)
    mark(made)
    time.sleep(0.02)
    shutil.copy2(Path(other.folder, ARTEFACT), Path(made.folder, ARTEFACT))
    with pytest.raises(ArtefactError, match=r"rm -r results/a/excerpts$"):
        refuse_copied(made)
    shutil.rmtree("results/a/excerpts")
    shutil.move("results/other/excerpts", "results/a/excerpts")  # which does not change the times of the files in it
    with pytest.raises(ArtefactError, match=r"rm -r results/a/excerpts$"):
        refuse_copied(made)


def test_run_without_snakemakes_records_is_compared(made):
    shutil.rmtree(".snakemake")
    with pytest.raises(ArtefactError, match="results/a/tables"):
        refuse_copied(made)


def test_damaged_artefact_is_left_to_the_job_that_reads_it_unless_it_was_copied(made):
    time.sleep(0.02)
    Path(made.folder, ARTEFACT).write_bytes(b"nothing")
    refuse_copied(made)
    shutil.copytree("results/a", "results/b")
    with pytest.raises(ArtefactError, match="results/b/excerpts results/b/tables"):
        refuse_copied(run_of("b"))


def test_copied_artefacts_that_a_run_may_read_later_are_removed_and_other_files_do_not_count(made):
    shutil.copytree("results/a", "results/b")
    shutil.rmtree("results/b/tables")
    Path("results/b/notes.txt").touch()
    Path("results/b/excerpts/waveform/a.state.pt").touch()
    refuse_copied(run_of("b"))
    shutil.copy("results/b/excerpts/waveform/synthetic-test-01.h5", "results/b/excerpts/waveform/other.h5")
    with pytest.raises(ArtefactError, match=r"rm -r results/b/excerpts$"):
        refuse_copied(run_of("b"))
    shutil.move("results/b/excerpts/waveform/other.h5", "results/a/excerpts/waveform/other.h5")
    refuse_copied(made)  # which Snakemake has recorded
