"""Training the detector: loss, schedule, resumption (paper section 4.2).

Every update draws its random numbers by its own number (`veracity.jobs.seeds`), so that a training that was killed and resumed
ends with the weights of one that was not.
"""

import math
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import CorpusError, NumericalError
from ..jobs.devices import computes_bfloat16, tell_no_bfloat16
from ..jobs.progress import Progress
from ..jobs.resuming import SavedState
from ..jobs.seeds import rng_for, seed_for
from ..jobs.usage import free_memory_kept
from ..jobs.workers import Workers, workers
from ..labels import label, title
from .model import Detector
from .settings import Architecture
from .shards import sharded_gradients
from .training_data import TrainingData


@dataclass(frozen=True)
class CurvePoint:
    """One point of a training curve: means over the updates since the last point."""

    update: int
    learning_rate: float
    loss: float
    error: float


def train(
    data: TrainingData,
    architecture: Architecture,
    *,
    seed: int,
    device: torch.device,
    saved: SavedState | None = None,
    curve_every: int = 50,
    threads: int | None = None,
) -> tuple[Detector, list[CurvePoint]]:
    """Train a detector.

    Parameters
    ----------
    data : TrainingData
        Tells front end and settings too.
    architecture : Architecture
    seed : int
        Decides initial weights, excerpts, augmentation and dropout.
    device : torch.device
    saved : SavedState, optional
        Where the state is saved now and then; training goes on from what is there. To be removed when its result is safe.
    curve_every : int
        Updates per point of the training curve.
    threads : int, optional
        Of a CPU that work at a time, up to one for each shard of a batch (`veracity.detector.shards`); by default as many as
        torch would take. The weights do not depend on it.

    Returns
    -------
    detector : Detector
        In evaluation mode, the last weights (the paper keeps the last).
    curve : list of CurvePoint

    Raises
    ------
    CorpusError
        When the songs hold one label only.
    NumericalError
        At the first loss that is not finite.
    """
    _check_labels(data.labels)
    settings, saved = data.settings, saved or SavedState()
    # From the initial weights on: a factorisation on two threads rounds otherwise.
    with workers(threads, device) as own, free_memory_kept():
        run = _Run(data, architecture, seed, device, curve_every, own)
        if (kept := saved.restore(run.identity(data))) is not None:
            run.go_on_from(kept)
        data.to(device)
        run.detector.train()
        run.detector.freq_norm.train(settings.standardisation == "running")
        batches = data.batches((rng_for(seed, "batch", n) for n in range(run.n_updates, settings.n_updates)), own)
        with Progress(settings.n_updates, f"training {seed}", done=run.n_updates) as progress:
            for excerpts, is_sing in batches:
                run.update(excerpts, is_sing)
                progress.advance()
                saved.save_when_due(run.state)
    return run.detector.eval(), run.curve


def _check_labels(is_sing: np.ndarray) -> None:
    """Refuse songs from which nothing can be learned."""
    if is_sing.all() or not is_sing.any():
        lacking = title(label(not is_sing.any()))
        raise CorpusError(
            f"the training songs hold no frame of “{lacking}”: list songs with both labels, or give detector.checkpoint"
        )


class _Run:
    """A training under way: weights, optimiser, and the curve so far; parameters as `train`."""

    def __init__(
        self,
        data: TrainingData,
        architecture: Architecture,
        seed: int,
        device: torch.device,
        curve_every: int,
        threads: Workers,
    ) -> None:
        self.settings, self.seed, self.curve_every = data.settings, seed, curve_every
        torch.manual_seed(seed_for(seed, "initial weights"))
        self.detector = Detector(architecture, data.frontend).to(device)
        self.detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.settings.standardisation == "exact":
            mean, variance = data.statistics()
            self.detector.freq_norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            self.detector.freq_norm.running_var.copy_(variance)  # type: ignore[union-attr]
        self.precision = self.settings.precision
        if self.precision == "bfloat16" and not computes_bfloat16(device):
            self.precision = "float32"
            tell_no_bfloat16("the training")
        rate = self.settings.learning_rate
        self.optimiser = torch.optim.Adam(self.detector.parameters(), lr=rate, fused=True)
        self.n_updates, self.curve = 0, list[CurvePoint]()
        self.sums = torch.zeros(2, device=device)  # of loss and error since the last point of the curve
        self.threads = threads

    def identity(self, data: TrainingData) -> dict[str, Any]:
        """Tell all that decides how the training goes on."""
        return {
            "seed": self.seed,
            "curve_every": self.curve_every,
            "settings": asdict(self.settings),
            "architecture": asdict(self.detector.architecture),
            "frontend": asdict(data.frontend),
            "songs": zlib.crc32(data.labels.tobytes(), zlib.crc32(data.held.cpu().numpy().data)),
        }

    def state(self) -> dict[str, Any]:
        """Return what `go_on_from` takes."""
        weights = {"detector": self.detector.state_dict(), "optimiser": self.optimiser.state_dict()}
        curve = [asdict(point) for point in self.curve]
        return {**weights, "update": self.n_updates, "curve": curve, "sums": self.sums}

    def go_on_from(self, kept: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.detector.load_state_dict(kept["detector"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.n_updates, self.curve = kept["update"], [CurvePoint(**point) for point in kept["curve"]]
        self.sums.copy_(kept["sums"])

    def update(self, excerpts: Tensor, is_sing: Tensor) -> None:
        """Take one step, and add a point to the curve when it is time."""
        settings = self.settings
        torch.manual_seed(seed_for(self.seed, "dropout", self.n_updates))
        learning_rate = settings.learning_rate * settings.decay ** (self.n_updates // settings.decay_every)
        target = torch.where(is_sing, settings.targets[1], settings.targets[0])
        self.sums += train_step(self.detector, self.optimiser, excerpts, target, learning_rate, self.precision, self.threads)
        self.n_updates += 1
        if self.sums.device.type == "cpu":  # a GPU is asked for a value at the points of the curve alone
            self._check(float(self.sums[0]))
        if self.n_updates % self.curve_every == 0 or self.n_updates == settings.n_updates:
            n_since = self.n_updates - (self.curve[-1].update if self.curve else 0)
            loss, error = (self.sums / n_since).tolist()
            self._check(loss)
            self.curve.append(CurvePoint(self.n_updates, learning_rate, loss, error))
            self.sums.zero_()

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise NumericalError(
                f"the training's loss is {loss} at update {self.n_updates}: lower detector.training.learning_rate, and see the "
                "table corpus for songs that are not what they seem"
            )


def train_step(
    detector: Detector,
    optimiser: torch.optim.Optimizer,
    excerpts: Tensor,
    target: Tensor,
    learning_rate: float,
    precision: str = "float32",
    threads: Workers | None = None,
) -> Tensor:
    """Take one step; return loss and error of the batch, shape (2,).

    A CPU computes the batch in shards (`veracity.detector.shards`), so that the outcome does not depend on `threads`.
    """
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.zero_grad(set_to_none=True)
    if excerpts.device.type == "cpu":
        shown, gradients = sharded_gradients(detector, excerpts, target, precision=precision, threads=threads or Workers())
        for name, weight in detector.named_parameters():
            weight.grad = gradients.get(name)
    else:
        with torch.autocast(excerpts.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = detector(excerpts).float()
        loss = functional.binary_cross_entropy_with_logits(logits, target)
        loss.backward()
        shown = torch.stack([loss.detach(), ((logits.detach() > 0) != (target > 0.5)).float().mean()])
    optimiser.step()
    return shown
