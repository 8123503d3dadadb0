"""Evaluators of a user's model that is available only as a function from excerpts to probabilities.

The model is imported and called on copies, and its output is validated. Its import loads neither torch nor the exact
tables, for modules that need only `checked_probabilities`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, quoted
from ..jobs.callables import callable_source, describe_error, imported, preserve_global_state
from .evaluators import AUDIT_TOLERANCE, DirectEvaluator

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-6  # tolerance beyond [0, 1]: in float32, sums that should be 1 may exceed it slightly


def callable_evaluator(target: str) -> DirectEvaluator:
    """Return the evaluator of a user's model.

    The callable receives copies of the excerpts, and its output is copied. On the first batches it is called again, once with
    the same batch and then with single excerpts of it. This detects models in training mode, such as those with active dropout.

    Parameters
    ----------
    target : str
        Import path of the model, ``module:callable``. The callable takes an ndarray of log-mel excerpts, shape (n, n_frames,
        n_mels), float32, not standardised, and returns P(sing), shape (n,).

    Returns
    -------
    DirectEvaluator
        Evaluator that runs the model on every mask.

    Raises
    ------
    ConfigError
        If `target` cannot be imported or is not callable. The evaluator raises it later if a call fails, returns anything other
        than probabilities, or returns different values for the same excerpts.
    """
    predict = imported(target, "the callable of model.predict", key="model.predict")
    if not callable(predict):
        raise ConfigError(f"{_name(target)} must be callable, got {type(predict).__name__}. Give module:callable.")
    return DirectEvaluator(_UsersModel(target, predict), reason=f"{target} provides only predictions")


def checked_probabilities(answer: Any, n_excerpts: int, name: str) -> np.ndarray:
    """Validate the output of a user's model and return it as a new array.

    Parameters
    ----------
    answer : array_like
        Output of the model. Tensors and lists of tensors are accepted on any device.
    n_excerpts : int
        Number of excerpts that were passed to the model.
    name : str
        Name of the model in error messages.

    Returns
    -------
    ndarray, shape (n_excerpts,), float64
        Probabilities in [0, 1]. Values that are outside only because of rounding are clipped.

    Raises
    ------
    ConfigError
        If the output is not exactly one probability per excerpt.
    """
    wanted = f"{name} must return one probability for each excerpt"
    try:
        values = np.asarray(_off_torch(answer))
    except Exception as error:  # ragged, on a device, or of a type with custom conversion methods
        raise ConfigError(f"{wanted}, got a {type(answer).__name__} that is not an array. Return a NumPy array.") from error
    if values.dtype.kind not in "buif" or np.ma.is_masked(answer):
        of = f" of type {values.dtype}" if values.ndim else ""
        kind = "None" if answer is None else f"a {type(answer).__name__}{of}"
        raise ConfigError(f"{wanted}, got {kind}. Return a NumPy array of numbers.")
    if values.shape == () and n_excerpts == 1:
        values = values[None]  # some models squeeze the output for a single excerpt
    if values.shape != (n_excerpts,):
        raise ConfigError(f"{wanted}, got shape {values.shape} for {n_excerpts} excerpts. Return the shape (n_excerpts,).")
    p = np.asarray(values, dtype=np.float64)
    if not np.all((p >= -ROUNDING) & (p <= 1 + ROUNDING)):
        raise ConfigError(
            f"{name} must return probabilities, got values from {p.min():g} to {p.max():g}. Return values from 0 to 1."
        )
    return np.clip(p, 0, 1)  # copies, so that the model's array is not shared


def _off_torch(answer: Any) -> Any:
    """Convert tensors to Python numbers, regardless of device, dtype and gradient."""
    if hasattr(answer, "detach"):
        return answer.tolist()
    if isinstance(answer, list | tuple):
        return [part.tolist() if hasattr(part, "detach") else part for part in answer]
    return answer


class _UsersModel:
    """Wrapper that turns a user's callable into a validated function from tensors to logits."""

    def __init__(self, target: str, predict: Callable[[np.ndarray], Any]) -> None:
        self.name, self.source, self.predict = _name(target), callable_source(target), predict
        self.asked_twice = self.asked_alone = False

    def __call__(self, excerpts: Tensor) -> Tensor:
        import torch

        if not len(excerpts):
            return torch.zeros(0, dtype=torch.float64)
        batch = excerpts.detach().cpu().numpy()
        p = self._p_sing(batch)
        self._check(batch, p)
        return torch.logit(torch.as_tensor(p), eps=1e-12)

    def _p_sing(self, batch: np.ndarray) -> np.ndarray:
        try:
            with preserve_global_state():
                answer = self.predict(np.array(batch, dtype=np.float32, order="C"))  # a copy, which the callable may modify
        except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            cure = "Fix it" if len(batch) > 1 else "Accept a single excerpt, too, as networks do in evaluation mode"
            why = describe_error(error, self.source)
            raise ConfigError(f"{self.name} fails for excerpts of shape {batch.shape} ({why}). {cure}.") from error
        return checked_probabilities(answer, len(batch), self.name)

    def _check(self, batch: np.ndarray, p: np.ndarray) -> None:
        """Repeat the call, because dropout and batch statistics make the output depend on chance or on the other excerpts."""
        if not self.asked_twice:
            self._compare(p, self._p_sing(batch), "in two calls")
            self.asked_twice = True
        if self.asked_alone:
            return
        others = np.flatnonzero((batch != batch[0]).any(axis=(1, 2)))
        if len(others):  # equal excerpts have the statistics of a single one, so they would reveal nothing
            for i in {0, int(others[len(others) // 2]), int(others[-1])}:
                self._compare(p[i : i + 1], self._p_sing(batch[i : i + 1]), f"in a batch of {len(batch)} and alone")
            self.asked_alone = True

    def _compare(self, first: np.ndarray, second: np.ndarray, how: str) -> None:
        worst = int(np.abs(first - second).argmax())
        if abs(first[worst] - second[worst]) > AUDIT_TOLERANCE:
            answers = f"{first[worst]:.4f} and {second[worst]:.4f}"
            raise ConfigError(
                f"{self.name} must return the same P(sing) for the same excerpts, got {answers} ({how}). Put it into "
                "evaluation mode, so that each value depends on its excerpt alone."
            )


def _name(target: str) -> str:
    return f"model.predict: {quoted(target)}"
