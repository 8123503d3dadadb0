"""Saved states of unfinished work: loaded if intact, renamed if damaged."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from veracity.errors import CheckpointError
from veracity.jobs.files import replacing
from veracity.jobs.resuming import SavedState
from veracity.jobs.tensors import load_tensors, save_tensors

IDENTITY = {"seed": 3, "settings": {"rate": 0.1}, "songs": 12345}


def state():
    return {
        "tensors": [
            torch.arange(1000.0),
            torch.ones(3, dtype=torch.bool),
            torch.zeros(0),
            torch.tensor(1, dtype=torch.bfloat16),
        ],
        "weights": torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last).state_dict(),
        "curve": [{"update": 1, "loss": float("nan")}, (None, True, "é", b"x")],
    }


def saved(path, content=None):
    torch.manual_seed(0)
    kept = SavedState(path, every_seconds=0)
    assert kept.restore(IDENTITY) is None
    kept.save_when_due(lambda: content or state())
    return kept


def test_a_state_comes_back_and_is_forgotten_when_the_work_is_done(tmp_path, caplog):
    saved(tmp_path / "a.state.pt")
    caplog.set_level(logging.INFO)
    again = SavedState(tmp_path / "a.state.pt")
    back = again.restore(IDENTITY)
    torch.manual_seed(0)
    assert_same(back, state())
    assert back["weights"]["weight"].is_contiguous(memory_format=torch.channels_last)
    assert "resuming from the state" in caplog.text
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_equal_states_have_equal_bytes(tmp_path):
    saved(tmp_path / "a.pt")
    saved(tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_no_flipped_byte_is_gone_on_from(tmp_path, caplog):
    path = tmp_path / "a.state.pt"
    saved(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    n_harmless = 0
    for place in rng.integers(len(whole), size=300).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        back = SavedState(path).restore(IDENTITY)
        if back is not None:  # for example in the padding between records
            n_harmless += 1
            torch.manual_seed(0)
            assert_same(back, state())
        else:
            (tmp_path / "damaged.a.state.pt").replace(path)
    assert n_harmless < 150


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    else:
        assert repr(one) == repr(other)


DAMAGES = {
    "nothing in it": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "a random pickle": lambda path: path.write_bytes(b"\x80\x02" + np.random.default_rng(1).bytes(5000)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a text": lambda path: path.write_text("<html>"),
    "one bit of a tensor": lambda path: path.write_bytes(path.read_bytes().replace(np.float32(900).tobytes(), b"abcd")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_put_aside_and_the_work_begins_anew(tmp_path, caplog, name):
    path = tmp_path / "a.state.pt"
    saved(path)
    DAMAGES[name](path)
    damaged = path.read_bytes()
    kept = SavedState(path, every_seconds=0)
    assert kept.restore(IDENTITY) is None
    assert (tmp_path / "damaged.a.state.pt").read_bytes() == damaged
    assert not path.exists()
    assert "so the job starts from the beginning" in caplog.text
    assert str(tmp_path / "damaged.a.state.pt") in caplog.text
    kept.save_when_due(state)
    assert SavedState(path).restore(IDENTITY) is not None
    kept.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_never_raise(tmp_path, seed):
    rng = np.random.default_rng(seed)
    opcodes = b"\x80\x02" + bytes(rng.choice(list(b"(]}lud.0N)KMXq\x85\x86\x94hjsetRb"), size=200).tolist())
    for number, content in enumerate((rng.bytes(2000), b"\x80\x02" + rng.bytes(300), opcodes, b"PK\x03\x04" + rng.bytes(300))):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(content)
        assert SavedState(path).restore(IDENTITY) is None
        assert not path.exists()


def test_a_damaged_state_that_cannot_be_moved_does_not_stop_the_work(tmp_path, monkeypatch, caplog):
    path = tmp_path / "a.state.pt"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    assert SavedState(path).restore(IDENTITY) is None
    assert "so the job starts from the beginning" in caplog.text


@pytest.mark.parametrize("identity", [{**IDENTITY, "seed": 4}, {}, {**IDENTITY, "more": 1}])
def test_the_state_of_other_work_stays_where_it_is_and_is_not_gone_on_from(tmp_path, identity):
    saved(tmp_path / "a.state.pt")
    assert SavedState(tmp_path / "a.state.pt").restore(identity) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.state.pt"]


def test_what_killed_processes_were_writing_is_removed_with_the_state(tmp_path):
    kept, other = saved(tmp_path / "a.state.pt"), saved(tmp_path / "b.state.pt")
    script = f"""
import os, signal
from veracity.jobs.files import replacing
with replacing({str(tmp_path / "a.state.pt")!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=False)
    assert len(list(tmp_path.iterdir())) == 4
    with replacing(tmp_path / "b.state.pt") as temporary:
        temporary.write_text("half")
        kept.remove()
        assert set(tmp_path.iterdir()) == {tmp_path / "b.state.pt", temporary}
        temporary.write_bytes((tmp_path / "b.state.pt").read_bytes())
    other.remove()
    assert not list(tmp_path.iterdir())


def test_no_path_saves_nothing():
    kept = SavedState(every_seconds=0)
    assert kept.restore(IDENTITY) is None
    kept.save_when_due(lambda: pytest.fail("asked for a state"))
    kept.remove()


def test_tensors_of_earlier_versions_are_read_without_their_digest(tmp_path):
    torch.save({"a": 1, "veracity digest": "0123"}, tmp_path / "a.pt")
    assert load_tensors(tmp_path / "a.pt") == {"a": 1}


def test_a_flipped_bit_of_a_tensor_is_refused(tmp_path):
    save_tensors(tmp_path / "a.pt", {"a": torch.full((3,), 1.5)})
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(whole.replace(np.float32(1.5).tobytes(), np.float32(1.75).tobytes(), 1))
    with pytest.raises(CheckpointError, match=r"a\.pt: is damaged, because its checksums do not match\. Download or save"):
        load_tensors(tmp_path / "a.pt")
