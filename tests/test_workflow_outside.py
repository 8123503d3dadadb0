"""External songs, labels, checkpoints, drawings and models: replaced, unusual or unusable."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from networks import random_detector
from workspaces import SMALL, Workspace, a_checkpoint, jobs_of, write_corpus_of_one_song

from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.settings import Architecture

pytestmark = pytest.mark.slow
#: Targets that need every stage; the other tables and figures would be computed from the same artefacts.
EVERY_STAGE = ("attacks", "corpus", "figure1", "figure2", "localisation")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def with_outside(workspace, tmp_path_factory):
    """Return a folder with a custom corpus, checkpoint, drawing and model, after a run of all stages."""
    folder = tmp_path_factory.mktemp("outside")
    write_corpus_of_one_song(folder / "corpus")
    (folder / "drawn").mkdir()
    np.save(folder / "drawn" / "a.npy", np.eye(115, 80))
    (folder / "own_helper.py").write_text("SIGN = 1\n")
    model = (
        "import numpy as np\nfrom own_helper import SIGN\n\n\ndef p(x):\n    return np.clip(SIGN * x.mean(axis=(1, 2)), 0, 1)\n"
    )
    (folder / "own_model.py").write_text(model)
    save_checkpoint(folder / "own.pt", Checkpoint(random_detector(), threshold=0.5))
    own = {
        "run": "outside",
        "corpus": {"kind": "folder", "folder": str(folder / "corpus")},
        "detector": {"checkpoint": str(folder / "own.pt")},
        "drawings": {"folder": str(folder / "drawn"), "shapes": ["wiggle"], "n_placements": 1},
        "model": {"predict": "own_model:p"},
        "lime": {"n_time": 3, "n_band": 2, "n_samples": 64},
        "stability": {"n_samples": []},
        "attacks": {"waveform": {"max_updates": 1}, "spectrogram": {"max_updates": 1}},
    }
    workspace.configure("outside", SMALL, own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        done = workspace.snakemake(*EVERY_STAGE, config="outside.yaml")
        assert done.returncode == 0, done.stdout + done.stderr
        assert jobs_of(workspace.snakemake("-n", *EVERY_STAGE, config="outside.yaml")) == set()
        yield folder


def replace_outside(folder, what):
    """Replace an external file by another of its kind, and return its path."""
    if what == "audio":
        path = folder / "corpus" / "audio" / "a, song.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal(44100), 22050)
    elif what == "labels":
        path = folder / "corpus" / "labels" / "a, song.lab"
        path.write_text("0 1.5 sing\n1.5 2 nosing\n")
    elif what == "checkpoint":
        path = folder / "own.pt"
        save_checkpoint(path, Checkpoint(random_detector(seed=5), threshold=0.5))
    elif what == "drawing":
        path = folder / "drawn" / "a.npy"
        np.save(path, np.eye(115, 80)[::-1])
    else:
        path = folder / "own_helper.py"
        path.write_text("SIGN = -1\n")
    return path


def test_what_lies_outside_re_runs_what_uses_it_whatever_its_time(workspace, with_outside):
    before = {path: (path.read_bytes(), path.stat()) for path in with_outside.rglob("*") if path.is_file()}
    for what, rule in (
        ("audio", "spectrograms"),
        ("labels", "spectrograms"),
        ("checkpoint", "imported"),
        ("drawing", "drawings"),
        ("model", "explanations"),
    ):
        path = replace_outside(with_outside, what)
        content, stat = before[path]
        os.utime(path, (stat.st_atime - 1000, stat.st_mtime - 1000))
        assert rule in jobs_of(workspace.snakemake("-n", *EVERY_STAGE, config="outside.yaml")), what
        path.write_bytes(content)
        os.utime(path, (stat.st_atime, stat.st_mtime))
    assert jobs_of(workspace.snakemake("-n", *EVERY_STAGE, config="outside.yaml")) == set()


def test_a_model_that_the_perturbation_does_not_fool_is_named_with_both_rates(workspace, with_outside):
    results = workspace.folder / "results" / "outside"
    table = pd.read_csv(results / "tables" / "attacks.csv")
    assert set(table.model) == {"detector", "own_model:p"}
    assert table.corpus.str.contains("explained: own_model:p").all()
    assert (results / "figures" / "figure2.png").is_file()


def test_braces_in_a_note_are_kept_and_in_the_name_of_a_song_refused(workspace, tmp_path):
    write_corpus_of_one_song(tmp_path / "corpus", "a b")
    own = {"run": "braces", "corpus": {"kind": "folder", "folder": str(tmp_path / "corpus"), "note": "a {note}"}}
    workspace.configure("braces", SMALL, own, a_checkpoint(tmp_path))
    done = workspace.snakemake("results/braces/tables/corpus.csv", config="braces.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a {note}" in (workspace.folder / "results/braces/tables/corpus.csv").read_text()
    write_corpus_of_one_song(tmp_path / "other", "a {b}")
    workspace.configure("braces", SMALL, own, a_checkpoint(tmp_path), {"corpus": {"folder": str(tmp_path / "other")}})
    refused = workspace.snakemake("-n", "corpus", config="braces.yaml")
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "a {b}.wav: must not contain braces, which Snakemake reads as wildcards. Rename the file or folder." in said
    assert "Traceback" not in said


def test_songs_that_cannot_be_used_are_named_and_leave_nothing(workspace, tmp_path):
    """All unusable songs are in one corpus; the other songs are processed."""
    corpus = tmp_path / "corpus"
    write_corpus_of_one_song(corpus, "fine")
    spoils = {
        "empty": (lambda song, labels: song.write_bytes(b""), "cannot be decoded"),
        "noise": (lambda song, labels: song.write_bytes(b"noise" * 1000), "cannot be decoded"),
        "short": (lambda song, labels: soundfile.write(song, np.zeros(20000), 22050), "shorter than one excerpt of 1.64 s"),
        "nan": (lambda song, labels: soundfile.write(song, np.full(44100, np.nan), 22050, subtype="FLOAT"), "not finite"),
        "malformed": (lambda song, labels: labels.write_text("0 1\n"), "malformed"),
        "unsorted": (lambda song, labels: labels.write_text("0 2 sing\n1 2 nosing\n"), "unsorted"),
    }
    for name, (spoil, _) in spoils.items():
        song, labels = corpus / "audio" / f"a, {name}.wav", corpus / "labels" / f"a, {name}.lab"
        shutil.copy(corpus / "audio" / "fine.wav", song)
        shutil.copy(corpus / "labels" / "fine.lab", labels)
        spoil(song, labels)
    (corpus / "filelists" / "test").write_text("".join(f"{path.name}\n" for path in (corpus / "audio").iterdir()))
    own = {"run": "spoilt", "corpus": {"kind": "folder", "folder": str(corpus)}, **a_checkpoint(tmp_path)}
    config = workspace.configure("spoilt", SMALL, own)
    results = workspace.folder / "results" / "spoilt"
    targets = [f"results/spoilt/spectrograms/{name}.h5" for name in ("fine", *(f"a-{name}" for name in spoils))]
    failed = workspace.snakemake("--keep-going", *targets, config=config)
    assert failed.returncode != 0
    assert "Traceback" not in failed.stdout + failed.stderr
    assert [path.name for path in (results / "spectrograms").iterdir()] == ["fine.h5"]
    for name, (_, message) in spoils.items():
        said = (results / "logs" / "spectrograms" / f"a-{name}.log").read_text()
        assert message in said, name
        assert f"a, {name}" in said
        assert message in failed.stdout + failed.stderr


def test_a_checkpoint_of_another_architecture_is_named(workspace, tmp_path):
    write_corpus_of_one_song(tmp_path / "corpus")
    save_checkpoint(tmp_path / "other.pt", Checkpoint(random_detector(Architecture(layers="ismir2016")), settings={}))
    own = {"run": "other", "corpus": {"kind": "folder", "folder": str(tmp_path / "corpus")}}
    config = workspace.configure("other", SMALL, own, {"detector": {"checkpoint": str(tmp_path / "other.pt")}})
    failed = workspace.snakemake("results/other/imported/checkpoint.pt", config=config)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "other.pt" in said
    assert "Set detector.architecture" in said
    assert "Traceback" not in said
