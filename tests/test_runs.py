"""The folder of a run says where it was made, its artefacts from what, and its logs what was odd."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from veracity.errors import ArtefactError
from veracity.experiments.stability import Stability
from veracity.jobs import runs, store
from veracity.jobs.provenance import check_inputs, describe
from veracity.jobs.tensors import save_tensors
from veracity.jobs.usage import warnings_of


def artefact(path, settings, inputs=()):
    empty, nothing = np.zeros(0), np.zeros((0, 0, 0))
    item = Stability(
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
    store.write(path, item, describe(settings=settings, seed=0, inputs=inputs))


def test_a_run_that_was_copied_or_renamed_is_known_by_its_mark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.read_mark("results/a") is None
    assert not runs.was_moved("results/a")
    runs.write_mark("results/a", ["results/a/x.csv"])
    assert runs.read_mark("results/a") == runs.Mark("results/a", ("results/a/x.csv",))
    assert not runs.was_moved("results/a")
    shutil.copytree("results/a", "results/b")
    assert runs.was_moved("results/b")
    runs.write_mark("results/b")
    assert not runs.was_moved("results/b")


def test_what_came_into_a_run_since_it_was_marked_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run/excerpts/old.h5", "run/flips/old.h5", "other/excerpts/copied.h5", "other/localised/deep/moved.h5"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    assert runs.came_since("run") == []  # nobody has marked it: all of it is looked at elsewhere
    time.sleep(0.02)
    runs.write_mark("run")
    assert runs.came_since("run") == []
    time.sleep(0.02)
    shutil.copy2("other/excerpts/copied.h5", "run/flips/copied.h5")  # as cp -p, which keeps the time of the content
    shutil.move("other/localised", "run/localised")  # which changes nothing of the files in it
    found = {path.as_posix() for path in runs.came_since("run")}
    assert {"run/flips/copied.h5", "run/localised/deep/moved.h5"} <= found
    assert "run/excerpts/old.h5" not in found


@pytest.mark.parametrize("damage", ["", "[]", '{"made_at": 1}'])
def test_a_damaged_mark_is_none(tmp_path, damage):
    (tmp_path / runs.MARK).write_text(damage)
    assert runs.read_mark(tmp_path) is None


def test_an_artefact_is_stale_when_it_was_made_with_other_settings_or_cannot_tell(tmp_path):
    settings = {"seed": 0, "frontend": {"f_min": 27.5}, "outside": {"audio": "abc"}}
    artefact(tmp_path / "a.h5", settings)
    save_tensors(tmp_path / "a.pt", {"settings": settings})
    (tmp_path / "a.csv").write_text("1\n")
    for name in ("a.h5", "a.pt"):
        assert not runs.is_stale(tmp_path / name, settings)
        assert runs.is_stale(tmp_path / name, {**settings, "outside": {"audio": "abd"}})
    assert runs.is_stale(tmp_path / "a.csv", settings)
    assert runs.is_stale(tmp_path / "absent.h5", settings)


def test_artefacts_that_are_read_together_were_made_from_each_other(tmp_path):
    excerpts, flips, page = (tmp_path / name for name in ("excerpts.h5", "flips.h5", "page.csv"))
    page.write_text("1\n")
    artefact(excerpts, {"seed": 0})
    artefact(flips, {"seed": 0}, inputs=[excerpts, page])
    check_inputs([excerpts, flips, page])
    artefact(excerpts, {"seed": 1})
    check_inputs([flips])  # alone it contradicts nothing
    with pytest.raises(ArtefactError, match=r"flips.h5 was made from another .*excerpts.h5: delete it and run"):
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


def test_warnings_of_jobs_that_a_run_no_longer_has_are_not_told(tmp_path):
    (tmp_path / "logs" / "spectrograms").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "logs" / "spectrograms" / f"{name}.log").write_text(f"WARNING veracity.songs.spectrograms {name}: silent\n")
    assert warnings_of(tmp_path, {str(tmp_path / "logs" / "spectrograms" / "a.log")}) == ["a: silent"]
    told_by_the_table = {str(tmp_path / "logs" / "spectrograms" / "a.log"), str(tmp_path / "logs" / "corpus.log")}
    assert warnings_of(tmp_path, told_by_the_table) == []
