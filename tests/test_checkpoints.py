"""Checkpoints of veracity, checkpoints of other programs, and files that are mistaken for checkpoints."""

import gzip
import hashlib
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from networks import random_detector
from workspaces import SMALL as SMALL_RUN
from workspaces import Workspace, write_corpus_of_one_song

from veracity.detector import pretrained
from veracity.detector.checkpoints import CONTAINERS, FORMAT, Checkpoint, load_checkpoint, save_checkpoint
from veracity.detector.pretrained import PRETRAINED
from veracity.detector.settings import Architecture
from veracity.errors import CheckpointError, ConfigError
from veracity.songs.frontend import FrontEnd

#: Small network, so that tests are fast; the paper's is used only where a test requires it.
SMALL = {"excerpt_frames": 25, "n_mels": 25}
FRONTEND = FrontEnd(**SMALL)
ARCHITECTURES = [Architecture(layers, zero_mean) for layers in ("ismir2015", "ismir2016") for zero_mean in (True, False)]


@pytest.fixture(scope="module")
def detector():
    return random_detector(**SMALL)


@pytest.fixture
def state(detector):
    return {name: tensor.clone() for name, tensor in detector.state_dict().items()}


def assert_same_weights(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def load_bare(path):
    return load_checkpoint(path, frontend=FRONTEND).detector


def assert_refused(path, *words, **options):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, **options)
    message = str(caught.value)
    for word in (str(path), *words):
        assert word in message
    assert len(message) < 600
    for jargon in ("weights_only", "torch.load", "pickle", "Traceback", "\n"):
        assert jargon not in message.replace(str(path), "")
    return message


# --- Ours


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_checkpoint_comes_back_exactly_and_its_bytes_do_not_depend_on_its_name(tmp_path, architecture):
    checkpoint = Checkpoint(random_detector(architecture), threshold=0.4, settings={"seed": 3})
    for name in ("a.pt", "another.pt"):
        save_checkpoint(tmp_path / name, checkpoint)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()
    back = load_checkpoint(tmp_path / "a.pt", architecture=architecture, frontend=FrontEnd())
    assert back.threshold == 0.4
    assert back.settings == {"seed": 3}
    assert back.detector.architecture == architecture
    assert_same_weights(checkpoint.detector, back.detector)


def ours(detector, **changes):
    """Return the content of a veracity checkpoint, as torch loads it, without a digest."""
    content = {
        "format": FORMAT,
        "architecture": asdict(detector.architecture),
        "frontend": asdict(detector.frontend),
        "threshold": 0.4,
        "settings": {"seed": 3},
        "state_dict": dict(detector.state_dict()),
    }
    return {**content, **changes}


def test_checkpoints_of_before_there_were_digests_are_read(tmp_path, detector):
    torch.save(ours(detector), tmp_path / "a.pt")
    back = load_checkpoint(tmp_path / "a.pt", frontend=FRONTEND)
    assert back.threshold == 0.4
    assert_same_weights(detector, back.detector)


def test_no_flipped_byte_passes(tmp_path, detector):
    path = tmp_path / "a.pt"
    save_checkpoint(path, Checkpoint(detector, threshold=0.4, settings={"seed": 3}))
    whole, rng, n_refused = path.read_bytes(), np.random.default_rng(0), 0
    head = whole.index(b"PK", 4)  # the end of the record with structure and settings
    for place in [*rng.integers(head, size=25).tolist(), *rng.integers(len(whole), size=25).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            back = load_checkpoint(path)
        except CheckpointError:
            n_refused += 1
        else:
            assert (back.threshold, back.settings) == (0.4, {"seed": 3})
            assert_same_weights(detector, back.detector)
    assert n_refused > 25


def test_our_checkpoint_of_another_architecture_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.pt", Checkpoint(random_detector(Architecture("ismir2016"))))
    said = "detector.architecture.layers ismir2016 instead of ismir2015. Set detector.architecture.layers as in"
    assert_refused(tmp_path / "a.pt", said, architecture=Architecture())


def test_our_checkpoint_of_another_front_end_is_refused_with_each_field_that_differs(tmp_path):
    other = FrontEnd(sample_rate=16000, f_max=7000.0)
    save_checkpoint(tmp_path / "a.pt", Checkpoint(random_detector(sample_rate=16000, f_max=7000.0), threshold=0.4))
    message = assert_refused(
        tmp_path / "a.pt",
        "frontend.sample_rate 16000 instead of 22050",
        "frontend.f_max 7000.0 instead of 8000.0",
        "Set frontend.sample_rate, frontend.f_max as in the checkpoint",
        frontend=FrontEnd(),
    )
    assert "n_mels" not in message
    assert load_checkpoint(tmp_path / "a.pt").detector.frontend == other
    assert load_checkpoint(tmp_path / "a.pt", frontend=other).detector.frontend == other


@pytest.mark.parametrize(
    "written", ["veracity detector 2", "veracity detector 10", "veracity detector", "veracity detector 1 "]
)
def test_checkpoints_of_other_versions_are_refused_as_such(tmp_path, detector, written):
    torch.save(ours(detector, format=written), tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "of this version of veracity", f"got '{written.strip()}")


@pytest.mark.parametrize("key", ["format", "architecture", "frontend", "threshold", "settings", "state_dict"])
def test_a_missing_key_is_named(tmp_path, detector, key):
    content = ours(detector)
    del content[key]
    torch.save(content, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", key, "Train again, or give another file.")


def test_a_value_of_another_kind_is_refused(tmp_path, detector):
    for key in ("format", "architecture", "frontend", "threshold", "settings", "state_dict"):
        for value in (None, 3, "half", [1], {"x": 1}, torch.zeros(2), True, float("nan")):
            if (key == "threshold" and value is None) or (key == "settings" and isinstance(value, dict)):
                continue
            torch.save(ours(detector, **{key: value}), tmp_path / "a.pt")
            assert_refused(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threshold": "half"}, "threshold: 'half' is not of type 'number', 'null'"),
        ({"threshold": float("nan")}, "threshold: must be a number from 0 to 1, got nan"),
        ({"threshold": float("inf")}, "threshold: must be a number from 0 to 1, got inf"),
        ({"threshold": 2.0}, "threshold: must be a number from 0 to 1, got 2.0"),
        ({"threshold": -0.1}, "threshold: must be a number from 0 to 1, got -0.1"),
        ({"threshold": 10**400}, "threshold: must be a number from 0 to 1, got"),
        ({"extra": 1}, "extra"),
        ({3: 1}, "3"),
        ({"architecture": {"layers": "ismir2015"}}, "zero_mean"),
        ({"architecture": {"layers": "ismir2015", "zero_mean": "yes"}}, "zero_mean"),
        ({"architecture": {"layers": "ismir2014", "zero_mean": True}}, "ismir2014"),
        ({"architecture": {"layers": ["ismir2015"], "zero_mean": True}}, "layers"),
        ({"architecture": {"layers": "ismir2015", "zero_mean": True, "depth": 3}}, "depth"),
        ({"settings": []}, "settings"),
        ({"settings": "x" * 100_000}, "settings"),
        ({"state_dict": {}}, "is missing"),
        ({"state_dict": {"conv1.weight": "x"}}, "dictionary of"),
        ({"state_dict": {3: torch.zeros(1)}}, "dictionary of"),
    ],
)
def test_our_checkpoint_with_a_wrong_key_or_value_is_refused(tmp_path, detector, changes, words):
    torch.save({**ours(detector), **changes}, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", words)


def test_our_checkpoint_with_a_front_end_that_none_can_have_is_refused(tmp_path, detector):
    numbers = ("1", None, float("nan"), -1, [1], 10**30, True, torch.tensor(1))
    for changes in (
        *({name: value} for name in asdict(FRONTEND) for value in numbers),
        *({name: 0} for name in asdict(FRONTEND) if name != "f_min"),
        *({name: 80.5} for name in ("sample_rate", "frame_samples", "hop_samples", "n_mels", "excerpt_frames")),
        {"f_min": 9000.0},
        {"n_mels": 1},
        {"excerpt_frames": 3},
        {"excerpt_frames": 1999},
        {"more": 1},
    ):
        torch.save(ours(detector, frontend={**asdict(FRONTEND), **changes}), tmp_path / "a.pt")
        assert_refused(tmp_path / "a.pt")


def test_a_front_end_that_lacks_a_field_is_refused(tmp_path, detector):
    frontend = asdict(FRONTEND)
    del frontend["floor"]
    torch.save(ours(detector, frontend=frontend), tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "frontend", "floor")


@pytest.mark.parametrize("threshold", [2.0, -1, float("nan"), "half", True])
def test_a_threshold_that_is_no_probability_is_not_saved(detector, threshold):
    with pytest.raises(ConfigError, match="threshold"):
        Checkpoint(detector, threshold=threshold)


# --- State dictionaries of others


def test_published_state_dictionary_without_the_unused_layers(tmp_path):
    detector = random_detector()
    torch.save({k: v for k, v in detector.state_dict().items() if "_16" not in k}, tmp_path / "bare.pt")
    back = load_checkpoint(tmp_path / "bare.pt", architecture=Architecture(), frontend=FrontEnd())
    assert back.threshold is None
    assert torch.equal(back.detector.fc3.weight, detector.fc3.weight)


@pytest.mark.parametrize("container", [None, *CONTAINERS])
def test_usual_containers_and_prefixes_are_read(tmp_path, detector, state, container):
    for prefix in ("", "module.", "model.", "_orig_mod.", "module._orig_mod.", "net."):
        content = OrderedDict((prefix + name, tensor) for name, tensor in state.items())
        if container:
            optimiser = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}
            content = {"epoch": 3, "optimizer_state_dict": optimiser, "loss": 0.1, container: content}
        torch.save(content, tmp_path / "a.pt")
        assert_same_weights(detector, load_bare(tmp_path / "a.pt"))


def test_a_container_in_a_container_is_read(tmp_path, detector, state):
    torch.save({"model": {"epoch": 3, "state_dict": state}}, tmp_path / "a.pt")
    assert_same_weights(detector, load_bare(tmp_path / "a.pt"))


def test_weights_under_two_names_are_refused(tmp_path, state):
    torch.save({"model": state, "net": state, "epoch": 1}, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "weights under one key, got model and net.", "Save one of them alone", frontend=FRONTEND)


def test_a_prefix_of_some_names_only_is_refused(tmp_path, state):
    state["module.conv1.weight"] = state.pop("conv1.weight")
    torch.save(state, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "conv1.weight", frontend=FRONTEND)


@pytest.mark.parametrize("legacy", [False, True])
def test_both_file_formats_of_torch_are_read(tmp_path, detector, state, legacy):
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    assert_same_weights(detector, load_bare(tmp_path / "a.pt"))


def test_a_file_without_checksums_is_read(tmp_path, detector, state):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same_weights(detector, load_bare(tmp_path / "a.pt"))


def test_parameters_are_weights(tmp_path, detector, state):
    torch.save({n: torch.nn.Parameter(t) if t.is_floating_point() else t for n, t in state.items()}, tmp_path / "a.pt")
    assert_same_weights(detector, load_bare(tmp_path / "a.pt"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path, state, dtype):
    torch.save({n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}, tmp_path / "a.pt")
    back = load_bare(tmp_path / "a.pt")
    assert back.conv1.weight.dtype == torch.float32
    assert torch.equal(back.conv1.weight, state["conv1.weight"].to(dtype).float())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.to(torch.int8), "int8"),
        (lambda t: t.to(torch.int64), "int64"),
        (lambda t: t > 0, "bool"),
        (lambda t: t.to(torch.complex64), "complex64"),
        (lambda t: t.to(torch.float8_e4m3fn), "float8"),
        (lambda t: t.to_sparse(), "sparse"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised"),
        (lambda t: t.to("meta"), "without values"),
        (lambda t: torch.full_like(t, torch.nan), "not finite"),
        (lambda t: torch.full_like(t, -torch.inf), "not finite"),
        (lambda t: torch.full_like(t, 1e300, dtype=torch.float64), "not finite"),
        (lambda t: t[:-1], "expected"),
        (lambda t: t[None], "expected"),
        (lambda t: torch.zeros(()), "expected"),
        (lambda t: torch.zeros(1).expand(10**6, 10**6), "expected"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_of_other_kinds_are_refused(tmp_path, state, change, words):
    for name in ("conv1.weight", "fc2.bias", "bn1.running_var"):
        torch.save({**state, name: change(state[name])}, tmp_path / "a.pt")
        assert_refused(tmp_path / "a.pt", words, frontend=FRONTEND)


@pytest.mark.parametrize("name", ["bn1.running_var", "freq_norm.running_var"])
def test_negative_variances_are_refused(tmp_path, state, name):
    state[name][3] = -0.1
    torch.save(state, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", f"variances of {name} are below zero", frontend=FRONTEND)


def test_weights_of_another_front_end_are_refused_with_what_may_be_set(tmp_path, state):
    torch.save(state, tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "does not match", "frontend.n_mels")


# --- What is taken for a checkpoint


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


def _zip_without_weights(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/readme.txt", "hello")


def _zip_around(path):
    torch.save(random_detector(**SMALL).state_dict(), path)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.pt", content)


def _torch_script(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net().layer).save(path)


def _one_bit_of_a_weight(path):
    torch.save(random_detector(**SMALL).state_dict(), path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)


def _cut_off(path):
    torch.save(random_detector(**SMALL).state_dict(), path)
    path.write_bytes(path.read_bytes()[:5000])


LOOKALIKES = {
    "nothing": (lambda path: None, "is not a file. Give the path to a checkpoint (.pt)"),
    "folder": (lambda path: path.mkdir(), "is not a file"),
    "fifo": (os.mkfifo, "is not a file"),
    "empty": (lambda path: path.write_bytes(b""), "truncated"),
    "text": (lambda path: path.write_text("no"), "cannot be loaded as weights, because it is truncated or damaged"),
    "web page": (lambda path: path.write_text("\ufeff\n <!DOCTYPE html>\n<html>"), "is a web page. Give the .pt file itself"),
    "old web page": (lambda path: path.write_text("<HTML><head>"), "is a web page"),
    "pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        "is a git-lfs pointer instead of the file",
    ),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x" * 100)), "is a gzip archive"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "is an HDF5 file"),
    "safetensors": (
        lambda path: path.write_bytes((40).to_bytes(8, "little") + b'{"conv1.weight":{"dtype":"F32"}}'),
        "safetensors",
    ),
    "zip without weights": (_zip_without_weights, "cannot be loaded as weights"),
    "zip around weights": (_zip_around, "cannot be loaded as weights"),
    "TorchScript": (_torch_script, "TorchScript"),
    "whole model": (lambda path: torch.save(Net(), path), "is in another format"),
    "whole model, old format": (
        lambda path: torch.save(Net(), path, _use_new_zipfile_serialization=False),
        "is in another format",
    ),
    "our class": (lambda path: torch.save({"x": Architecture()}, path), "is in another format"),
    "NumPy arrays": (lambda path: torch.save({"x": np.zeros(3)}, path), "is in another format"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"conv1.weight": [1.0]})), "cannot be loaded"),
    "harmful pickle": (lambda path: path.write_bytes(b"cos\nsystem\n(S'touch executed'\ntR."), "cannot be loaded"),
    "cut off": (_cut_off, "truncated"),
    "one bit": (_one_bit_of_a_weight, "is damaged, because its checksums do not match. Download or save it again."),
    "list": (lambda path: torch.save([1, 2], path), "dictionary of"),
    "tensor": (lambda path: torch.save(torch.zeros(3), path), "dictionary of"),
    "empty dictionary": (lambda path: torch.save({}, path), "dictionary of"),
    "text under a container": (
        lambda path: torch.save({"model": "resnet"}, path),
        "dictionary of",
    ),
    "one weight": (lambda path: torch.save({"conv1.weight": torch.zeros(1)}, path), "does not match"),
    "other network": (lambda path: torch.save(Net().state_dict(), path), "does not match"),
    "names as numbers": (lambda path: torch.save({1: torch.zeros(1)}, path), "dictionary of"),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_is_no_checkpoint_is_told_by_what_it_is(tmp_path, name):
    write, words = LOOKALIKES[name]
    write(tmp_path / "given.pt")
    assert_refused(tmp_path / "given.pt", words)


def test_another_architecture_is_refused_with_the_key_that_tells_it(tmp_path):
    torch.save(random_detector(Architecture("ismir2016")).state_dict(), tmp_path / "a.pt")
    assert_refused(tmp_path / "a.pt", "Set detector.architecture")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"x")
    (tmp_path / "a.pt").chmod(0)
    assert_refused(tmp_path / "a.pt", "permission is missing")


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_is_refused_or_harmless(tmp_path, detector, state, seed):
    path, rng = tmp_path / "a.pt", np.random.default_rng(seed)
    torch.save(state, path)
    damaged = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = rng.integers(min(len(damaged), (100, 20_000, len(damaged))[seed % 3]), size=20)
    damaged[places] = rng.integers(256, size=20)
    path.write_bytes(damaged.tobytes())
    try:
        back = load_bare(path)
    except CheckpointError:
        return
    assert_same_weights(detector, back)


# --- the detector of the package


def test_the_pretrained_detector_is_the_published_one(tmp_path):
    checkpoint = load_checkpoint(PRETRAINED)
    assert (checkpoint.threshold, checkpoint.detector.frontend) == (0.56, FrontEnd())
    assert not checkpoint.detector.training
    card = pretrained.WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    assert f"`{hashlib.sha256(pretrained.WEIGHTS.read_bytes()).hexdigest()}`" in card
    save_checkpoint(tmp_path / "again.pt", checkpoint)
    assert (tmp_path / "again.pt").read_bytes() == pretrained.WEIGHTS.read_bytes()


def test_pretrained_weights_that_are_damaged_or_missing_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "pretrained.pt"
    content = bytearray(pretrained.WEIGHTS.read_bytes())
    monkeypatch.setattr(pretrained, "WEIGHTS", path)
    with pytest.raises(
        CheckpointError, match=r"pretrained\.pt: must have the digest \w{16}, got no file\. Install veracity again"
    ):
        load_checkpoint(PRETRAINED)
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"must have the digest \w{16}, got \w{16}\. Install veracity again"):
        load_checkpoint(PRETRAINED)


@pytest.mark.slow
def test_the_pretrained_detector_enters_a_run_with_its_threshold(tmp_path):
    write_corpus_of_one_song(tmp_path / "corpus")
    (tmp_path / "workspace").mkdir()
    workspace = Workspace(tmp_path / "workspace")
    own = {
        "run": "known",
        "corpus": {"kind": "folder", "folder": str(tmp_path / "corpus")},
        "detector": {"checkpoint": PRETRAINED, "threshold": None},
        "attacks": {"splits": ["test"]},
    }
    done = workspace.snakemake("detector", config=workspace.configure("known", SMALL_RUN, own))
    assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.folder / "results" / "known"
    assert_same_weights(load_checkpoint(results / "imported" / "checkpoint.pt").detector, load_checkpoint(PRETRAINED).detector)
    assert set(pd.read_csv(results / "tables" / "detector.csv").threshold) == {0.56}
