"""The network in its forms, its checkpoints, and the published implementation's answers."""

import numpy as np
import pytest
import torch
from networks import random_detector

from veracity.detector.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from veracity.detector.model import Detector
from veracity.detector.network import dense_in_chunks
from veracity.detector.settings import Architecture
from veracity.errors import CheckpointError, ConfigError

ARCHITECTURES = [Architecture(layers, zero_mean) for layers in ("ismir2015", "ismir2016") for zero_mean in (True, False)]


@pytest.fixture(params=ARCHITECTURES, ids=str)
def detector(request):
    return random_detector(request.param)


@pytest.fixture
def log_mel():
    return torch.randn(150, 80, generator=torch.Generator().manual_seed(1)) * 2 - 3


def excerpts_of(log_mel):
    return log_mel.unfold(0, 115, 1).transpose(1, 2)


def test_published_logits(published, real_detector):
    network = real_detector.detector.network()
    with torch.no_grad():
        logits = network.dense_logits(torch.as_tensor(published["log_mel_padded"]))
    np.testing.assert_allclose(logits, published["logits"], atol=5e-5)


def test_folded_network_equals_the_module(detector, log_mel):
    excerpts = excerpts_of(log_mel)
    with torch.no_grad():
        torch.testing.assert_close(detector.network().logits(excerpts), detector(excerpts), atol=2e-5, rtol=1e-4)


def test_dense_evaluation_equals_single_excerpts(detector, log_mel):
    network = detector.network().to(dtype=torch.float64)
    log_mel = log_mel.double()
    torch.testing.assert_close(network.dense_logits(log_mel), network.logits(excerpts_of(log_mel)), atol=1e-10, rtol=0)
    torch.testing.assert_close(dense_in_chunks(network, log_mel, 7), network.dense_logits(log_mel), atol=1e-10, rtol=0)


def test_zero_mean_kernels_ignore_level(log_mel):
    detector = random_detector()
    detector.freq_norm.running_var.fill_(1.0)
    logits = detector.network().to(dtype=torch.float64).logits
    excerpt = log_mel[None, :115].double()
    assert logits(excerpt + 3).item() == pytest.approx(logits(excerpt).item(), abs=1e-5)  # kernels are folded in float32


def test_initial_kernels_are_orthogonal():
    flat = Detector().conv4.weight.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-4, rtol=0)


def test_checkpoint_round_trip_is_exact_and_its_bytes_do_not_depend_on_its_name(tmp_path, detector):
    checkpoint = Checkpoint(detector, threshold=0.4, settings={"seed": 3})
    for name in ("a.pt", "another.pt"):
        save_checkpoint(tmp_path / name, checkpoint)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()
    back = load_checkpoint(tmp_path / "a.pt")
    assert back.threshold == 0.4
    assert back.settings == {"seed": 3}
    assert back.detector.architecture == detector.architecture
    for name, tensor in detector.state_dict().items():
        assert torch.equal(back.detector.state_dict()[name], tensor)


def test_published_state_dictionary_without_the_unused_layers(tmp_path):
    detector = random_detector()
    torch.save({k: v for k, v in detector.state_dict().items() if "_16" not in k}, tmp_path / "bare.pt")
    assert load_checkpoint(tmp_path / "bare.pt").threshold is None


def _truncated(path):
    torch.save(random_detector().state_dict(), path)
    path.write_bytes(path.read_bytes()[:5000])


def _other_architecture(path):
    torch.save(random_detector(Architecture("ismir2016")).state_dict(), path)


def _not_finite(path):
    state = random_detector().state_dict()
    state["conv1.weight"][0] = torch.nan
    torch.save(state, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_truncated, "truncated"),
        (_other_architecture, "set detector.architecture"),
        (_not_finite, "not finite"),
        (lambda path: torch.save([1, 2], path), "no dictionary of weights"),
        (lambda path: torch.save({"conv1.weight": torch.zeros(1)}, path), "not a checkpoint of"),
        (lambda path: torch.save({"x": Architecture()}, path), "more than tensors"),
        (lambda path: path.write_text("no"), "cannot be loaded"),
        (lambda path: None, "does not exist"),
    ],
)
def test_bad_checkpoints_name_the_file_and_the_cure(tmp_path, write, message):
    path = tmp_path / "given.pt"
    write(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert "given.pt" in str(caught.value)


def test_our_checkpoint_of_another_architecture_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.pt", Checkpoint(random_detector(Architecture("ismir2016"))))
    with pytest.raises(CheckpointError, match="the configuration asks for"):
        load_checkpoint(tmp_path / "a.pt", architecture=Architecture())


def test_excerpts_too_small_for_the_network_are_refused():
    with pytest.raises(ConfigError, match="too small"):
        random_detector(excerpt_frames=20)
