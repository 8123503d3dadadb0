"""Runs that are killed, damaged or copied."""

import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from workspaces import RESULTS, SMALL, jobs_of

from veracity.attacks.excerpts import Excerpts
from veracity.jobs import store

pytestmark = pytest.mark.slow


def test_single_excerpts_can_be_attacked(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"scope": "excerpt", "candidates": 6}})
    done = copy.snakemake(*(str(RESULTS / "excerpts" / domain / song) for domain in ("waveform", "spectrogram")))
    assert done.returncode == 0, done.stdout + done.stderr
    excerpts = store.read(copy.folder / RESULTS / "excerpts" / "waveform" / song, Excerpts)
    assert excerpts.scope == "excerpt"
    assert excerpts.n[-1].sum() == 6


@pytest.mark.parametrize("rule", ["training", "perturbations"])
def test_a_killed_job_goes_on_to_the_same_bytes(copy, rule):
    (target,) = (copy.folder / RESULTS / rule).rglob("seed0.pt" if rule == "training" else "waveform/*.h5")
    settings = (
        {"detector": {"training": {"n_updates": 40}}} if rule == "training" else {"attacks": {"waveform": {"max_updates": 50}}}
    )
    copy.configure("small", SMALL, {"save_every_seconds": 0}, settings)
    wanted = str(target.relative_to(copy.folder))
    target.unlink()
    log = copy.folder / RESULTS / "logs" / target.relative_to(copy.folder / RESULTS).with_suffix(".log")
    copy.kill_when(target.with_suffix(".state.pt").exists, wanted)
    assert not target.exists()
    contents = []
    for goes_on in (True, False):
        done = copy.snakemake(wanted)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("going on from the state" in log.read_text()) == goes_on
        assert not target.with_suffix(".state.pt").exists()
        contents.append(target.read_bytes())
        target.unlink()
    assert contents[0] == contents[1]


def test_a_song_without_flips_is_named_and_stops_nothing(copy):
    (song,) = (path.name for path in (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5"))
    copy.configure("small", SMALL, {"attacks": {"waveform": {"max_updates": 1, "eps": 1e-9}}})
    done = copy.snakemake("figure2", "figure3", "table1", "table2", "attacks")
    assert done.returncode == 0, done.stdout + done.stderr
    said = (copy.folder / RESULTS / "logs" / "excerpts" / "waveform" / song).with_suffix(".log").read_text()
    assert f"{Path(song).stem}: the waveform attack has flipped no excerpt" in said
    assert "raise attacks.waveform.max_updates" in said
    table = pd.read_csv(copy.folder / RESULTS / "tables" / "attacks.csv").set_index(["domain", "original"])
    assert table.loc[("waveform", "all"), "n_picked"] == 0
    assert table.loc[("spectrogram", "all"), "n_picked"] > 0


def test_a_copied_run_with_other_settings_is_made_again_where_they_count(copy):
    copied = copy.folder / "results" / "copied"
    shutil.copytree(copy.folder / RESULTS, copied)
    for folder in ("figures", "tables", "listening", "localised", "stability", "drawings"):  # that it is quick to make again
        shutil.rmtree(copied / folder)
    copy.configure("copied", SMALL, {"run": "copied"}, {"attacks": {"waveform": {"eps": 0.005}}})
    jobs = jobs_of(copy.snakemake("-n", "all", config="copied.yaml"))
    assert {"perturbations", "excerpts", "flips", "table1", "figure2"} <= jobs
    assert not {"training", "spectrograms", "predictions"} & jobs
    done = copy.snakemake("figure2", config="copied.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    attributes = store.read_attributes(next((copied / "perturbations" / "waveform").glob("*.h5")))
    assert '"eps": 0.005' in attributes["settings"]
    assert jobs_of(copy.snakemake("-n", "figure2", config="copied.yaml")) == set()
    assert jobs_of(copy.snakemake("-n", "all")) == set()  # the run that was copied


def test_a_failed_job_leaves_the_results_that_were_there(copy):
    (kept,) = (copy.folder / RESULTS / "localised" / "waveform").glob("*.h5")
    before, began = kept.read_bytes(), time.time()
    (excerpts,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    whole = excerpts.read_bytes()
    excerpts.write_bytes(whole[:3000])
    failed = copy.snakemake(str(kept.relative_to(copy.folder)), "--forcerun", "localised")
    assert failed.returncode != 0
    assert "AssertionError" not in failed.stdout + failed.stderr
    assert kept.read_bytes() == before
    assert kept.stat().st_mtime < began  # not as if it were new
    excerpts.write_bytes(whole)


def test_a_truncated_artefact_is_named_with_the_cure(copy):
    (victim,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    victim.write_bytes(victim.read_bytes()[:3000])
    failed = copy.snakemake(str(RESULTS / "explanations" / "waveform" / victim.name))
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert victim.name in said
    assert "delete it" in said
    assert "Traceback" not in said
