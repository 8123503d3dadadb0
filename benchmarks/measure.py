"""Functions shared by the benchmarks: rows of the table, timing, detector and songs."""

import contextlib
import functools
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.model import Detector
from veracity.detector.pretrained import PRETRAINED
from veracity.songs.frontend import FrontEnd, log_mel, magnitudes
from veracity.songs.synthesis import synthesise_song


@dataclass(frozen=True)
class Row:
    """Row of the table of benchmarks.

    Attributes
    ----------
    name, device : str
        Name of the benchmark, and device on which it was measured.
    value, baseline : float
        Values of veracity and of the baseline in `unit`, both measured in this run.
    unit : str
        Unit of both values.
    ratio : float
        Factor by which veracity is better.
    detail : str
        Goal, data and compared methods.
    failure : str
        Description of a difference between the results of veracity and of the baseline; empty if there is none.
    """

    name: str
    device: str
    value: float
    unit: str
    baseline: float
    ratio: float
    detail: str
    failure: str = ""


@dataclass(frozen=True)
class BenchmarkFixture:
    """Detector and songs for benchmarks, real ones if they are available.

    Attributes
    ----------
    detector : Detector
        Detector in evaluation mode.
    songs : list of ndarray, shape (n_samples,), float32
        Songs of 20 s.
    words : str
        Description of detector and songs for `Row.detail`.
    """

    detector: Detector
    songs: list[np.ndarray]
    words: str

    def excerpts(self, count: int) -> list[torch.Tensor]:
        """Return log-mel excerpts, evenly spread over the songs; shape (excerpt_frames, n_mels) each."""
        frontend = self.detector.frontend
        frames = [log_mel(magnitudes(torch.as_tensor(song), frontend), frontend) for song in self.songs]
        each = -(-count // len(frames))
        starts = [np.linspace(70, len(f) - frontend.excerpt_frames, each, dtype=int) for f in frames]
        return [
            frames[i % len(frames)][starts[i % len(frames)][i // len(frames)] :][: frontend.excerpt_frames]
            for i in range(count)
        ]


def fixture(device: torch.device) -> BenchmarkFixture:
    """Return the pretrained detector and three synthetic songs."""
    rate = FrontEnd().sample_rate
    songs = [synthesise_song(np.random.default_rng(i), seconds=20, sample_rate=rate).audio for i in range(3)]
    return BenchmarkFixture(load_checkpoint(PRETRAINED).detector.to(device), songs, "pretrained detector, synthetic songs")


def best_seconds(*works: Callable[[], object], device: torch.device, repeats: int, warm_up: bool = True) -> list[float]:
    """Return the shortest time of several runs of each function; the runs alternate, so that other load affects all.

    With `warm_up`, a first run of each function is not counted.
    """
    if warm_up:
        for work in works:
            work()
    rounds = [[_seconds(work, device) for work in works] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def seconds_per_step(*runs: Callable[[int], object], device: torch.device, few: int, many: int, repeats: int) -> list[float]:
    """Return seconds per step of functions with a set-up, from the difference between long and short runs.

    The result is NaN if other load makes the difference negative. A GPU runs ten times as many steps, because they are short.
    """
    few, many = (10 * few, 10 * many) if device.type == "cuda" else (few, many)
    works = [functools.partial(run, n_steps) for run in runs for n_steps in (few, many)]
    for run in runs:
        run(1)
    times = best_seconds(*works, device=device, repeats=repeats, warm_up=False)
    differences = [long - short for short, long in zip(times[::2], times[1::2], strict=True)]
    return [difference / (many - few) if difference > 0 else math.nan for difference in differences]


def gflop_per_step(run: Callable[[int], object]) -> float:
    """Return the number of floating-point operations of convolutions and matrix products in a step, in GFLOP."""
    counts = []
    for n_steps in (1, 2):
        with FlopCounterMode(display=False) as counter:
            run(n_steps)
        counts.append(counter.get_total_flops())
    return (counts[1] - counts[0]) / 1e9


def capability() -> str:
    """Return the instruction set that torch uses on this CPU, such as AVX2 or AVX512."""
    return f"CPU: {torch.backends.cpu.get_cpu_capability()}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress progress messages."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
