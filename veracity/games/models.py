"""The model that is explained: the attacked detector, or any function of excerpts; and how its games are evaluated."""

import importlib
import logging

import numpy as np
import torch
from torch import Tensor

from ..detector.network import Network
from ..errors import ConfigError
from .evaluators import DirectEvaluator, Evaluator
from .explained import ExplainedModel
from .grid import SegmentGrid
from .table_plans import plan_tables
from .tables import TableEvaluator

log = logging.getLogger(__name__)

DIRECT_EXACT_SEGMENTS = 12  # without tables, all masks are evaluated only up to so many segments (4096 masks)


def explained_model(
    network: Network, grid: SegmentGrid, *, exact: bool = True, exact_tables: bool = True, predict: str | None = None
) -> ExplainedModel:
    """Return the model to be explained.

    Parameters
    ----------
    network : Network
        The attacked detector.
    grid : SegmentGrid
    exact : bool
        Also evaluate all masks, where that can be done.
    exact_tables : bool
        False asks for direct evaluation.
    predict : str, optional
        ``module:callable`` of another model to explain instead; see `callable_evaluator`.
    """
    evaluator: Evaluator
    if predict:
        evaluator = callable_evaluator(predict)
        predict_logits = evaluator.predict_logits
    else:
        evaluator = network_evaluator(network, grid, exact_tables=exact_tables)

        def predict_logits(excerpts: Tensor) -> Tensor:
            return network.logits(excerpts.to(network.device, network.dtype))

        if isinstance(evaluator, DirectEvaluator):
            evaluator.predict_logits = predict_logits
    can = not isinstance(evaluator, DirectEvaluator) or grid.n_segments <= DIRECT_EXACT_SEGMENTS
    if exact and not can:
        log.warning("exact results need all 2**%d masks and are left out: %s", grid.n_segments, evaluator.reason)
    return ExplainedModel(evaluator, predict_logits, exact and can)


def network_evaluator(network: Network, grid: SegmentGrid, *, exact_tables: bool = True) -> Evaluator:
    """Choose the evaluator for a detector's network: exact tables where its geometry allows them.

    Parameters
    ----------
    network : Network
    grid : SegmentGrid
    exact_tables : bool
        False asks for direct evaluation.
    """
    if not exact_tables:
        return DirectEvaluator(network.logits, reason="direct evaluation was asked for")
    plan, reason = plan_tables(network.layers, network.n_dense, grid)
    log.info("evaluator for a %d x %d grid: %s (%s)", grid.n_time, grid.n_band, "tables" if plan else "direct", reason)
    return TableEvaluator(network, plan, reason=reason) if plan else DirectEvaluator(network.logits, reason=reason)


def callable_evaluator(target: str) -> DirectEvaluator:
    """Return the evaluator of a user's model.

    Parameters
    ----------
    target : str
        ``module:callable``; the callable takes an ndarray of log-mel excerpts, shape (n, n_frames, n_mels), float32, not
        standardised, and returns P(sing), shape (n,).

    Raises
    ------
    ConfigError
        When it cannot be imported or called; and later, when it returns anything but probabilities.
    """
    module, _, name = target.partition(":")
    try:
        predict = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{target!r} cannot be imported ({error}): give module:callable, with the module on PYTHONPATH"
        ) from error
    if not callable(predict):
        raise ConfigError(f"{target!r} is a {type(predict).__name__}, which cannot be called: give module:callable")

    def predict_logits(excerpts: Tensor) -> Tensor:
        p = np.asarray(predict(excerpts.numpy()), dtype=np.float64)
        if p.shape != (len(excerpts),):
            raise ConfigError(f"{target!r} must return one probability for each excerpt, got shape {p.shape}")
        if not np.all((p >= 0) & (p <= 1)):
            raise ConfigError(f"{target!r} must return probabilities, got values from {p.min():g} to {p.max():g}")
        return torch.logit(torch.as_tensor(p), eps=1e-12)

    return DirectEvaluator(predict_logits, reason=f"{target} is known only by its predictions")
