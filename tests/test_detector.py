"""The forms of the network, and the predictions of the published implementation."""

import numpy as np
import pytest
import torch
from networks import random_detector

from veracity.detector.model import Detector
from veracity.detector.network import dense_in_chunks
from veracity.detector.settings import Architecture
from veracity.errors import ConfigError

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


def test_excerpts_too_small_for_the_network_are_refused():
    with pytest.raises(ConfigError, match="too small"):
        random_detector(excerpt_frames=21)
