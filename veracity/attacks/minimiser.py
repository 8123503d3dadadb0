"""Updates of the attack on any number of independent perturbations (paper section 3)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
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
GIVE_BACK_EVERY = 10  # updates between returns of freed memory to the system


@dataclass(frozen=True)
class Resumable:
    """Description of an attack, and the saved state from which it resumes.

    Attributes
    ----------
    description : str
        Description for the progress bar and for errors, "attack" by default.
    saved : SavedState
        Saved state; by default nothing is saved. The caller removes it after writing the result.
    identity : dict
        Values in addition to settings and threshold that determine the remaining updates, such as checksums of the inputs.
    """

    description: str = "attack"
    saved: SavedState = field(default_factory=SavedState)
    identity: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Minimum:
    delta: Tensor
    logits: Tensor
    loss_history: np.ndarray
    flipped_history: np.ndarray


@dataclass
class _Updates:
    """State of the updates after any number of them."""

    delta: Tensor
    moments: tuple[Tensor, Tensor]
    confirmed: Tensor  # whether all decisions of an item are flipped, shape (n_items,)
    losses: list[Tensor]
    counts: list[Tensor]

    @classmethod
    def first(cls, delta: Tensor) -> "_Updates":
        confirmed = torch.zeros(len(delta), dtype=torch.bool, device=delta.device)
        return cls(delta.clone(), (torch.zeros_like(delta), torch.zeros_like(delta)), confirmed, [], [])

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.delta, *self.moments, self.confirmed

    def load(self, state: dict[str, Any]) -> None:
        for tensor, saved in zip(self.tensors, state["tensors"], strict=True):
            tensor.copy_(saved)
        self.losses, self.counts = (list(state[name].to(self.delta.device)) for name in ("losses", "counts"))

    def state(self) -> dict[str, Any]:
        return {"tensors": list(self.tensors), "losses": torch.stack(self.losses), "counts": torch.stack(self.counts)}

    def update(self, grad: Tensor, settings: AttackSettings) -> None:
        """Update the items that are not confirmed; `grad`, the gradient of the weighted loss, is overwritten."""
        # In place, because the magnitudes of a song take most of the memory of an attack.
        step = _step(grad.add_(self.delta, alpha=2).sign_(), self.moments, len(self.losses), settings)
        updated = torch.sub(self.delta, step, out=step).clamp_(-settings.eps, settings.eps)
        self.delta = torch.where(self.confirmed.view(-1, *[1] * (self.delta.ndim - 1)), self.delta, updated)


def minimise(
    delta: Tensor,
    gradient: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]],
    was_sing: Tensor,
    settings: AttackSettings,
    *,
    threshold: float,
    exact_logits: Callable[[Tensor], Tensor] | None = None,
    resumable: Resumable | None = None,
) -> _Minimum:
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
        Decisions on the clean items, which the attack should flip.
    settings : AttackSettings
        Settings of the attack.
    threshold : float
        Decision threshold.
    exact_logits : callable, optional
        Function from `delta` to logits in float32, required if `gradient` has a lower precision. It determines which decisions
        are flipped.
    resumable : Resumable, optional
        Description of the attack, and the saved state from which it resumes. By default nothing is saved.

    Returns
    -------
    _Minimum
        Perturbations, logits, and histories of loss and flips.

    Raises
    ------
    NumericalError
        If the loss is not finite.
    """
    target, updates, resumable = (~was_sing).float(), _Updates.first(delta), resumable or Resumable()
    saved, description = resumable.saved, resumable.description
    state = saved.restore({"attack": asdict(settings), "threshold": float(threshold), **resumable.identity})
    if state is not None:
        updates.load(state)
    first, check_every = len(updates.losses), _check_every(delta.device)
    with Progress(settings.max_updates, description, done=first) as progress:
        for update in range(first, settings.max_updates + 1):
            is_check = update % check_every == 0
            logits, grad = gradient(updates.delta, target, settings.alpha)
            has_flipped = flipped(torch.sigmoid(logits), threshold, was_sing)
            entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1).sum()
            loss = (updates.delta**2).sum() + settings.alpha * entropy
            updates.losses.append(loss)
            updates.counts.append(has_flipped.sum())
            if is_check and not bool(torch.isfinite(loss)):
                raise NumericalError(
                    f"{description}: the loss is not finite before update {update}, got {float(loss)}. {CURE}."
                )
            done = has_flipped.all(dim=1)
            if exact_logits is None:
                updates.confirmed = done
            elif is_check and bool((done & ~updates.confirmed).any()):
                updates.confirmed = flipped(torch.sigmoid(exact_logits(updates.delta)), threshold, was_sing).all(dim=1)
            if update == settings.max_updates or (is_check and bool(updates.confirmed.all())):
                break
            updates.update(grad, settings)
            progress.advance()
            saved.save_when_due(updates.state)
            if update % GIVE_BACK_EVERY == 0 and delta.device.type == "cpu":
                give_back_free_memory()
    if exact_logits is not None:
        logits = exact_logits(updates.delta)
        updates.counts[-1] = flipped(torch.sigmoid(logits), threshold, was_sing).sum()
    losses, counts = torch.stack(updates.losses).double().cpu().numpy(), torch.stack(updates.counts).cpu().numpy()
    return _Minimum(updates.delta, logits, losses, counts)


def _check_every(device: torch.device) -> int:
    return 1 if device.type == "cpu" else GPU_CHECK_EVERY


def _step(sign: Tensor, moments: tuple[Tensor, Tensor], n_updates: int, settings: AttackSettings) -> Tensor:
    """Return the step that is subtracted from the perturbation; it may overwrite `sign`."""
    if settings.update_rule == "sign":
        return sign.mul_(settings.eta)
    # Adam with the default constants; torch's Adam would also update items that are already flipped.
    mean, square = moments[0].lerp_(sign, 0.1), moments[1].lerp_(sign**2, 0.001)
    scale = (square / (1 - 0.999**n_updates)).sqrt_().add_(1e-8)
    return (mean / (1 - 0.9**n_updates)).mul_(settings.eta).div_(scale)
