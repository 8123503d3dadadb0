"""Training of the detector: loss, learning rate schedule and resumption (paper section 4.2).

The random numbers of each update are derived from its number (`veracity.jobs.seeds`). A training run that is interrupted and
resumed therefore gives the same weights as an uninterrupted one.
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
from ..jobs.devices import computes_bfloat16, warn_no_bfloat16
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

N_CLEAN = 256  # excerpts for the final statistics of the batch norms


@dataclass(frozen=True)
class CurvePoint:
    """Point of a training curve.

    Attributes
    ----------
    update : int
        Number of updates so far.
    learning_rate : float
        Learning rate of the last update.
    loss, error : float
        Mean loss, and mean share of excerpts on the wrong side of 0.5, over the updates since the previous point.
    """

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
        Training data, with the front end and the training settings.
    architecture : Architecture
        Layers of the network.
    seed : int
        Seed of initial weights, excerpts, augmentation and dropout.
    device : torch.device
        Device of the training.
    saved : SavedState, optional
        Saved state, from which training is resumed and which is updated at intervals. By default no state is saved. The caller
        removes it after storing the result.
    curve_every : int
        Number of updates per point of the training curve, 50 by default.
    threads : int, optional
        Number of CPU threads, by default torch's number of threads. At most one thread per shard is used
        (`veracity.detector.shards`). The weights do not depend on it.

    Returns
    -------
    detector : Detector
        Detector in evaluation mode with the weights of the last update, as in the paper. `TrainingSettings.batch_norms` selects
        the statistics of its batch norms.
    curve : list of CurvePoint
        Training curve.

    Raises
    ------
    CorpusError
        If all frames of the songs have the same label.
    NumericalError
        If a loss is not finite.
    """
    _check_labels(data.labels)
    settings, saved = data.settings, saved or SavedState()
    # The initial weights are computed in this block, because their factorisation rounds differently on more threads.
    with workers(threads, device) as pool, free_memory_kept():
        run = _Training(data, architecture, seed, device, curve_every, pool)
        if (state := saved.restore(run.identity(data))) is not None:
            run.load_state(state)
        data.to(device)
        run.detector.train()
        run.detector.freq_norm.train(settings.standardisation == "running")
        batches = data.batches((rng_for(seed, "batch", n) for n in range(run.n_updates, settings.n_updates)), pool)
        with Progress(settings.n_updates, f"training {seed}", done=run.n_updates) as progress:
            for excerpts, is_sing in batches:
                run.update(excerpts, is_sing)
                progress.advance()
                saved.save_when_due(run.state)
        if settings.batch_norms == "final":
            run.finish_norms(data)
    return run.detector.eval(), run.curve


def _check_labels(is_sing: np.ndarray) -> None:
    """Raise CorpusError if the songs have only one label."""
    if is_sing.all() or not is_sing.any():
        lacking = title(label(not is_sing.any()))
        raise CorpusError(
            f"filelists/train: no frame is labelled “{lacking}”. List songs with both labels, or give detector.checkpoint."
        )


class _Training:
    """Training run in progress: weights, optimiser and curve; the parameters are those of `train`."""

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
            warn_no_bfloat16("the training")
        rate = self.settings.learning_rate
        self.optimiser = torch.optim.Adam(self.detector.parameters(), lr=rate, fused=True)
        self.n_updates, self.curve = 0, list[CurvePoint]()
        self.sums = torch.zeros(2, device=device)  # sums of loss and error since the last point of the curve
        self.threads = threads

    def identity(self, data: TrainingData) -> dict[str, Any]:
        """Return everything that determines the remaining training."""
        return {
            "seed": self.seed,
            "curve_every": self.curve_every,
            "settings": asdict(self.settings),
            "architecture": asdict(self.detector.architecture),
            "frontend": asdict(data.frontend),
            "songs": zlib.crc32(data.labels.tobytes(), zlib.crc32(data.held.cpu().numpy().data)),
        }

    def state(self) -> dict[str, Any]:
        """Return the state for `load_state`."""
        weights = {"detector": self.detector.state_dict(), "optimiser": self.optimiser.state_dict()}
        curve = [asdict(point) for point in self.curve]
        return {**weights, "update": self.n_updates, "curve": curve, "sums": self.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        """Load a saved state."""
        self.detector.load_state_dict(state["detector"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.n_updates, self.curve = state["update"], [CurvePoint(**point) for point in state["curve"]]
        self.sums.copy_(state["sums"])

    def update(self, excerpts: Tensor, is_sing: Tensor) -> None:
        """Run one update, and add a point to the curve every `curve_every` updates."""
        settings = self.settings
        torch.manual_seed(seed_for(self.seed, "dropout", self.n_updates))
        learning_rate = settings.learning_rate * settings.decay ** (self.n_updates // settings.decay_every)
        target = torch.where(is_sing, settings.targets[1], settings.targets[0])
        self.sums += train_step(self.detector, self.optimiser, excerpts, target, learning_rate, self.precision, self.threads)
        self.n_updates += 1
        if self.sums.device.type == "cpu":  # a GPU is synchronised only at the points of the curve
            self._check(float(self.sums[0]))
        if self.n_updates % self.curve_every == 0 or self.n_updates == settings.n_updates:
            n_since = self.n_updates - (self.curve[-1].update if self.curve else 0)
            loss, error = (self.sums / n_since).tolist()
            self._check(loss)
            self.curve.append(CurvePoint(self.n_updates, learning_rate, loss, error))
            self.sums.zero_()

    def finish_norms(self, data: TrainingData) -> None:
        """Replace the running averages of the batch norms by the statistics of the final weights without augmentation."""
        norms = self.detector.eval().norms[1:]  # the first one standardises the input
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train().reset_running_stats()
            norm.momentum = None  # plain mean over all batches
        with torch.no_grad():
            for excerpts in data.clean_excerpts(rng_for(self.seed, "batch norms"), N_CLEAN):
                self.detector(excerpts)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise NumericalError(
                f"detector.training: the loss is not finite at update {self.n_updates}, got {loss}. "
                "Lower detector.training.learning_rate, and check the songs in the table corpus."
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
    """Run one update of the weights.

    A CPU computes the batch in shards (`veracity.detector.shards`), so that the result does not depend on `threads`.

    Parameters
    ----------
    detector : Detector
        Detector in training mode, which is updated.
    optimiser : Optimizer
        Optimiser of its weights.
    excerpts : Tensor, shape (n, excerpt_frames, n_mels)
        Natural log of mel magnitude, not standardised.
    target : Tensor, shape (n,)
        Target probability of each excerpt.
    learning_rate : float
        Learning rate of this update.
    precision : {"float32", "bfloat16"}
        Precision of the convolutions, "float32" by default.
    threads : Workers, optional
        Threads that process the shards, by default a single one.

    Returns
    -------
    Tensor, shape (2,)
        Mean loss, and share of excerpts on the wrong side of 0.5.
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
