"""Training: `veracity.detector.training` compared with the published way of augmenting one excerpt at a time."""

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from measure import Row, capability, fixture, gflop_per_step, quiet, seconds_per_step
from scipy import ndimage
from torch.nn import functional

from veracity.detector.model import Detector
from veracity.detector.settings import Architecture, TrainingSettings
from veracity.detector.training import train
from veracity.detector.training_data import TrainingData, filter_responses
from veracity.songs.frontend import FrontEnd, magnitudes, mel_filterbank

SOURCE_FRAMES = 164  # number of frames from which the published code cuts a stretched excerpt
SPLINE_ORDER = 2


def plain_batch(
    splines: list[np.ndarray], rng: np.random.Generator, frontend: FrontEnd, settings: TrainingSettings
) -> np.ndarray:
    """Augment a batch as the published code does, from spline coefficients; shape (batch, excerpt_frames, n_mels)."""
    filters = mel_filterbank(frontend)
    n_bins = int(np.flatnonzero(filters.any(axis=1))[-1]) + 1
    out = np.empty((settings.batch, frontend.excerpt_frames, n_bins), dtype=np.float32)
    for excerpt in out:
        song = splines[rng.integers(len(splines))]
        start = rng.integers(len(song) - SOURCE_FRAMES)
        stretch, shift = 1 + settings.stretch * rng.uniform(-1, 1), 1 + settings.shift * rng.uniform(-1, 1)
        ndimage.affine_transform(
            song[start : start + SOURCE_FRAMES],
            (1 / stretch, 1 / shift),
            offset=(0.5 * (SOURCE_FRAMES - frontend.excerpt_frames / stretch), 0),
            output_shape=excerpt.shape,
            output=excerpt,
            order=SPLINE_ORDER,
            prefilter=False,
        )
    filtered = np.maximum(out, 0) * filter_responses(rng, n_bins, frontend, settings)[:, None].astype(np.float32)
    return np.log(np.maximum(filtered @ filters[:n_bins], frontend.floor))


def trained(
    spectra: list[np.ndarray],
    labels: list[np.ndarray],
    frontend: FrontEnd,
    device: torch.device,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Callable[..., list[np.ndarray]]:
    """Return a function of the numbers of updates and threads that trains a detector and returns its weights."""

    def ours(n_updates: int, threads: int | None = None) -> list[np.ndarray]:
        settings = TrainingSettings(n_updates=n_updates, precision=precision)
        data = TrainingData(zip(spectra, labels, strict=True), frontend, settings)
        with quiet():
            detector, _ = train(data, Architecture(), seed=0, device=device, threads=threads)
        return [weight.detach().cpu().numpy() for weight in detector.parameters()]

    return ours


def training_threads(device: torch.device, quick: bool) -> Row:
    """Time one update on two threads; baseline: one thread; weights must be equal bit for bit."""
    given = fixture(device)
    spectra = [magnitudes(torch.as_tensor(song), given.detector.frontend).numpy() for song in given.songs]
    labels = [np.arange(len(m)) % 100 < 50 for m in spectra]
    ours = trained(spectra, labels, given.detector.frontend, device)
    few, many = (1, 3) if quick else (2, 12)
    two, one = (functools.partial(ours, threads=n) for n in (2, 1))
    seconds, alone = seconds_per_step(two, one, device=device, few=few, many=many, repeats=1 if quick else 3)
    failure = "" if all(map(np.array_equal, two(2), one(2))) else "weights depend on the number of threads"
    size = TrainingSettings().batch
    detail = f"{given.words}, batch of {size}; baseline: one thread; same weights bit for bit; {capability()}"
    return Row("training_threads", device.type, seconds, "s/update", alone, alone / seconds, detail, failure)


def training_update(device: torch.device, quick: bool) -> Row:
    """Time one update, including augmentation; ratio = seconds of the baseline / of veracity."""
    return _update(device, quick, "float32")


def training_update_bfloat16(device: torch.device, quick: bool) -> Row:
    """Time one update with convolutions in bfloat16; baseline in float32."""
    return _update(device, quick, "bfloat16")


def _update(device: torch.device, quick: bool, precision: Literal["float32", "bfloat16"]) -> Row:
    given = fixture(device)
    frontend, rng = given.detector.frontend, np.random.default_rng(0)
    spectra = [magnitudes(torch.as_tensor(song), frontend).numpy() for song in given.songs]
    splines = [ndimage.spline_filter(m, SPLINE_ORDER, output=np.float32) for m in spectra]
    labels = [rng.random(len(m)) < 0.5 for m in spectra]

    ours = trained(spectra, labels, frontend, device, precision)

    def plain(n_updates: int) -> None:
        detector, settings = Detector(Architecture(), frontend).to(device).train(), TrainingSettings()
        optimiser = torch.optim.Adam(detector.parameters(), lr=settings.learning_rate)
        for _ in range(n_updates):
            excerpts = torch.as_tensor(plain_batch(splines, rng, frontend, settings), device=device)
            target = torch.as_tensor(rng.choice(settings.targets, settings.batch), dtype=torch.float32, device=device)
            loss = functional.binary_cross_entropy_with_logits(detector(excerpts), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    few, many = (1, 3) if quick else (2, 12)
    seconds, baseline = seconds_per_step(ours, plain, device=device, few=few, many=many, repeats=1 if quick else 3)
    gflop = gflop_per_step(functools.partial(ours, threads=1))  # operations on other threads are not counted
    detail = (
        f"{given.words}, random labels; {gflop:.1f} GFLOP, {gflop / seconds:.0f} GFLOP/s; "
        f"batch of {TrainingSettings().batch}; baseline: splines of order {SPLINE_ORDER} by "
        "scipy, excerpt by excerpt, prefiltered beforehand, in the process of the training"
    )
    name = "training_update" if precision == "float32" else f"training_update_{precision}"
    return Row(name, device.type, seconds, "s/update", baseline, baseline / seconds, detail)
