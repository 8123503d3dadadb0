"""Peak memory, measured in separate processes: all 2^20 masks of one excerpt, and a training corpus."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import torch
from masks import GRID
from measure import Row

from veracity.detector.model import Detector
from veracity.detector.settings import TrainingSettings
from veracity.detector.training_data import TrainingData
from veracity.games.game import fill_game
from veracity.games.models import network_evaluator
from veracity.jobs.usage import process_mb
from veracity.songs.frontend import FrontEnd, n_frames

SONG_SECONDS = 240


def lime_memory(device: torch.device, quick: bool) -> Row:
    """Measure the growth of peak memory; baseline = bytes of all masked excerpts, ratio = baseline / growth."""
    growth = _in_its_own_process("masks", device.type)
    inputs = (1 << GRID.n_segments) * GRID.n_frames * GRID.n_mels * 4 / 1e6
    where = "resident memory" if device.type == "cpu" else "memory on the GPU"
    detail = f"goal 1024 MB; growth of peak {where} in a fresh process; baseline: size of all masked excerpts"
    return Row("lime_memory", device.type, growth, "MB", inputs, inputs / growth, detail)


def training_memory(device: torch.device, quick: bool) -> Row:
    """Measure the growth of peak memory; baseline = bytes of all magnitudes in float32, ratio = baseline / growth."""
    n_songs = 9 if quick else 93
    growth = _in_its_own_process("corpus", str(n_songs))
    frontend = FrontEnd()
    plain = n_songs * n_frames(SONG_SECONDS * frontend.sample_rate, frontend) * frontend.n_bins * 4 / 1e6
    detail = (
        f"goal 3221 MB (3 GiB); growth of peak resident memory in a fresh process that reads {n_songs} songs of "
        f"{SONG_SECONDS} s, one after another; baseline: their magnitudes in float32"
    )
    return Row("training_memory", device.type, growth, "MB", plain, plain / growth, detail)


def _in_its_own_process(*arguments: str) -> float:
    command = [sys.executable, __file__, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 (this file)


def _masks(device: torch.device) -> float:
    """Evaluate all masks once; weights and excerpt are random, so that little memory is used and freed beforehand."""
    evaluator = network_evaluator(Detector().eval().to(device).network(), GRID)
    game = fill_game(torch.randn(GRID.n_frames, GRID.n_mels).to(device), GRID, "mean")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        next(evaluator.probabilities([game]))
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = process_mb("VmRSS")
    next(evaluator.probabilities([game]))
    return process_mb("VmHWM") - before


def _corpus(n_songs: int) -> float:
    """Read songs as the rule `training` does."""
    frontend = FrontEnd()
    shape = n_frames(SONG_SECONDS * frontend.sample_rate, frontend), frontend.n_bins

    def songs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(n_songs):
            yield np.ones(shape, dtype=np.float16), np.ones(shape[0], dtype=bool)

    before = process_mb("VmRSS")
    TrainingData(songs(), frontend, TrainingSettings())
    return process_mb("VmHWM") - before


if __name__ == "__main__":
    print(_masks(torch.device(sys.argv[2])) if sys.argv[1] == "masks" else _corpus(int(sys.argv[2])))
