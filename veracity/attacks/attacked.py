"""What both scopes of an attack share: how the detector sees what is attacked, and the course of an attack."""

import zlib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..detector.decisions import is_sing
from ..detector.network import Network
from ..jobs.devices import computes_bfloat16, tell_no_bfloat16, tf32
from ..jobs.resuming import SavedState
from ..songs.frontend import FrontEnd
from .minimiser import minimise
from .settings import AttackSettings, Precision


class Attacked(ABC):
    """Clean inputs, and what the detector makes of any that are like them.

    Attributes
    ----------
    clean : Tensor, shape (n_items, ...)
        Each item gets a perturbation of its own.
    """

    clean: Tensor

    @abstractmethod
    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """Return logits and the gradient of the detector's loss in the attack's precision; see `minimise`."""

    @abstractmethod
    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, shape (n_items, n_frames), and the log-mel frames they are computed from, always in float32."""


def of_updates(network: Network, precision: Precision) -> Network:
    """Return a network that computes in the precision of an attack's updates; float32 where a CPU has no bfloat16."""
    if precision != "bfloat16":
        return network
    if computes_bfloat16(network.device):
        return network.lowered(torch.bfloat16)
    tell_no_bfloat16("the attack's updates")
    return network


@dataclass(frozen=True)
class Attack:
    """The end of an attack: a perturbation for each item, and what the detector says before and after.

    Attributes
    ----------
    delta : Tensor, shape (n_items, ...)
        The last iterate.
    clean_logits, adversarial_logits : Tensor, shape (n_items, n_frames)
    clean_frames, adversarial_frames : Tensor, shape (n_items, ..., n_mels)
        Log-mel frames.
    snr_db : Tensor, shape (n_items,)
    loss_history, flipped_history : ndarray, shape (n_updates + 1,)
    """

    delta: Tensor
    clean_logits: Tensor
    adversarial_logits: Tensor
    clean_frames: Tensor
    adversarial_frames: Tensor
    snr_db: Tensor
    loss_history: np.ndarray
    flipped_history: np.ndarray


def attack(
    attacked: Attacked,
    settings: AttackSettings,
    *,
    threshold: float,
    saved: SavedState | None,
    identity: dict[str, Any],
    description: str,
) -> Attack:
    """Turn every decision of a detector round, as far as `settings` allow; parameters as `minimise`."""
    clean_logits, clean_frames = attacked.exact(attacked.clean)
    with tf32(allowed=settings.precision == "tf32"):
        found = minimise(
            torch.zeros_like(attacked.clean),
            attacked.gradient,
            is_sing(torch.sigmoid(clean_logits), threshold),
            settings,
            threshold=threshold,
            exact_logits=None if settings.precision == "float32" else lambda delta: attacked.exact(attacked.clean + delta)[0],
            saved=saved,
            identity=identity,
            description=description,
        )
    _, adversarial_frames = attacked.exact(attacked.clean + found.delta)
    return Attack(
        found.delta,
        clean_logits,
        found.logits,
        clean_frames,
        adversarial_frames,
        snr_db(attacked.clean, found.delta),
        found.loss_history,
        found.flipped_history,
    )


def snr_db(clean: Tensor, delta: Tensor) -> Tensor:
    """Return the energy of the clean input over that of the perturbation in dB; shape (n, ...) to (n,)."""
    signal, noise = (x.double().flatten(1).pow(2).sum(dim=1) for x in (clean, delta))
    return 10 * torch.log10(signal / noise)


def identity_of(audio: np.ndarray, network: Network, frontend: FrontEnd) -> dict[str, Any]:
    """Tell audio and detector by what they hold, not by what a machine makes of them: another may go on with the attack."""
    held = [network.mean, network.scale, *(t for layer in network.layers for t in (layer.weight, layer.bias) if t is not None)]
    weights = 0
    for tensor in held:
        weights = zlib.crc32(tensor.cpu().contiguous().numpy().data, weights)
    return {"frontend": asdict(frontend), "audio": zlib.crc32(np.ascontiguousarray(audio).data), "weights": weights}
