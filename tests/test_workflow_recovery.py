"""Runs that are killed, damaged or copied."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from workspaces import RESULTS, SMALL, Workspace, jobs_of

from veracity.attacks.excerpts import Excerpts
from veracity.jobs import store

pytestmark = pytest.mark.slow
SONG = "synthetic-test-01"  # the attacked song
#: Targets that need every stage; other tables and figures are computed from the same artefacts.
EVERY_STAGE = ("figure1", "listening", "localisation", "sampling_error", "table1")


def test_single_excerpts_can_be_attacked(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"scope": "excerpt", "candidates": 6}})
    done = copy.snakemake(*(str(RESULTS / "excerpts" / domain / song) for domain in ("waveform", "spectrogram")))
    assert done.returncode == 0, done.stdout + done.stderr
    excerpts = store.read(copy.folder / RESULTS / "excerpts" / "waveform" / song, Excerpts)
    assert excerpts.scope == "excerpt"
    assert excerpts.n[-1].sum() == 6


def test_a_run_that_is_killed_twice_resumes_on_one_core_to_the_bytes_of_an_undisturbed_one(finished_run, tmp_path):
    """The undisturbed run had two cores, and therefore jobs with two threads."""
    workspace = Workspace(tmp_path)
    workspace.configure("small", SMALL, {"save_every_seconds": 0})
    results = tmp_path / RESULTS
    states = [results / "training" / "seed0.state.pt", results / "perturbations" / "waveform" / f"{SONG}.state.pt"]
    for state in states:
        workspace.kill_when(state.exists, *EVERY_STAGE, "--cores", "1")
        assert state.exists()
    done = workspace.snakemake(*EVERY_STAGE, "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming from the state" in (results / "logs" / "perturbations" / "waveform" / f"{SONG}.log").read_text()
    assert not any(state.exists() for state in states)
    made, undisturbed = workspace.digests(), finished_run.digests()
    assert made == {path: undisturbed[path] for path in made}
    assert {path for path in undisturbed if path.endswith((".h5", ".pt", ".flac"))} <= made.keys()
    assert {f"{RESULTS}/figures/figure1.png", f"{RESULTS}/tables/table1.csv"} <= made.keys()


def test_a_first_run_that_is_killed_after_a_table_resumes_without_removing_it(tmp_path):
    """The mark of the folder is there from the first start, so that its tables do not count as copied."""
    workspace = Workspace(tmp_path)
    workspace.configure("small", SMALL)
    workspace.kill_when((tmp_path / RESULTS / "tables" / "corpus.csv").exists, "corpus", "figure2")
    assert "figure2" in jobs_of(workspace.snakemake("-n", "figure2"))


def test_a_song_without_flips_is_named_and_stops_nothing(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"waveform": {"max_updates": 1, "eps": 1e-9}}})
    done = copy.snakemake("figure2", "figure3", "table1", "table2", "attacks")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (copy.folder / RESULTS / "logs" / "excerpts" / "waveform" / song).with_suffix(".log").read_text()
    assert f"{Path(song).stem}: the waveform attack has flipped no excerpt" in said
    assert "Raise attacks.waveform.max_updates" in said
    table = pd.read_csv(copy.folder / RESULTS / "tables" / "attacks.csv").set_index(["domain", "original"])
    assert table.loc[("waveform", "all"), "n_picked"] == 0
    assert table.loc[("spectrogram", "all"), "n_picked"] > 0


def test_a_copied_run_with_other_settings_is_refused_with_a_cure_that_works(copy):
    copied = copy.folder / "results" / "copied"
    shutil.copytree(copy.folder / RESULTS, copied)
    copy.configure("copied", SMALL, {"run": "copied"}, {"attacks": {"waveform": {"eps": 0.005}}})
    refused = copy.snakemake("-n", "figure2", config="copied.yaml")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "Traceback" not in said
    cure = re.search(r"rm -r results/copied/.*", said)[0]
    assert "results/copied/perturbations" in cure
    assert not {"training", "spectrograms", "predictions"} & {path.rpartition("/")[2] for path in cure.split()}
    assert copy.run(cure).returncode == 0
    done = copy.snakemake("figure2", config="copied.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not {"training", "spectrograms", "predictions"} & jobs_of(done)
    attributes = store.read_attributes(next((copied / "perturbations" / "waveform").glob("*.h5")))
    assert '"eps": 0.005' in attributes["settings"]
    assert jobs_of(copy.snakemake("-n", "figure2", config="copied.yaml")) == set()
    assert jobs_of(copy.snakemake("-n", "all")) == set()  # the run that was copied


def test_after_a_failed_job_everything_that_depends_on_it_is_made_again(copy):
    """Snakemake has removed the output of that job, and does not recompute it while the files made from it exist."""
    copy.configure("small", SMALL, {"attacks": {"waveform": {"eps": 0.005}}})
    in_the_way = copy.folder / RESULTS / "perturbations" / "waveform" / f"{SONG}.state.pt"
    in_the_way.mkdir()
    mark = copy.folder / RESULTS / ".made_at"
    mark.write_text(mark.read_text())  # as if it had been there before the run
    failed = copy.snakemake(str(in_the_way.relative_to(copy.folder)).replace(".state.pt", ".h5"))
    assert failed.returncode != 0
    in_the_way.rmdir()
    jobs = jobs_of(copy.snakemake("-n", "figure2"))
    assert {"perturbations", "excerpts", "explanations", "flips", "flip_rates", "figure2"} <= jobs


def test_a_truncated_artefact_is_named_with_the_cure(copy):
    (victim,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    victim.write_bytes(victim.read_bytes()[:3000])
    failed = copy.snakemake(str(RESULTS / "explanations" / "waveform" / victim.name))
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert victim.name in said
    assert "Delete it and run snakemake again." in said
    assert "Traceback" not in said
