"""Evaluation of explainers with restricted access, counted model queries and validated weights."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..detector.decisions import Flip
from ..errors import ConfigError, VeracityError, quoted, shortened
from ..games.game import Game, fill_game
from ..games.grid import SegmentGrid
from ..jobs.callables import callable_source, describe_error, imported, preserve_global_state
from ..labels import Label
from .settings import CLEAN, ExplainerSettings, need_of, ready
from .task import Explainer, ExplanationTask, QueryBudget

if TYPE_CHECKING:
    from torch import Tensor

    from ..games.explained import ExplainedModel


EXTRA = ("captum", "shapiq")  # packages of the extra `explainers`


@dataclass(frozen=True)
class Attribution:
    """Weights and ranking that an explainer returned for one excerpt.

    Attributes
    ----------
    weights : ndarray, shape (n_segments,)
        Weight of each segment, larger for segments that are more responsible for the explained label.
    ranking : ndarray of int, shape (n_segments,)
        Segments by decreasing weight, with ties in random order.
    n_queries : int
        Number of model queries, forward and backward.
    noted : mapping
        Additional numbers from the explainer, such as a completeness error.
    """

    weights: np.ndarray
    ranking: np.ndarray
    n_queries: int
    noted: Mapping[str, float]


def explain(
    explainer: str | ExplainerSettings | Explainer,
    model: ExplainedModel,
    excerpt: Tensor | np.ndarray,
    grid: SegmentGrid,
    label: Label,
    *,
    threshold: float,
    rng: np.random.Generator,
    clean: Tensor | np.ndarray | None = None,
) -> Attribution:
    """Return an explainer's weights for the segments of an excerpt, with respect to a label.

    Parameters
    ----------
    explainer : str, ExplainerSettings or callable
        Name of a built-in explainer (`veracity.explainers.settings.READY`), its settings, or a function of an
        `ExplanationTask`. A function runs as an unprivileged explainer with the fill "mean" and without a query budget.
    model : ExplainedModel
        The explained model.
    excerpt : Tensor or ndarray, shape (n_frames, n_bands)
        Explained excerpt in the representation of the model.
    grid : SegmentGrid
        Segments of the excerpt.
    label : {"sing", "nosing"}
        The explained label.
    threshold : float
        Decision threshold of the model for P(sing).
    rng : Generator
        Source of randomness for the explainer and for breaking ties.
    clean : Tensor or ndarray, shape (n_frames, n_bands), optional
        Excerpt before the attack. Only privileged explainers have access to it.

    Returns
    -------
    Attribution
        Weights, ranking and number of model queries.

    Raises
    ------
    ConfigError
        If the explainer cannot be found, fails, exceeds its query budget, needs something to which it has no access, or returns
        anything other than one finite weight per segment. The message names the explainer.
    """
    import torch

    if isinstance(explainer, str):
        explainer = ready(explainer)
    settings = explainer if isinstance(explainer, ExplainerSettings) else _settings_of(explainer)
    function = explainer if callable(explainer) else found(settings)
    queries = QueryBudget(settings.name, settings.budget)
    order_rng, own_rng = rng.spawn(2)
    game = _game(settings, torch.as_tensor(excerpt), clean, grid)
    task = ExplanationTask(
        excerpt=game.on.clone(),
        off=game.off.clone(),
        grid=grid,
        clean=torch.as_tensor(clean).clone() if settings.privileged and clean is not None else None,
        rng=own_rng,
        queries=queries,
        _model=model,
        _flip=Flip(label, threshold),
    )
    weights = _weights(function, task, settings)
    ranking = np.lexsort((order_rng.random(len(weights)), -weights))
    return Attribution(weights, ranking, queries.n_queries, task.noted)


def try_out(
    explainers: Sequence[ExplainerSettings], model: ExplainedModel, excerpts: Tensor, grid: SegmentGrid, *, threshold: float
) -> None:
    """Try the explainers that may fail for a model on one excerpt, before long computations.

    These are the explainers that use gradients or layers, and user-defined ones. All others at most evaluate masks.

    Parameters
    ----------
    explainers : sequence of ExplainerSettings
        Explainers of the configuration.
    model : ExplainedModel
        The explained model.
    excerpts : Tensor, shape (2, n_frames, n_bands)
        Two different excerpts in the representation of the model, used as the adversarial and the clean excerpt.
    grid : SegmentGrid
        Segments of the excerpts.
    threshold : float
        Decision threshold of the model.

    Raises
    ------
    ConfigError
        If an explainer fails; see `explain`.
    """
    for explainer in explainers:
        if explainer.call and (need_of(explainer) in ("gradients", "layers") or not explainer.call.startswith("veracity.")):
            rng = np.random.default_rng(0)
            explain(explainer, model, excerpts[0], grid, "sing", threshold=threshold, rng=rng, clean=excerpts[1])


@functools.lru_cache(maxsize=64)
def _found(call: str, what: str) -> Callable[..., Any]:
    function = imported(call, what)
    if not callable(function):
        raise ConfigError(f"{what}: {quoted(call)} must be callable, got {type(function).__name__}. Give module:callable.")
    return function


def found(settings: ExplainerSettings) -> Callable[..., Any]:
    """Import the callable of an explainer, or raise ConfigError if this fails."""
    assert settings.call is not None
    return _found(settings.call, f"explainers.{settings.name}.call")


def _settings_of(function: Explainer) -> ExplainerSettings:
    name = getattr(function, "__name__", "explainer").strip("_<>").lower()
    return ExplainerSettings(name, call=f"notebook:{name}")


def _game(settings: ExplainerSettings, excerpt: Tensor, clean: Any, grid: SegmentGrid) -> Game:
    if settings.fill != CLEAN:
        return fill_game(excerpt, grid, settings.fill)
    if clean is None:
        raise ConfigError(f"explainers.{settings.name}: requires the clean excerpt, got None. Give `clean`.")
    return Game(excerpt, clean, grid)


def _weights(function: Explainer, task: ExplanationTask, settings: ExplainerSettings) -> np.ndarray:
    import torch

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="captum")  # warnings about gradients and hooks that captum sets itself
        torch.manual_seed(int(task.rng.integers(2**63)))
        try:
            with preserve_global_state():
                answer = function(task, **settings.options)
        except VeracityError:
            raise
        except ModuleNotFoundError as error:
            missing = str(error.name).partition(".")[0]
            cure = 'Run pip install ".[explainers]" in the project\'s folder' if missing in EXTRA else "Install it"
            raise ConfigError(f"explainers.{settings.name}: requires the package {missing}. {cure}.") from error
        except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            source = callable_source(settings.call) if settings.call else None
            raise ConfigError(f"explainers.{settings.name}: fails ({describe_error(error, source)}). Fix it.") from error
    return checked_weights(answer, task.grid.n_segments, settings.name)


def checked_weights(answer: Any, n_segments: int, name: str) -> np.ndarray:
    """Validate the weights that an explainer returned and return them as a new array.

    Parameters
    ----------
    answer : array_like
        Output of the explainer, possibly a tensor.
    n_segments : int
        Number of segments of the grid.
    name : str
        Name of the explainer in error messages.

    Returns
    -------
    ndarray, shape (n_segments,), float64
        Weight of each segment.

    Raises
    ------
    ConfigError
        If the output is not exactly one finite number per segment.
    """
    wanted = f"explainers.{name}: must return one number for each of {n_segments} segments"
    try:
        weights = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer)
    except Exception as error:
        raise ConfigError(f"{wanted}, got a {type(answer).__name__} that is not an array. Return a NumPy array.") from error
    if weights.dtype.kind not in "buif":
        raise ConfigError(f"{wanted}, got {shortened(answer)} of type {weights.dtype}. Return a NumPy array of numbers.")
    if weights.shape != (n_segments,):
        raise ConfigError(f"{wanted}, got shape {weights.shape}. Return one weight for each segment of the grid.")
    weights = weights.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ConfigError(f"{wanted}, got {np.count_nonzero(~np.isfinite(weights))} that are not finite. Fix the explainer.")
    return weights
