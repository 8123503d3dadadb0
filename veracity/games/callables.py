"""A user's model that is known only by its predictions: found, called with care, its answers checked.

Modules that need no more than `checked_probabilities` or `callable_source` import neither torch nor the exact tables here.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, quoted, shortened
from .evaluators import AUDIT_TOLERANCE, DirectEvaluator

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-6  # what a probability in float32 may lie beyond 0 or 1, from sums that should be 1


def callable_evaluator(target: str) -> DirectEvaluator:
    """Return the evaluator of a user's model.

    The callable is given copies, and its answers are copied. On the first excerpts it is asked more than once: twice for the
    same, and for some of them alone.

    Parameters
    ----------
    target : str
        ``module:callable``; the callable takes an ndarray of log-mel excerpts, shape (n, n_frames, n_mels), float32, not
        standardised, and returns P(sing), shape (n,).

    Raises
    ------
    ConfigError
        When it cannot be imported or called; and later, when it fails, returns anything but probabilities, or gives different
        answers for the same excerpts.
    """
    predict = imported(target, "the callable of lime.predict", key="lime.predict")
    if not callable(predict):
        raise ConfigError(f"{_name(target)} is a {type(predict).__name__}, which cannot be called: give module:callable")
    return DirectEvaluator(_UsersModel(target, predict), reason=f"{target} is known only by its predictions")


def callable_source(target: str, path: Sequence[str] | None = None) -> Path | None:
    """Return the file that holds a callable, for a digest of its code; nothing is imported.

    Modules beside it that it imports count too, see `veracity.jobs.provenance.code_digest`.

    Parameters
    ----------
    target : str
        ``module:callable``.
    path : sequence of str, optional
        Where modules are looked for; ``sys.path`` by default.

    Returns
    -------
    Path or None
        Of the module, for a package its ``__init__.py``; None when there is none, or none in Python.
    """
    spec = spec_of(target.partition(":")[0], path)
    source = Path((spec and spec.origin) or "")
    return source if source.suffix == ".py" and source.is_file() else None


def spec_of(module: str, path: Sequence[str] | None = None) -> importlib.machinery.ModuleSpec | None:
    """Find a module as an import would, but import nothing, the packages that it lies in neither; None when there is none."""
    first, *others = module.split(".")
    folders = list(sys.path if path is None else path)
    spec = next(filter(None, (_found_by(finder, first, folders) for finder in sys.meta_path)), None)
    for (
        part
    ) in others:  # by its last name: of the whole one, namespace packages would look up the parent, which is not imported
        folders = list((spec and spec.submodule_search_locations) or [])
        spec = _found_by(importlib.machinery.PathFinder, part, folders) if folders else None
    return spec


def _found_by(finder: Any, name: str, folders: list[str]) -> importlib.machinery.ModuleSpec | None:
    try:
        return finder.find_spec(name, folders)
    except (AttributeError, ImportError, ValueError):
        return None


@functools.cache
def path_of_jobs() -> tuple[str, ...]:
    """Return where the scripts of jobs find modules: not beside the Snakefile, which only Snakemake's own Python sees."""
    code = "import json, sys; print(json.dumps([folder for folder in sys.path if folder]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    return tuple(json.loads(done.stdout)) if done.returncode == 0 else tuple(sys.path)


def checked_probabilities(answer: Any, n_excerpts: int, name: str) -> np.ndarray:
    """Return what a user's model answered as an array of our own.

    Parameters
    ----------
    answer : array_like
        Also a tensor, or a list of tensors, on any device.
    n_excerpts : int
        What it was asked for.
    name : str
        Of the model, for messages.

    Returns
    -------
    ndarray, shape (n_excerpts,), float64
        In [0, 1]; what lies beyond by rounding is clipped.

    Raises
    ------
    ConfigError
        When it is anything but one probability for each excerpt.
    """
    wanted = f"{name} must return one probability for each excerpt"
    try:
        values = np.asarray(_off_torch(answer))
    except Exception as error:  # ragged, on a device, or of a type with methods of its own
        raise ConfigError(f"{wanted}, got a {type(answer).__name__} that is no array: return a NumPy array") from error
    if values.dtype.kind not in "buif" or np.ma.is_masked(answer):
        of = f" of type {values.dtype}" if values.ndim else ""
        kind = "nothing" if answer is None else f"a {type(answer).__name__}{of}"
        raise ConfigError(f"{wanted}, got {kind}: return a NumPy array of numbers")
    if values.shape == () and n_excerpts == 1:
        values = values[None]  # a model that squeezes its answer
    if values.shape != (n_excerpts,):
        raise ConfigError(f"{wanted}, got shape {values.shape} for {n_excerpts} excerpts")
    p = np.asarray(values, dtype=np.float64)
    if not np.all((p >= -ROUNDING) & (p <= 1 + ROUNDING)):
        raise ConfigError(f"{name} must return probabilities, got values from {p.min():g} to {p.max():g}")
    return np.clip(p, 0, 1)  # a copy


def _off_torch(answer: Any) -> Any:
    """Turn tensors into numbers, whatever their device, type or gradient."""
    if hasattr(answer, "detach"):
        return answer.tolist()
    if isinstance(answer, list | tuple):
        return [part.tolist() if hasattr(part, "detach") else part for part in answer]
    return answer


class _UsersModel:
    """A user's callable as a function of tensors to logits, checked."""

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
            answer = self.predict(np.array(batch, dtype=np.float32, order="C"))  # its own, to do with as it likes
        except (Exception, SystemExit) as error:
            cure = "mend it" if len(batch) > 1 else "let it take a single excerpt, too, as networks do in evaluation mode"
            why = told(error, self.source)
            raise ConfigError(f"{self.name} fails for excerpts of shape {batch.shape} ({why}): {cure}") from error
        return checked_probabilities(answer, len(batch), self.name)

    def _check(self, batch: np.ndarray, p: np.ndarray) -> None:
        """Ask once more: dropout answers by chance, and batch statistics make an answer depend on the other excerpts."""
        if not self.asked_twice:
            self._compare(p, self._p_sing(batch), "asked twice")
            self.asked_twice = True
        if self.asked_alone:
            return
        others = np.flatnonzero((batch != batch[0]).any(axis=(1, 2)))
        if len(others):  # or a batch has the statistics of its excerpts
            for i in {0, int(others[len(others) // 2]), int(others[-1])}:
                self._compare(p[i : i + 1], self._p_sing(batch[i : i + 1]), f"among {len(batch)} and alone")
            self.asked_alone = True

    def _compare(self, first: np.ndarray, second: np.ndarray, how: str) -> None:
        worst = int(np.abs(first - second).argmax())
        if abs(first[worst] - second[worst]) > AUDIT_TOLERANCE:
            answers = f"{first[worst]:.4f} and {second[worst]:.4f}"
            raise ConfigError(
                f"{self.name} gives different answers for the same excerpts (P(sing) {answers}, {how}): put it into "
                "evaluation mode, so that each answer depends on its excerpt alone"
            )


def _name(target: str) -> str:
    return f"{quoted(target)}, the callable of lime.predict,"


def imported(target: str, what: str, *, key: str = "") -> Any:
    """Import ``module:callable``; raises ConfigError, with what it is for, when that fails or there is none.

    Parameters
    ----------
    target : str
    what : str
        What it is, for messages.
    key : str
        The configuration key that holds it, where that says more.
    """
    module, _, name = target.partition(":")
    named = f"{quoted(target)}, {what},"
    cure = "give module:callable, with the module on PYTHONPATH"
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ConfigError(f"{key or what} is {quoted(target)}, which names no callable of a module: {cure}")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever its statements raise
        if not (isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")):
            cure = "mend the module, or install what it imports"
        raise ConfigError(f"{named} cannot be imported ({told(error, callable_source(target))}): {cure}") from error
    try:
        return getattr(found, name)
    except Exception as error:
        raise ConfigError(f"{named} cannot be imported ({told(error, None)}): {cure}") from error


def told(error: BaseException, source: Path | None) -> str:
    """Tell what a user's code raised, and in which of its lines."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if source and frame.filename == str(source)]
    place = f", line {own[-1].lineno} of {own[-1].filename}" if own and not isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {shortened(str(error), 160)}{place}"
