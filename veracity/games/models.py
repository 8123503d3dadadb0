"""Creation of the explained model, and the choice of its evaluator.

The explained model is the attacked detector, a classifier, or a user's function of excerpts.
"""

import logging
from collections.abc import Callable

from torch import Tensor, nn

from ..classifiers.building import trial_excerpts
from ..classifiers.protocol import HasLayers, OneLabel
from ..detector.checkpoints import AnyDetector, as_network
from ..detector.modules import as_module
from ..errors import ConfigError
from .callables import callable_evaluator
from .evaluators import DirectEvaluator, Evaluator
from .explained import ExplainedModel
from .feedforward import FeedForward, feedforward_of
from .grid import DIRECT_EXACT_SEGMENTS, SegmentGrid
from .table_plans import plan_tables
from .tables import TableEvaluator
from .traced_modules import feedforward_of_module

log = logging.getLogger(__name__)
ASKED_FOR = "direct evaluation is configured"


def explained_model(
    detector: AnyDetector, grid: SegmentGrid, *, exact: bool = True, exact_tables: bool = True, predict: str | None = None
) -> ExplainedModel:
    """Return a detector, or a user's function of excerpts, as the explained model.

    Parameters
    ----------
    detector : Network, Detector, Checkpoint or path-like
        The attacked detector. It is the explained model unless `predict` is given.
    grid : SegmentGrid
        Segments of the excerpts.
    exact : bool
        Whether to evaluate all masks if the evaluator supports it, True by default.
    exact_tables : bool
        Whether to use exact tables if the geometry allows them, True by default. Otherwise evaluation is direct.
    predict : str, optional
        Another model to explain, ``module:callable``; see `veracity.games.callables.callable_evaluator`.

    Returns
    -------
    ExplainedModel
        The model with its evaluator. A user's function has neither gradients nor a module of layers.

    Raises
    ------
    ConfigError
        If `predict` cannot be imported or is not callable.
    """
    network = as_network(detector)
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
    can = _can_be_exact(evaluator, grid, exact)
    if predict:
        return ExplainedModel(evaluator, predict_logits, can, wants_exact=exact)
    return ExplainedModel(evaluator, predict_logits, can, True, lambda: as_module(network), exact)


def explained_classifier(
    model: OneLabel, grid: SegmentGrid, *, exact: bool = True, exact_tables: bool = True
) -> ExplainedModel:
    """Return a classifier as the explained model.

    Parameters
    ----------
    model : OneLabel
        Classifier, restricted to one of its labels.
    grid : SegmentGrid
        Segments of the classifier's representation.
    exact : bool
        Whether to evaluate all masks if the evaluator supports it, True by default.
    exact_tables : bool
        Whether to use exact tables if the layers and their geometry allow them, True by default.

    Returns
    -------
    ExplainedModel
        The classifier with its evaluator. It has a module of layers only if the classifier exposes its layers.
    """
    evaluator = classifier_evaluator(model, grid, exact_tables=exact_tables)
    module = (lambda: _one_label(model)) if isinstance(model.classifier, HasLayers) else None
    return ExplainedModel(evaluator, model.logit, _can_be_exact(evaluator, grid, exact), True, module, exact)


def _can_be_exact(evaluator: Evaluator, grid: SegmentGrid, wanted: bool) -> bool:
    can = not isinstance(evaluator, DirectEvaluator) or grid.n_segments <= DIRECT_EXACT_SEGMENTS
    if wanted and not can:
        log.warning("exact results require all 2**%d masks, so they are left out (%s)", grid.n_segments, evaluator.reason)
    return wanted and can


def _one_label(model: OneLabel) -> nn.Module:
    assert isinstance(model.classifier, HasLayers)
    if len(model.classifier.labels) == 1:
        return nn.Sequential(model.classifier.layers(), nn.Flatten(0))
    return nn.Sequential(model.classifier.layers(), _ReadOut(model))


class _ReadOut(nn.Module):
    """Logit of a label as a module. For "arg max", a pool computes the maximum, because DeepLift has a rule for pools."""

    def __init__(self, model: OneLabel) -> None:
        super().__init__()
        self.of_logits, self.pool = model.of_logits, nn.MaxPool1d(len(model.classifier.labels) - 1)

    def forward(self, logits: Tensor) -> Tensor:
        return self.of_logits(logits, lambda others: self.pool(others[:, None])[:, 0, 0])


def network_evaluator(detector: AnyDetector, grid: SegmentGrid, *, exact_tables: bool = True) -> Evaluator:
    """Choose the evaluator of a detector: exact tables where its geometry allows them, otherwise direct evaluation.

    Parameters
    ----------
    detector : Network, Detector, Checkpoint or path-like
        Detector to evaluate.
    grid : SegmentGrid
        Segments of the excerpts.
    exact_tables : bool
        Whether to use exact tables if possible, True by default.

    Returns
    -------
    Evaluator
        Evaluator with the reason for its choice.
    """
    network = as_network(detector)
    if not exact_tables:
        return DirectEvaluator(network.logits, reason=ASKED_FOR)
    return _tabulated(feedforward_of(network), grid, network.logits)


def classifier_evaluator(model: OneLabel, grid: SegmentGrid, *, exact_tables: bool = True) -> Evaluator:
    """Choose the evaluator of a classifier: exact tables where its layers and geometry allow them, otherwise direct evaluation.

    Parameters
    ----------
    model : OneLabel
        Classifier, restricted to one of its labels.
    grid : SegmentGrid
        Segments of the classifier's representation.
    exact_tables : bool
        Whether to use exact tables if possible, True by default.

    Returns
    -------
    Evaluator
        Evaluator with the reason for its choice.
    """
    if not exact_tables:
        return DirectEvaluator(model.logit, reason=ASKED_FOR)
    try:
        if not isinstance(model.classifier, HasLayers):
            raise ConfigError("it does not expose its layers")
        example = model.representation(trial_excerpts(model.classifier.excerpt_samples))
        feedforward = feedforward_of_module(model.classifier.layers(), example, model.of_logits)
    except Exception as error:  # tables are optional, so any error of a user's module leads to direct evaluation
        why = str(error) if isinstance(error, ConfigError) else f"its layers cannot be traced ({type(error).__name__})"
        reason = f"no tables for the classifier: {why}"
        log.info("evaluator for a %d x %d grid: direct (%s)", grid.n_time, grid.n_band, reason)
        return DirectEvaluator(model.logit, reason=reason)
    return _tabulated(feedforward, grid, model.logit)


def _tabulated(feedforward: FeedForward, grid: SegmentGrid, logits: Callable[[Tensor], Tensor]) -> Evaluator:
    plan, reason = plan_tables(feedforward.steps, grid)
    log.info("evaluator for a %d x %d grid: %s (%s)", grid.n_time, grid.n_band, "tables" if plan else "direct", reason)
    return TableEvaluator(feedforward, plan, reason=reason) if plan else DirectEvaluator(logits, reason=reason)
