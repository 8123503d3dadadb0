"""The explained model, and P(sing) of the masks of its games.

Values are looked up if all masks have been evaluated; otherwise they are computed on request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..detector.decisions import probability
from ..detector.predictions import predict_excerpts
from .evaluators import Evaluator, audit
from .game import Game
from .grid import indices_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ExplainedModel:
    """Explained model with the evaluator of its games; `veracity.games.models` creates it.

    Attributes
    ----------
    evaluator : Evaluator
        Evaluator of the model's games.
    predict_logits : callable
        Function from excerpts, Tensor of shape (n, n_frames, n_mels), to logits, Tensor of shape (n,).
    exact : bool
        Whether all masks are evaluated.
    differentiable : bool
        Whether `predict_logits` supports gradients.
    module : callable or None
        Function without arguments that returns the model as a module of torch layers, from (n, n_frames, n_mels) to (n,). None
        if the model has no such form.
    wants_exact : bool
        Whether the evaluation of all masks is configured (``lime.exact``), True by default.
    """

    evaluator: Evaluator
    predict_logits: Callable[[Tensor], Tensor]
    exact: bool
    differentiable: bool = False
    module: Callable[[], nn.Module] | None = None
    wants_exact: bool = True

    @property
    def lacks_masks(self) -> str:
        """Reason why not all masks are evaluated; empty if they are."""
        if self.exact:
            return ""
        return self.evaluator.reason if self.wants_exact else "lime.exact is false"

    def p_sing(self, excerpts: np.ndarray | Tensor) -> np.ndarray:
        """Return P(sing) of excerpts, shape (n, n_frames, n_mels) to (n,), in float64."""
        return predict_excerpts(excerpts, self.predict_logits)

    def values(self, games: Sequence[Game]) -> Iterator[GameValues]:
        """Yield the values of each game in turn."""
        if not self.exact:
            yield from (GameValues(game, self, None) for game in games)
            return
        for game, logits in zip(games, self.evaluator.logits(games), strict=True):
            yield GameValues(game, self, logits)


@dataclass(frozen=True)
class GameValues:
    """P(sing) of the masks of one game.

    Attributes
    ----------
    game : Game
        The evaluated game.
    model : ExplainedModel
        The explained model.
    all_logits : ndarray, shape (2**n_segments,), or None
        Logits of all masks, in the order of their indices. None if values are computed on request.
    """

    game: Game
    model: ExplainedModel
    all_logits: np.ndarray | None

    @functools.cached_property
    def all_values(self) -> np.ndarray | None:
        """P(sing) of all masks in float64, or None if values are computed on request."""
        return None if self.all_logits is None else probability(self.all_logits)

    def of(self, masks: np.ndarray) -> np.ndarray:
        """Return P(sing) of given masks, shape (n_masks, n_segments) to (n_masks,)."""
        if self.all_values is not None:
            return self.all_values[indices_of(masks)]
        return next(self.model.evaluator.probabilities([self.game], masks))

    def audited(self, rng: np.random.Generator) -> float:
        """Return the largest difference from direct evaluation; see `veracity.games.evaluators.audit`."""
        return audit(self.model.evaluator, self.model.predict_logits, self.game, rng, all_values=self.all_values)
