"""Every block of code in README and docs runs as written; tests/test_commands.py runs the commands."""

import re

import numpy as np
import pytest
import torch
import yaml
from networks import random_detector
from workspaces import ROOT, Workspace

from veracity import notebook
from veracity.classifiers.building import ModelSettings, built
from veracity.classifiers.protocol import ARG_MAX
from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.explainers.evaluate import explain
from veracity.explainers.settings import READY, explainers_of
from veracity.games.callables import callable_evaluator
from veracity.games.grid import SegmentGrid
from veracity.games.models import explained_model
from veracity.songs.audio import write_audio
from veracity.songs.corpus import songs_of
from veracity.songs.label_files import read_labels

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
COMMANDS = ("snakemake ", "make ", "rm ", "python ", "pip ", "veracity ")
#: Test that runs each block that is not a list of commands, by page and first line.
RUN_BY = {
    ("running.md", "from veracity import notebook"): "test_the_notebook_of_the_docs_explains",
    ("corpus.md", "# config/songs.yaml"): "test_configurations_are_accepted",
    ("corpus.md", "my_corpus/"): "test_a_corpus_as_it_is_drawn_is_read",
    ("corpus.md", "0.000 12.345 nosing"): "test_a_corpus_as_it_is_drawn_is_read",
    ("corpus.md", "# config/mine.yaml"): "test_configurations_are_accepted",
    ("explainers.md", "explainers:"): "test_explainers_are_read",
    ("explainers.md", "# my_explainer.py, on PYTHONPATH"): "test_explainers_explain",
    ("explainers.md", "# my_methods.py"): "test_explainers_explain",
    ("explainers.md", "import numpy as np"): "test_explainers_explain",
    ("page.md", "# config/drawn.yaml"): "test_configurations_are_accepted",
    ("variants.md", "# config/variants.yaml"): "test_configurations_are_accepted",
    ("model.md", "# my_cnn.py, on PYTHONPATH"): "test_a_classifier_is_built_and_explained",
    ("model.md", "# config/my_cnn.yaml"): "test_a_classifier_is_built_and_explained",
    ("model.md", "# my_model.py, on PYTHONPATH"): "test_a_black_box_predicts",
    ("model.md", 'model: {predict: "my_model:p_sing", threshold: null}   # null: the detector\'s threshold'): (
        "test_configurations_are_accepted"
    ),
    ("model.md", "import torch"): "test_a_classifier_is_built_and_explained",
}


def blocks(page):
    """Return the blocks of code of a page."""
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def block(name):
    """Return a block of code by page and first line."""
    page, first = name
    (text,) = (text for path in PAGES if path.name == page for text in blocks(path) if text.splitlines()[0] == first)
    return text


def test_every_block_is_run_by_a_test():
    found = {(page.name, text.splitlines()[0]) for page in PAGES for text in blocks(page)}
    assert {name for name in found if not name[1].startswith(COMMANDS)} == RUN_BY.keys()
    assert all(callable(globals().get(test)) for test in RUN_BY.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, test in RUN_BY.items() if test == "test_configurations_are_accepted"])
def test_configurations_are_accepted(tmp_path, name, monkeypatch):
    """Dry run of all targets on an existing folder of songs."""
    text = block(name)
    (tmp_path / "my_model.py").write_text(block(("model.md", "# my_model.py, on PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    songs = tmp_path / "songs"
    for folder in ("audio", "labels", "filelists"):
        (songs / folder).mkdir(parents=True)
    for split in ("train", "valid", "test"):
        write_audio(songs / "audio" / f"{split}.wav", np.random.default_rng(0).normal(0, 0.1, 22050 * 4), 22050)
        (songs / "labels" / f"{split}.lab").write_text("0 2 nosing\n2 4 sing\n")
        (songs / "filelists" / split).write_text(f"{split}.wav\n")
    text = re.sub(r"/data/my_\w+", str(songs), text)
    (tmp_path / "checkout").mkdir()
    workspace = Workspace(tmp_path / "checkout")
    (workspace.folder / "page.yaml").write_text(text)
    (workspace.folder / "drawings").mkdir()  # as the page saves them
    np.save(workspace.folder / "drawings" / "mine.npy", np.eye(115, 80, dtype=np.float32))
    done = workspace.snakemake("-n", "all", config="page.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "perturbations" in done.stdout


def test_a_corpus_as_it_is_drawn_is_read(tmp_path):
    drawn = block(("corpus.md", "my_corpus/"))
    folders = re.findall(r"^  (\w+)/", drawn, re.MULTILINE)
    assert folders == ["audio", "labels", "filelists"]
    for folder in folders:
        (tmp_path / folder).mkdir()
    names = ["a song.ogg", "another song.mp3"]
    assert all(name in drawn for name in names)
    for name in names:
        (tmp_path / "audio" / name).touch()
        (tmp_path / "labels" / name).with_suffix(".lab").write_text(block(("corpus.md", "0.000 12.345 nosing")))
    for split, listed in {"train": names[:1], "valid": [], "test": names[1:]}.items():
        (tmp_path / "filelists" / split).write_text("".join(f"{name}\n" for name in listed))
    songs = songs_of("folder", tmp_path)
    assert {song.split for song in songs} == {"train", "test"}
    intervals = read_labels(songs[0].labels)
    assert [tuple(one) for one in intervals] == [(0, 12.345, "nosing"), (12.345, 20, "sing")]


@pytest.mark.slow
def test_the_notebook_of_the_docs_explains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block(("running.md", "from veracity import notebook")), names)
    assert "LIME's first 3 for" in capsys.readouterr().out
    assert (tmp_path / "explained.png").stat().st_size > 10_000
    before = names["song"].read_bytes()
    assert notebook.example().read_bytes() == before


def test_explainers_are_read():
    settings = yaml.safe_load(block(("explainers.md", "explainers:")))["explainers"]
    assert [one.name for one in explainers_of(settings)] == ["shapley", "kernel_shap_512", "effect_per_energy", "stored"]


@pytest.mark.slow
def test_explainers_explain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_explainer.py").write_text(block(("explainers.md", "# my_explainer.py, on PYTHONPATH")))
    (tmp_path / "my_methods.py").write_text(block(("explainers.md", "# my_methods.py")))
    import my_explainer
    import my_methods

    detector, grid = random_detector(), SegmentGrid(3, 2)
    excerpt = np.random.default_rng(1).normal(-3, 1.5, (grid.n_frames, grid.n_mels)).astype(np.float32)

    def ask(explainer):
        model, rng = explained_model(detector, grid), np.random.default_rng(0)
        return explain(explainer, model, excerpt, grid, "sing", threshold=0.5, rng=rng).weights

    for function in (my_explainer.effect_per_energy, my_methods.ablation, my_methods.stratified):
        assert ask(function).shape == (6,)
    np.testing.assert_allclose(ask(my_methods.ablation), ask("occlusion"), atol=1e-4)
    save_checkpoint(tmp_path / "detector.pt", Checkpoint(detector, threshold=0.5))
    write_audio(tmp_path / "song.wav", np.random.default_rng(0).normal(0, 0.1, 22050 * 4), 22050)
    names = {}
    exec(block(("explainers.md", "import numpy as np")).replace("song.mp3", "song.wav"), names)
    assert names["explanation"].weights.shape == (20,)


def test_the_page_names_every_ready_explainer():
    page = (ROOT / "docs" / "explainers.md").read_text()
    assert [name for name in READY if f"`{name}`" not in page] == []


def test_a_classifier_is_built_and_explained(tmp_path, monkeypatch):
    (tmp_path / "my_cnn.py").write_text(block(("model.md", "# my_cnn.py, on PYTHONPATH")))
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = yaml.safe_load(block(("model.md", "# config/my_cnn.yaml")))["model"]
    one = built(ModelSettings(**settings))
    assert (one.label, one.threshold, one.shape) == ("music", ARG_MAX, (60, 40))
    names = {}
    exec(block(("model.md", "import torch")), names)
    assert names["model"].evaluator.name == "tables"
    assert len(names["values"]) == 2**20


def test_a_black_box_predicts(tmp_path, monkeypatch):
    (tmp_path / "my_model.py").write_text(block(("model.md", "# my_model.py, on PYTHONPATH")))
    monkeypatch.syspath_prepend(str(tmp_path))
    excerpts = torch.randn(5, 115, 80) - 4
    p = torch.sigmoid(callable_evaluator("my_model:p_sing").predict_logits(excerpts))
    torch.testing.assert_close(p.float(), torch.sigmoid(excerpts[:, :, 20:60].mean(dim=(1, 2)) + 4))
