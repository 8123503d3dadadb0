"""Updates of the attack on any number of independent perturbations (paper section 3)."""

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

GPU_CHECK_EVERY = 32  # updates between checks whether all decisions are flipped, because each check synchronises with the GPU
CURE = "Check that the audio is within +-1 and the detector has been trained, or lower eps, eta and alpha"
GIVE_BACK_EVERY = 10  # updates between calls, so that memory does not grow


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
    """Run the updates of an attack on one or more independent perturbations.

    The forward pass of an update also determines whether the previous update has flipped all decisions. Items whose decisions
    are all flipped are not updated further.

    Parameters
    ----------
    delta : Tensor, shape (n_items, ...)
        Initial perturbations.
    gradient : callable
        Function ``gradient(delta, target, alpha)`` that returns logits, shape (n_items, n_frames), and a gradient with the
        shape of `delta`. The gradient is that of ``alpha`` times the mean over frames of the binary cross-entropy with `target`
        (0 or 1). It is overwritten.
    was_sing : Tensor of bool, shape (n_items, n_frames)
        Decisions on the clean items, which are to be flipped.
    settings : AttackSettings
        Settings of the attack.
    threshold : float
        Decision threshold.
    exact_logits : callable, optional
        Function from `delta` to logits in float32, required if `gradient` has a lower precision. It determines which decisions
        are flipped.
    saved : SavedState, optional
        Saved state from which the attack resumes. The caller removes it after writing the result.
    identity : dict, optional
        Values in addition to settings and threshold that determine the remaining updates, such as checksums of the inputs.
    description : str
        Description for the progress bar, "attack" by default.

    Returns
    -------
    _Found
        Perturbations, logits, and histories of loss and flips.

    Raises
    ------
    NumericalError
        If the loss is not finite.
    """
    target = (~was_sing).float()
    delta = delta.clone()
    moments = (torch.zeros_like(delta), torch.zeros_like(delta))
    losses: list[Tensor] = []
    counts: list[Tensor] = []
    confirmed = torch.zeros(len(delta), dtype=torch.bool, device=delta.device)
    saved = saved or SavedState()
    state = saved.restore({"attack": asdict(settings), "threshold": float(threshold), **(identity or {})})
    if state is not None:
        for own, other in zip((delta, *moments, confirmed), state["tensors"], strict=True):
            own.copy_(other)
        losses, counts = (list(state[name].to(delta.device)) for name in ("losses", "counts"))
    first, check_every = len(losses), _check_every(delta.device)
    with Progress(settings.max_updates, description, done=first) as progress:
        for update in range(first, settings.max_updates + 1):
            logits, grad = gradient(delta, target, settings.alpha)
            has_flipped = flipped(torch.sigmoid(logits), threshold, was_sing)
            entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1).sum()
            losses.append((delta**2).sum() + settings.alpha * entropy)
            counts.append(has_flipped.sum())
            if update % check_every == 0 and not bool(torch.isfinite(losses[-1])):
                raise NumericalError(
                    f"{description}: the loss is not finite before update {update}, got {float(losses[-1])}. {CURE}."
                )
            done = has_flipped.all(dim=1)
            if exact_logits is None:
                confirmed = done
            elif update % check_every == 0 and bool((done & ~confirmed).any()):
                confirmed = flipped(torch.sigmoid(exact_logits(delta)), threshold, was_sing).all(dim=1)
            if update == settings.max_updates or (update % check_every == 0 and bool(confirmed.all())):
                break
            # In place, because the magnitudes of a song take most of the memory of an attack.
            step = _step(grad.add_(delta, alpha=2).sign_(), moments, update + 1, settings)
            updated = torch.sub(delta, step, out=step).clamp_(-settings.eps, settings.eps)
            delta = torch.where(confirmed.view(-1, *[1] * (delta.ndim - 1)), delta, updated)  # flipped items remain unchanged
            progress.advance()
            saved.save_when_due(partial(_state, (delta, *moments, confirmed), losses, counts))
            if update % GIVE_BACK_EVERY == 0 and delta.device.type == "cpu":
                give_back_free_memory()
    if exact_logits is not None:
        logits = exact_logits(delta)
        counts[-1] = flipped(torch.sigmoid(logits), threshold, was_sing).sum()
    history = torch.stack(losses).double().cpu().numpy(), torch.stack(counts).cpu().numpy()
    return _Found(delta, logits, was_sing, *history)


def _check_every(device: torch.device) -> int:
    return 1 if device.type == "cpu" else GPU_CHECK_EVERY


def _state(tensors: tuple[Tensor, ...], losses: list[Tensor], counts: list[Tensor]) -> dict[str, Any]:
    return {"tensors": list(tensors), "losses": torch.stack(losses), "counts": torch.stack(counts)}


def _step(sign: Tensor, moments: tuple[Tensor, Tensor], n_updates: int, settings: AttackSettings) -> Tensor:
    """Return the step that is subtracted from the perturbation; it may overwrite `sign`."""
    if settings.update_rule == "sign":
        return sign.mul_(settings.eta)
    # Adam with its default constants, not that of torch, because flipped perturbations must not change.
    mean, square = moments[0].lerp_(sign, 0.1), moments[1].lerp_(sign**2, 0.001)
    scale = (square / (1 - 0.999**n_updates)).sqrt_().add_(1e-8)
    return (mean / (1 - 0.9**n_updates)).mul_(settings.eta).div_(scale)
