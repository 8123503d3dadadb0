"""Interface of attacked inputs, and the attack itself, both shared by the two scopes (song and excerpt)."""

import zlib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..detector.decisions import is_sing
from ..detector.network import Network
from ..jobs.devices import computes_bfloat16, tf32, warn_no_bfloat16
from ..songs.frontend import FrontEnd
from .minimiser import Resumable, minimise
from .settings import AttackSettings, Precision


class Attacked(ABC):
    """Clean inputs of an attack, with the logits and gradients of the attacked model.

    Attributes
    ----------
    clean : Tensor, shape (n_items, ...)
        Clean items, each of which is attacked with a separate perturbation.
    """

    clean: Tensor

    @abstractmethod
    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """Return the logits and the gradient of the loss in the precision of the updates.

        Parameters
        ----------
        delta : Tensor, shape (n_items, ...)
            Perturbations of the items.
        target : Tensor, shape (n_items, n_frames)
            Target decisions, 1 for "sing" and 0 for "nosing".
        alpha : float
            Weight of the loss.

        Returns
        -------
        logits : Tensor, shape (n_items, n_frames)
            Logits of the perturbed items.
        gradient : Tensor, shape (n_items, ...)
            Gradient of the weighted loss with respect to `delta`; see `veracity.attacks.minimiser.minimise`.
        """

    @abstractmethod
    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the representation of inputs in float32.

        Parameters
        ----------
        x : Tensor, shape (n_items, ...)
            Clean or perturbed items.

        Returns
        -------
        logits : Tensor, shape (n_items, n_frames)
            Logits of the items.
        frames : Tensor, shape (n_items, ..., n_mels)
            Representation from which the logits are computed, log-mel for the detector.
        """


def of_updates(network: Network, precision: Precision) -> Network:
    """Return the network in the precision of the updates; bfloat16 falls back to float32 on a CPU without it."""
    if precision != "bfloat16":
        return network
    if computes_bfloat16(network.device):
        return network.lowered(torch.bfloat16)
    warn_no_bfloat16("the attack's updates")
    return network


@dataclass(frozen=True)
class Attack:
    """Result of an attack: the perturbation of each item, and the predictions before and after.

    Attributes
    ----------
    delta : Tensor, shape (n_items, ...)
        Perturbations after the last update.
    clean_logits, adversarial_logits : Tensor, shape (n_items, n_frames)
        Logits of the clean and the perturbed items.
    clean_frames, adversarial_frames : Tensor, shape (n_items, ..., n_mels)
        Representation of the clean and the perturbed items, log-mel for the detector.
    snr_db : Tensor, shape (n_items,)
        SNR of each item in dB.
    loss_history : ndarray, shape (n_updates + 1,)
        Total loss before each update and after the last one.
    flipped_history : ndarray of int, shape (n_updates + 1,)
        Number of flipped decisions before each update and after the last one.
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
    resumable: Resumable,
) -> Attack:
    """Flip as many decisions as possible within the limits of `settings`.

    Parameters
    ----------
    attacked : Attacked
        Clean inputs and the attacked model.
    settings : AttackSettings
        Settings of the attack.
    threshold : float
        Decision threshold of the attacked model.
    resumable : Resumable
        Description of the attack, and the saved state from which it resumes.

    Returns
    -------
    Attack
        Result of the attack.

    Raises
    ------
    NumericalError
        If the loss is not finite.
    """
    clean_logits, clean_frames = attacked.exact(attacked.clean)
    with tf32(allowed=settings.precision == "tf32"):
        minimum = minimise(
            torch.zeros_like(attacked.clean),
            attacked.gradient,
            is_sing(torch.sigmoid(clean_logits), threshold),
            settings,
            threshold=threshold,
            exact_logits=None if settings.precision == "float32" else lambda delta: attacked.exact(attacked.clean + delta)[0],
            resumable=resumable,
        )
    _, adversarial_frames = attacked.exact(attacked.clean + minimum.delta)
    return Attack(
        minimum.delta,
        clean_logits,
        minimum.logits,
        clean_frames,
        adversarial_frames,
        snr_db(attacked.clean, minimum.delta),
        minimum.loss_history,
        minimum.flipped_history,
    )


def snr_db(clean: Tensor, delta: Tensor) -> Tensor:
    """Return the SNR in dB, from shape (n, ...) to (n,)."""
    signal, noise = (x.double().flatten(1).pow(2).sum(dim=1) for x in (clean, delta))
    return 10 * torch.log10(signal / noise)


def identity_of(audio: np.ndarray, network: Network, frontend: FrontEnd) -> dict[str, Any]:
    """Return values that identify the audio and the detector of a saved state.

    The checksums of audio and weights do not depend on the machine. Another machine can therefore resume the attack.

    Parameters
    ----------
    audio : ndarray
        Attacked audio.
    network : Network
        Attacked detector.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    dict
        Settings of the front end and two checksums.
    """
    tensors = [
        network.mean,
        network.scale,
        *(t for layer in network.layers for t in (layer.weight, layer.bias) if t is not None),
    ]
    weights = 0
    for tensor in tensors:
        weights = zlib.crc32(tensor.cpu().contiguous().numpy().data, weights)
    return {"frontend": asdict(frontend), "audio": zlib.crc32(np.ascontiguousarray(audio).data), "weights": weights}
