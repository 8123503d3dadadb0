"""Memory that all 2^20 masks of one excerpt take, measured in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import torch
from masks import GRID
from measure import Row

from veracity.detector import Detector
from veracity.games import fill_game, network_evaluator


def lime_memory(device: torch.device, quick: bool) -> Row:
    """Measure the growth of peak memory; baseline = bytes of all masked excerpts, ratio = baseline / growth."""
    command = [sys.executable, __file__, device.type]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 (this file)
    growth = float(shown)
    inputs = (1 << GRID.n_segments) * GRID.n_frames * GRID.n_mels * 4 / 1e6
    where = "resident memory" if device.type == "cpu" else "memory on the GPU"
    detail = f"goal 1024 MB; growth of peak {where} in a fresh process; baseline: what all masked excerpts would take"
    return Row("lime_memory", device.type, growth, "MB", inputs, inputs / growth, detail)


def _resident_mb(kind: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (peak) of this process.

    Not getrusage: its ru_maxrss outlives exec, so that a child starts with its parent's peak and a growth below it is lost.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"{kind}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _growth_mb(device: torch.device) -> float:
    """Evaluate all masks once; weights and excerpt are random, so that little was taken and freed before."""
    evaluator = network_evaluator(Detector().eval().to(device).network(), GRID)
    game = fill_game(torch.randn(GRID.n_frames, GRID.n_mels).to(device), GRID, "mean")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        next(evaluator.probabilities([game]))
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = _resident_mb("VmRSS")
    next(evaluator.probabilities([game]))
    return _resident_mb("VmHWM") - before


if __name__ == "__main__":
    print(_growth_mb(torch.device(sys.argv[1])))
