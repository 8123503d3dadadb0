"""Attacks that may change chosen parts of an excerpt alone: a perturbation whose place is known by construction.

Differs from the paper, whose attacks change all of a song; this is a control of explainers, not one of its experiments.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..detector.checkpoints import AnyDetector, as_network
from ..detector.decisions import flipped, is_sing, probability
from ..songs.settings import FrontEnd, excerpt_windows
from .attacked import Attacked, attack
from .excerpt_scope import AttackedExcerpts
from .settings import AttackSettings


@dataclass(frozen=True)
class ConfinedAttack:
    """The end of attacks that were confined to parts of excerpts, one for each excerpt.

    Attributes
    ----------
    clean, adversarial : ndarray, shape (n_excerpts, n_frames, n_mels)
        Log-mel frames; they differ alone where the attack was allowed to.
    was_sing, flipped : ndarray of bool, shape (n_excerpts,)
        The decision on the clean excerpt, and whether the attack has turned it round.
    """

    clean: np.ndarray
    adversarial: np.ndarray
    was_sing: np.ndarray
    flipped: np.ndarray


class _Confined(Attacked):
    """Another attack's inputs, of which only a part may move: a perturbation without a gradient stays 0."""

    def __init__(self, free: Attacked, allowed: Tensor) -> None:
        self.free, self.allowed, self.clean = free, allowed, free.clean

    def gradient(self, delta: Tensor, target: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        logits, slope = self.free.gradient(delta, target, alpha)
        return logits, slope.mul_(self.allowed)

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.free.exact(x)


def attack_confined(
    audio: np.ndarray,
    start_frames: np.ndarray,
    allowed: np.ndarray,
    detector: AnyDetector,
    frontend: FrontEnd,
    settings: AttackSettings,
    *,
    threshold: float,
) -> ConfinedAttack:
    """Attack the magnitudes of some excerpts, each where it may be changed.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
    start_frames : ndarray of int, shape (n_excerpts,)
        First frame of each excerpt; see `veracity.songs.settings.inner_start_frames`.
    allowed : ndarray of bool, shape (n_excerpts, n_frames, n_bins)
        Magnitudes that may be changed.
    detector : Network, Detector, Checkpoint or path-like
    frontend : FrontEnd
    settings : AttackSettings
    threshold : float
    """
    network = as_network(detector)
    windows = excerpt_windows(audio, start_frames, frontend)
    free = AttackedExcerpts(windows, network, frontend, "spectrogram", settings.precision)
    confined = _Confined(free, torch.as_tensor(allowed, device=network.device))
    found = attack(confined, settings, threshold=threshold, saved=None, identity={}, description="confined attack")
    clean_p, adversarial_p = (probability(x[:, 0].cpu().numpy()) for x in (found.clean_logits, found.adversarial_logits))
    was_sing = is_sing(clean_p, threshold)
    return ConfinedAttack(
        found.clean_frames.cpu().numpy(),
        found.adversarial_frames.cpu().numpy(),
        was_sing,
        flipped(adversarial_p, threshold, was_sing),
    )
