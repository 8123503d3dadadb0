"""The commit of the code and the inputs of a run, as listed in the report."""

import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
from workspaces import ROOT

from veracity.jobs import origins, provenance, store


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Artefact with numbers."""

    numbers: np.ndarray = store.array("number", unit="1", doc="any")


def git(folder, *arguments):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    return subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_a_checkout_and_whether_it_was_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(origins, "PACKAGE", tmp_path / "veracity")
    assert origins.commit() == "none: the library is not in a checkout"
    git(tmp_path, "init", "-q")
    (tmp_path / "other.txt").write_text("somebody else's checkout")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "other")
    (tmp_path / "veracity").mkdir()
    shutil.copy(ROOT / "veracity" / "__init__.py", tmp_path / "veracity")
    assert origins.commit() == "none: the library is not in a checkout"  # it is inside a repository, but not part of it
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "ours")
    assert origins.commit() == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "veracity" / "__init__.py").write_text("changed = True")
    assert origins.commit().endswith(", with uncommitted changes")


def test_what_a_run_has_read_from_outside(tmp_path):
    song, run = tmp_path / "corpus" / "audio" / "a song.ogg", tmp_path / "results" / "run"
    song.parent.mkdir(parents=True)
    song.write_bytes(b"some audio")
    for stage, inputs in (("spectrograms", [song]), ("excerpts", [run / "spectrograms" / "a-song.h5"])):
        (run / stage).mkdir(parents=True)
        told = provenance.describe(settings={}, seed=0, inputs=list(map(str, inputs)))
        store.write(run / stage / "a-song.h5", Numbers(numbers=np.arange(3.0)), told)
    (run / "excerpts" / ".a-song-0123456789abcdef-01234567.h5").write_bytes(b"half, of a killed writer")
    found = origins.inputs_of(run)
    assert list(found) == ["corpus/audio/a song.ogg"]  # artefacts of the run itself are not external inputs
    assert len(found["corpus/audio/a song.ogg"]) == 16
