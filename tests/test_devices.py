"""Devices: selection, one job per GPU, and precision."""

import subprocess
import sys
import time

import pytest
import torch

from veracity.errors import ConfigError
from veracity.jobs import devices
from veracity.jobs.devices import pick_device, reserve, reserve_device, tf32

GPUS = ["GPU-a", "GPU-b"]
HOLD = "import sys, time; from veracity.jobs.devices import reserve; from pathlib import Path\n"
HOLD += "print(reserve(sys.argv[2:], Path(sys.argv[1])), flush=True); time.sleep(60)"


@pytest.fixture
def job(tmp_path):
    """Return a function that starts a process that reserves and keeps one of `GPUS`."""
    started = []

    def start():
        command = [sys.executable, "-c", HOLD, str(tmp_path), *GPUS]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch):
    monkeypatch.setattr(devices, "_held", {})


def test_jobs_side_by_side_get_a_gpu_each_and_a_killed_job_gives_its_own_back(job, tmp_path):
    first, position = job()
    assert position == 0
    assert job()[1] == 1
    first.kill()
    first.wait()
    assert job()[1] == 0


def test_a_job_waits_where_all_are_taken(job, tmp_path, caplog):
    (first, _), _ = job(), job()
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({first.pid}, 9)"])
    caplog.set_level("INFO", logger="veracity")
    started = time.monotonic()
    assert reserve(GPUS, tmp_path, poll_seconds=0.05) == 0
    assert time.monotonic() - started > 0.5
    assert "waiting" in caplog.text
    killer.wait()
    first.wait()


def test_a_job_that_asks_again_keeps_what_it_has(tmp_path):
    assert [reserve(GPUS, tmp_path) for _ in range(3)] == [0, 0, 0]


def test_a_machine_of_two_gpus(monkeypatch, tmp_path):
    class Properties:
        def __init__(self, index):
            self.uuid = GPUS[index]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_set_products", lambda *_: None)
    assert reserve_device("cuda:1") == torch.device("cuda", 1)
    devices._held.clear()  # as for the next job if the lock were not released with the object
    assert reserve_device("auto") in {torch.device("cuda", 0), torch.device("cuda", 1)}


def test_without_a_gpu():
    assert pick_device("cpu") == reserve_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert pick_device("auto") == reserve_device("auto") == torch.device("cpu")
        with pytest.raises(ConfigError, match="no GPU"):
            reserve_device("cuda")


def test_products_are_rounded_inside_and_restored_after():
    places = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = [place.fp32_precision for place in places]
    for allowed, name in ((True, "tf32"), (False, "ieee")):
        with tf32(allowed=allowed):
            assert [place.fp32_precision for place in places] == [name, name]
        assert [place.fp32_precision for place in places] == before
