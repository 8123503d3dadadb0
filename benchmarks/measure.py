"""Functions of all benchmarks: rows of the table, timing, detector and songs."""

import contextlib
import functools
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from veracity.detector.checkpoints import load_checkpoint
from veracity.detector.model import Detector
from veracity.songs.audio import load_audio
from veracity.songs.frontend import FrontEnd, log_mel, magnitudes
from veracity.songs.synthesis import synthesise_song

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"  # beside the project, not part of it


@dataclass(frozen=True)
class Row:
    """One line of the table; `failure` is not empty when fast and plain way disagree.

    Attributes
    ----------
    name, device : str
    value, baseline : float
        Ours and the plain way's, in `unit`, both measured in this run.
    unit : str
    ratio : float
        How many times better ours is.
    detail : str
        Goal, material, and what was compared.
    failure : str
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
    """A detector and songs, real ones if they are available.

    Attributes
    ----------
    detector : Detector
        In evaluation mode.
    songs : list of ndarray, shape (n_samples,), float32
        20 s each.
    words : str
        What they are, for `Row.detail`.
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
    """Return detector and songs from beside the project, else an untrained detector and synthetic songs."""
    weights, audio = SHARED / "detector-jamendo44.pt", sorted((SHARED / "mini_jamendo" / "audio").glob("*.flac"))
    if weights.is_file() and audio:
        songs = [load_audio(path, sample_rate=FrontEnd().sample_rate) for path in audio]
        return BenchmarkFixture(load_checkpoint(weights).detector.to(device), songs, "trained detector, real songs")
    frontend = FrontEnd()
    songs = [synthesise_song(np.random.default_rng(i), seconds=20, sample_rate=frontend.sample_rate).audio for i in range(3)]
    torch.manual_seed(0)
    detector = Detector(frontend=frontend).eval()
    with torch.no_grad():  # standardised inputs and no ties between decisions, so that differences are visible
        frames = torch.cat([log_mel(magnitudes(torch.as_tensor(song), frontend), frontend) for song in songs])
        detector.freq_norm.running_mean.copy_(frames.mean(dim=0))
        detector.freq_norm.running_var.copy_(frames.var(dim=0))
        detector.fc3.weight.mul_(30)
    return BenchmarkFixture(detector.to(device), songs, "random detector, synthetic songs")


def best_seconds(*works: Callable[[], object], device: torch.device, repeats: int, warm_up: bool = True) -> list[float]:
    """Return the shortest of some runs of each work; the runs alternate, so that other load affects all of them.

    A first run of each, with `warm_up`, is not counted.
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
    """Return seconds per step of works that also have a set-up: the difference of long and short runs.

    NaN if the difference is not positive because of other load. A GPU runs ten times as many steps, because they are short.
    """
    few, many = (10 * few, 10 * many) if device.type == "cuda" else (few, many)
    works = [functools.partial(run, n_steps) for run in runs for n_steps in (few, many)]
    for run in runs:
        run(1)
    times = best_seconds(*works, device=device, repeats=repeats, warm_up=False)
    differences = [long - short for short, long in zip(times[::2], times[1::2], strict=True)]
    return [difference / (many - few) if difference > 0 else math.nan for difference in differences]


def gflop_per_step(run: Callable[[int], object]) -> float:
    """Return the products and sums of convolutions and matrix products that a step takes, in 10^9."""
    counts = []
    for n_steps in (1, 2):
        with FlopCounterMode(display=False) as counter:
            run(n_steps)
        counts.append(counter.get_total_flops())
    return (counts[1] - counts[0]) / 1e9


def capability() -> str:
    """Return what this CPU computes with, as torch has it: AVX2, AVX512 and so on."""
    return f"CPU: {torch.backends.cpu.get_cpu_capability()}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep lines of progress out of the way."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
