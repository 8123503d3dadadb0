"""Threads of a job: the same bytes for any number, never more than requested, and no deadlock if one fails."""

import contextlib
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_detector
from test_training import QUICK, contents, data_of, run, toy_songs
from threadpoolctl import threadpool_info

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpt_scope import attack_excerpts
from veracity.attacks.settings import PAPER
from veracity.attacks.song_scope import attack_song
from veracity.detector import training
from veracity.detector.shards import _Shard
from veracity.jobs.resuming import SavedState
from veracity.jobs.workers import Workers, workers
from veracity.songs.frontend import FrontEnd

CPU = torch.device("cpu")


@contextlib.contextmanager
def torch_has(n):
    """Give torch and its libraries the number of threads of a job, as Snakemake does (OMP_NUM_THREADS)."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


FRONTEND = FrontEnd(n_mels=25, excerpt_frames=25)
AUDIO = (0.1 * np.random.default_rng(0).standard_normal(30000)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_work_comes_back_in_the_order_of_its_items(n):
    def slowest_first(i):
        time.sleep(0.01 * (5 - i))
        return i * i

    with workers(n, CPU) as threads:
        assert list(threads.map(slowest_first, range(5))) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_more_parts_are_at_work_than_there_are_threads(n):
    at_work, most, lock = 0, 0, threading.Lock()

    def part(_):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1

    with workers(n, CPU) as threads:
        list(threads.map(part, range(6)))
    assert most == n


@pytest.mark.parametrize("n", [1, 3])
def test_the_error_of_a_part_is_told(n):
    with workers(n, CPU) as threads, pytest.raises(ZeroDivisionError):
        list(threads.map(lambda i: 1 / i, range(4)))


def test_each_thread_computes_alone_and_all_is_as_before_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with workers(2, CPU) as threads:
            seen = list(threads.map(lambda _: (torch.get_num_threads(), time.sleep(0.01))[0], range(4)))
            assert seen == [1] * 4
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert torch.get_num_threads() == 3
        with workers(None, CPU) as threads:
            assert threads.n == 3
        with workers(8, torch.device("meta")) as threads:  # as a GPU is
            assert (threads.n, torch.get_num_threads()) == (1, 3)
    finally:
        torch.set_num_threads(before)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardisation", ["exact", "running"])
def test_a_training_gives_the_same_bytes_on_any_number_of_threads(tmp_path, standardisation):
    found = []
    for n in (1, 2, 5):
        data = data_of(*toy_songs(), **{**QUICK, "batch": 18}, standardisation=standardisation)
        with torch_has(n):
            detector, curve = run(data=data, threads=n)
        found.append((contents(tmp_path, detector), curve))
    assert found[0] == found[1] == found[2]


def test_a_training_goes_on_with_another_number_of_threads(tmp_path, monkeypatch):
    def data():
        return data_of(*toy_songs(), **{**QUICK, "batch": 12})

    detector, curve = run(data=data(), threads=1)
    expected = contents(tmp_path, detector)
    step, left = training.train_step, [4]

    def killed(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(training, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data=data(), threads=3)
    monkeypatch.setattr(training, "train_step", step)
    detector, again = run(tmp_path, data=data(), threads=2)
    assert (contents(tmp_path, detector), again) == (expected, curve)


@pytest.mark.parametrize("n_excerpts", [4, 6, 13])
@pytest.mark.parametrize("norms_train", [True, False])
def test_shards_compute_what_the_whole_batch_would(n_excerpts, norms_train):
    """Compare logits, loss, gradients of all weights and running statistics in double precision, without dropout."""
    torch.manual_seed(0)
    excerpts = torch.randn(n_excerpts, 25, 25, dtype=torch.float64)
    target = torch.rand(n_excerpts, dtype=torch.float64).round()
    outcomes = []
    for sharded in (False, True):
        detector = random_detector(excerpt_frames=25, n_mels=25).double().eval()
        for module in detector.modules():
            module.training = norms_train and isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        if sharded:
            optimiser = torch.optim.SGD(detector.parameters(), lr=0.0)
            loss, _ = training.train_step(detector, optimiser, excerpts, target, 0.0, threads=Workers(2))
        else:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(detector(excerpts), target)
            loss.backward()
        slopes = {name: weight.grad for name, weight in detector.named_parameters() if weight.grad is not None}
        outcomes.append((loss.detach().double(), slopes, dict(detector.named_buffers())))
    (loss, slopes, buffers), (other, other_slopes, other_buffers) = outcomes
    assert float(other) == pytest.approx(float(loss), rel=1e-6)
    assert slopes.keys() == other_slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(other_slopes[name], slope, rtol=1e-5, atol=1e-6 * float(slope.abs().max() + 1e-6), msg=name)
    for name, buffer in buffers.items():
        torch.testing.assert_close(other_buffers[name], buffer, rtol=1e-5, atol=1e-6)


def test_dropout_of_a_shard_keeps_half_and_doubles_it():
    shard, again = (_Shard(torch.zeros(1), torch.Generator().manual_seed(0), []) for _ in range(2))
    x = torch.ones(200, 200)
    kept = shard.dropout(x)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert kept.mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(kept, again.dropout(x))
    assert not torch.equal(kept, shard.dropout(x))


# --- attacks ----------------------------------------------------------------------------------------------------------


def _bytes(found):
    arrays = (found.delta, found.clean_log_mel, found.adversarial_log_mel, found.adversarial_logit, found.loss_history)
    numbers = [np.array([getattr(found, name, 0.0) for name in ("delta_l2", "delta_max")]), np.asarray(found.snr_db)]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in (*arrays, *numbers))


@pytest.mark.parametrize("domain", ["waveform", "spectrogram"])
@pytest.mark.parametrize("scope", ["song", "excerpt"])
def test_an_attack_gives_the_same_bytes_on_any_number_of_threads(domain, scope, tmp_path):
    detector = AttackedDetector(random_detector(excerpt_frames=25, n_mels=25).eval(), FRONTEND, 0.5)
    settings = replace(PAPER[domain], max_updates=4)

    def attack(n, settings=settings, saved=None):
        common = {"domain": domain, "threads": n, "saved": saved}
        if scope == "song":
            return attack_song(AUDIO, detector, settings, chunk_frames=20, **common)
        return attack_excerpts(AUDIO, np.arange(20, 70, 2), detector, settings, **common)

    found = []
    for n in (1, 2, 5):
        with torch_has(n):
            found.append(_bytes(attack(n)))
    assert found[0] == found[1] == found[2]
    saved = SavedState(tmp_path / "state.pt", every_seconds=0)
    attack(3, saved=saved)  # killed before its result was written, so the last state exists
    assert saved.path.is_file()
    assert _bytes(attack(2, saved=SavedState(saved.path))) == found[0]
