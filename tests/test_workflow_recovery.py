"""Runs that are killed, damaged or copied."""

import re
import shutil
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
    assert excerpts.n_sing + excerpts.n_nosing == 6


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


def test_a_copied_run_with_other_settings_is_refused_with_a_cure_that_works(copy):
    copied = copy.folder / "results" / "copied"
    shutil.copytree(copy.folder / RESULTS, copied)
    copy.configure("copied", SMALL, {"run": "copied"}, {"attacks": {"waveform": {"eps": 0.005}}})
    refused = copy.snakemake("-n", "figure2", config="copied.yaml")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "Traceback" not in said
    cure = re.search(r"rm -r results/copied/figures .*", said)[0]
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


def test_a_truncated_artefact_is_named_with_the_cure(copy):
    (victim,) = (copy.folder / RESULTS / "excerpts" / "waveform").glob("*.h5")
    victim.write_bytes(victim.read_bytes()[:3000])
    failed = copy.snakemake(str(RESULTS / "explanations" / "waveform" / victim.name))
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert victim.name in said
    assert "delete it" in said
    assert "Traceback" not in said
