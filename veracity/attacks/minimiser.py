"""The attack's updates, on any number of independent perturbations at a time (paper section 3)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..detector.decisions import flipped
from ..errors import NumericalError
from ..jobs.progress import Progress
from ..jobs.resuming import SavedState
from ..jobs.usage import give_back_free_memory
from .settings import AttackSettings

GPU_LOOK_EVERY = 32  # updates between looks at whether all has flipped: each look makes the host wait
CURE = "check that the audio lies within +-1 and the detector's weights are those of a training, or lower eps, eta and alpha"
GIVE_BACK_EVERY = 10  # updates, so that memory stays that of a few


@dataclass(frozen=True)
class _Found:
    delta: Tensor
    logits: Tensor
    was_sing: Tensor
    loss_history: np.ndarray
    flipped_history: np.ndarray


def minimise(
    delta: Tensor,
    gradient: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]],
    was_sing: Tensor,
    settings: AttackSettings,
    *,
    threshold: float,
    exact_logits: Callable[[Tensor], Tensor] | None = None,
    saved: SavedState | None = None,
    identity: dict[str, Any] | None = None,
    description: str = "attack",
) -> _Found:
    """Run the attack's updates on one or more independent perturbations.

    The forward pass of an update also tells whether the update before it has flipped everything.

    Parameters
    ----------
    delta : Tensor, shape (n_items, ...)
        Where to start.
    gradient : callable
        ``gradient(delta, target, alpha)`` returns logits, shape (n_items, n_frames), and the gradient, with the shape of
        `delta`, of ``alpha`` times the mean over frames of the binary cross-entropy with `target` (0 or 1). The gradient is
        overwritten.
    was_sing : Tensor of bool, shape (n_items, n_frames)
        The decisions to be turned round.
    settings : AttackSettings
    threshold : float
    exact_logits : callable, optional
        ``exact_logits(delta)`` returns logits in float32, where `gradient` computes in less; the last word on what has
        flipped.
    saved : SavedState, optional
        Where the state is saved now and then; the attack goes on from what is there. To be removed when its result is safe.
    identity : dict, optional
        What else than settings and threshold decides how the attack goes on: what is attacked, and how.
    description : str
        For the progress bar.
    """
    target = (~was_sing).float()
    delta = delta.clone()
    moments = (torch.zeros_like(delta), torch.zeros_like(delta))
    losses: list[Tensor] = []
    counts: list[Tensor] = []
    confirmed = torch.zeros(len(delta), dtype=torch.bool, device=delta.device)
    saved = saved or SavedState()
    kept = saved.restore({"attack": asdict(settings), "threshold": float(threshold), **(identity or {})})
    if kept is not None:
        for own, other in zip((delta, *moments, confirmed), kept["tensors"], strict=True):
            own.copy_(other)
        losses, counts = (list(kept[name].to(delta.device)) for name in ("losses", "counts"))
    first, look_every = len(losses), _look_every(delta.device)
    with Progress(settings.max_updates, description, done=first) as progress:
        for update in range(first, settings.max_updates + 1):
            logits, slope = gradient(delta, target, settings.alpha)
            has_flipped = flipped(torch.sigmoid(logits), threshold, was_sing)
            entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1).sum()
            losses.append((delta**2).sum() + settings.alpha * entropy)
            counts.append(has_flipped.sum())
            if update % look_every == 0 and not bool(torch.isfinite(losses[-1])):
                raise NumericalError(f"{description}: the loss is {float(losses[-1])} before update {update}: {CURE}")
            done = has_flipped.all(dim=1)
            if exact_logits is None:
                confirmed = done
            elif update % look_every == 0 and bool((done & ~confirmed).any()):
                confirmed = flipped(torch.sigmoid(exact_logits(delta)), threshold, was_sing).all(dim=1)
            if update == settings.max_updates or (update % look_every == 0 and bool(confirmed.all())):
                break
            # In place: a song's magnitudes are what an attack holds most of.
            step = _step(slope.add_(delta, alpha=2).sign_(), moments, update + 1, settings)
            moved = torch.sub(delta, step, out=step).clamp_(-settings.eps, settings.eps)
            delta = torch.where(confirmed.view(-1, *[1] * (delta.ndim - 1)), delta, moved)  # what has flipped stays as it is
            progress.advance()
            saved.save_when_due(partial(_state, (delta, *moments, confirmed), losses, counts))
            if update % GIVE_BACK_EVERY == 0 and delta.device.type == "cpu":
                give_back_free_memory()
    if exact_logits is not None:
        logits = exact_logits(delta)
        counts[-1] = flipped(torch.sigmoid(logits), threshold, was_sing).sum()
    history = torch.stack(losses).double().cpu().numpy(), torch.stack(counts).cpu().numpy()
    return _Found(delta, logits, was_sing, *history)


def _look_every(device: torch.device) -> int:
    return 1 if device.type == "cpu" else GPU_LOOK_EVERY


def _state(tensors: tuple[Tensor, ...], losses: list[Tensor], counts: list[Tensor]) -> dict[str, Any]:
    return {"tensors": list(tensors), "losses": torch.stack(losses), "counts": torch.stack(counts)}


def _step(sign: Tensor, moments: tuple[Tensor, Tensor], n_updates: int, settings: AttackSettings) -> Tensor:
    """Return what is subtracted from the perturbation; it may overwrite `sign`."""
    if settings.update_rule == "sign":
        return sign.mul_(settings.eta)
    # Adam with its usual constants, written out since the perturbations that have flipped must not move.
    mean, square = moments[0].lerp_(sign, 0.1), moments[1].lerp_(sign**2, 0.001)
    scale = (square / (1 - 0.999**n_updates)).sqrt_().add_(1e-8)
    return (mean / (1 - 0.9**n_updates)).mul_(settings.eta).div_(scale)
