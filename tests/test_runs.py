"""Artefacts that are read together, and warnings in logs."""

import os

import numpy as np
import pytest

from veracity.errors import ArtefactError
from veracity.experiments.stability import Stability
from veracity.jobs import store
from veracity.jobs.provenance import check_inputs, describe
from veracity.jobs.usage import warnings_of


def empty_stability():
    empty, nothing = np.zeros(0), np.zeros((0, 0, 0))
    return Stability(
        fill="mean",
        n_samples=np.zeros(0, dtype=int),
        original=np.zeros(0, dtype=str),
        weight_error=nothing,
        top_right=nothing,
        top_overlap=nothing,
        fidelity=nothing,
        fidelity_exact=empty,
        audit=empty,
    )


def artefact(path, settings, inputs=()):
    store.write(path, empty_stability(), describe(settings=settings, seed=0, inputs=inputs))


def test_artefacts_that_are_read_together_were_made_from_each_other(tmp_path):
    excerpts, flips, page = (tmp_path / name for name in ("excerpts.h5", "flips.h5", "page.csv"))
    page.write_text("1\n")
    artefact(excerpts, {"seed": 0})
    artefact(flips, {"seed": 0}, inputs=[excerpts, page])
    check_inputs([excerpts, flips, page])
    artefact(excerpts, {"seed": 1})
    check_inputs([flips])  # a single file contradicts no other
    with pytest.raises(ArtefactError, match=r"flips.h5: computed from another version of .*excerpts.h5\. Delete it and run"):
        check_inputs([excerpts, flips])


def test_warnings_of_jobs_are_gathered_once_each_and_those_of_libraries_are_not(tmp_path):
    (tmp_path / "logs" / "excerpts").mkdir(parents=True)
    (tmp_path / "logs" / "excerpts" / "a.log").write_text(
        "WARNING veracity.attacks.excerpts a: no flip\nINFO veracity.x fine\n"
    )
    (tmp_path / "logs" / "excerpts" / "b.log").write_text("WARNING veracity.attacks.excerpts a: no flip\n")
    (tmp_path / "logs" / "corpus.log").write_text("WARNING py.warnings old API\nWARNING veracity.results.corpus b: silent\n")
    assert warnings_of(tmp_path) == ["b: silent", "a: no flip"]
    assert warnings_of(tmp_path / "none") == []


def test_warnings_of_earlier_jobs_are_left_out_and_those_about_songs_are_in_their_table(tmp_path):
    logs = tmp_path / "logs" / "spectrograms"
    logs.mkdir(parents=True)
    for name in ("a", "b"):
        (logs / f"{name}.log").write_text(f"WARNING veracity.songs.spectrograms {name}: silent\n")
    os.utime(logs / "b.log", (1000, 1000))
    assert warnings_of(tmp_path, since=2000) == ["a: silent"]
    (tmp_path / "logs" / "corpus.log").touch()
    assert warnings_of(tmp_path) == []
