"""The model that is explained: the attacked detector, or any function of excerpts; and how its games are evaluated."""

import logging

from torch import Tensor, nn

from ..classifiers.protocol import HasLayers, OneLabel
from ..detector.modules import as_module
from ..detector.network import Network
from .callables import callable_evaluator
from .evaluators import DirectEvaluator, Evaluator
from .explained import ExplainedModel
from .grid import DIRECT_EXACT_SEGMENTS, SegmentGrid
from .table_plans import plan_tables
from .tables import TableEvaluator

log = logging.getLogger(__name__)


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
        ``module:callable`` of another model to explain instead; see `veracity.games.callables.callable_evaluator`.
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
    if predict:
        return ExplainedModel(evaluator, predict_logits, exact and can)
    return ExplainedModel(evaluator, predict_logits, exact and can, True, lambda: as_module(network))


def explained_classifier(model: OneLabel, grid: SegmentGrid, *, exact: bool = True) -> ExplainedModel:
    """Return a classifier of one's own to be explained; its masks are evaluated one by one.

    Parameters
    ----------
    model : OneLabel
    grid : SegmentGrid
        On its representation.
    exact : bool
        Also evaluate all masks, where that can be done.
    """
    evaluator = DirectEvaluator(model.logit, reason="a classifier of one's own is evaluated mask by mask")
    can = grid.n_segments <= DIRECT_EXACT_SEGMENTS
    if exact and not can:
        log.warning("exact results need all 2**%d masks and are left out: %s", grid.n_segments, evaluator.reason)
    has_layers = isinstance(model.classifier, HasLayers) and len(model.classifier.labels) == 1

    def layers() -> nn.Sequential:
        assert isinstance(model.classifier, HasLayers)
        return nn.Sequential(model.classifier.layers(), nn.Flatten(0))

    return ExplainedModel(evaluator, model.logit, exact and can, True, layers if has_layers else None)


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
