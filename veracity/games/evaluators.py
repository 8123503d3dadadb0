"""Evaluators, which compute the values of games for given masks or for all masks, and their audit.

"All masks" are those with the indices 0 to 2**n_segments - 1, in increasing order; see `veracity.games.grid`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..detector.decisions import probability
from ..errors import AuditError, ConfigError
from .game import Game
from .grid import SegmentGrid, indices_of, masks_of

if TYPE_CHECKING:
    from torch import Tensor

AUDIT_TOLERANCE = 1e-4  # largest allowed difference from direct evaluation, in probability
MAX_SEGMENTS_FOR_ALL = 24  # 2**24 values in float32 take 64 MiB


class Evaluator(ABC):
    """Base class of evaluators, which compute the values of games for given masks or for all masks.

    Attributes
    ----------
    name : str
        Name of the evaluator in artefacts and error messages.
    reason : str
        Reason why this evaluator was chosen.
    """

    name: str
    reason: str = ""

    @abstractmethod
    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn.

        Parameters
        ----------
        games : sequence of Game
            Games on the same grid.
        masks : ndarray of bool, shape (n_masks, n_segments), optional
            Masks to evaluate. By default all 2**n_segments masks, in the order of their indices.

        Yields
        ------
        ndarray, shape (n_masks,)
            Logit of P(sing) for each mask.
        """

    def probabilities(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield P(sing) of each game in turn, in float64; the parameters are those of `logits`."""
        return (probability(logits) for logits in self.logits(games, masks))


class DirectEvaluator(Evaluator):
    """Evaluator that runs one forward pass per mask, in batches.

    It is slow but works for any model.

    Parameters
    ----------
    predict_logits : callable
        Function from excerpts, Tensor of shape (n, n_frames, n_mels), to logits, Tensor of shape (n,).
    batch : int
        Number of masks per batch, 64 by default.
    reason : str
        Reason why this evaluator was chosen, empty by default.
    """

    name = "direct"

    def __init__(self, predict_logits: Callable[[Tensor], Tensor], *, batch: int = 64, reason: str = "") -> None:
        self.predict_logits = predict_logits
        self.batch = batch
        self.reason = reason

    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn; see `Evaluator.logits`."""
        for game in games:
            n_masks = 1 << checked_for_all(game.grid) if masks is None else len(masks)
            parts = [
                self._batch(game, masks, np.arange(start, min(start + self.batch, n_masks)))
                for start in range(0, n_masks, self.batch)
            ]
            yield np.concatenate(parts) if parts else np.zeros(0)

    def _batch(self, game: Game, masks: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        chosen = masks_of(rows, game.grid.n_segments) if masks is None else masks[rows]
        import torch

        with torch.inference_mode():
            return self.predict_logits(game.inputs(chosen)).cpu().numpy()


def checked_for_all(grid: SegmentGrid) -> int:
    """Return the number of segments, or raise ConfigError if there are too many masks to evaluate all of them."""
    if grid.n_segments > MAX_SEGMENTS_FOR_ALL:
        raise ConfigError(
            f"lime.n_time, lime.n_band: too many masks to evaluate all, got 2**{grid.n_segments}. Use at most "
            f"{MAX_SEGMENTS_FOR_ALL} segments, or set lime.exact to false."
        )
    return grid.n_segments


def audit(
    evaluator: Evaluator,
    predict_logits: Callable[[Tensor], Tensor],
    game: Game,
    rng: np.random.Generator,
    n_masks: int = 16,
    all_values: np.ndarray | None = None,
) -> float:
    """Compare an evaluator with direct evaluation on random masks and return the largest difference.

    Parameters
    ----------
    evaluator : Evaluator
        Evaluator under audit.
    predict_logits : callable
        The explained model, as for `DirectEvaluator`.
    game : Game
        Game whose values are compared.
    rng : Generator
        Source of the random masks.
    n_masks : int
        Number of masks, 16 by default. The first has all segments on, the second all segments off.
    all_values : ndarray, shape (2**n_segments,), optional
        P(sing) of all masks as the evaluator returned them. If given, these values are audited. By default, the evaluator
        is run on the random masks only.

    Returns
    -------
    float
        Largest absolute difference in probability.

    Raises
    ------
    AuditError
        If the difference exceeds 1e-4.
    """
    masks = rng.random((n_masks, game.grid.n_segments)) < 0.5
    masks[0], masks[1] = True, False
    tabulated = next(evaluator.probabilities([game], masks)) if all_values is None else all_values[indices_of(masks)]
    direct = next(DirectEvaluator(predict_logits).probabilities([game], masks))
    difference = float(np.abs(tabulated - direct).max())
    if not difference <= AUDIT_TOLERANCE:
        if isinstance(evaluator, DirectEvaluator):  # without tables, only the model itself can differ
            raise AuditError(
                "model: P(sing) of the same excerpts must not change by more than "
                f"{AUDIT_TOLERANCE:.0e}, got {difference:.2e}. Put the model into evaluation mode."
            )
        raise AuditError(
            f"lime.evaluator: values from {evaluator.name} must not differ from direct evaluation by more than "
            f"{AUDIT_TOLERANCE:.0e}, got {difference:.2e}. Set lime.evaluator to direct, and report the model."
        )
    return difference
