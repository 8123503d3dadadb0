"""Values of games: for given masks, or for all of them; and their audit.

"All masks" are those with the indices 0 .. 2**n_segments - 1, in order; see `veracity.games.grid`.
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
MAX_SEGMENTS_FOR_ALL = 24  # 2**24 values are 64 MiB


class Evaluator(ABC):
    """Values of games for given masks, or for all of them.

    Attributes
    ----------
    name : str
        For the record.
    reason : str
        Why this evaluator was chosen.
    """

    name: str
    reason: str = ""

    @abstractmethod
    def logits(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the logits of each game in turn.

        Parameters
        ----------
        games : sequence of Game
            All on the same grid.
        masks : ndarray of bool, shape (n_masks, n_segments), optional
            All 2**n_segments masks, in the order of their indices, when not given.

        Yields
        ------
        ndarray, shape (n_masks,)
            Logit of P(sing).
        """

    def probabilities(self, games: Sequence[Game], masks: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield P(sing) of each game in turn, as float64; parameters as in `logits`."""
        return (probability(logits) for logits in self.logits(games, masks))


class DirectEvaluator(Evaluator):
    """One forward pass for each mask, in batches: slow, clear, and for any model.

    Parameters
    ----------
    predict_logits : callable
        From excerpts, Tensor of shape (n, n_frames, n_mels), to logits, Tensor of shape (n,).
    batch : int
        Masks in one pass.
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
    """Return the number of segments; raises ConfigError when their masks are too many to evaluate all."""
    if grid.n_segments > MAX_SEGMENTS_FOR_ALL:
        raise ConfigError(
            f"a grid of {grid.n_segments} segments has 2**{grid.n_segments} masks, too many to evaluate all: use at most "
            f"{MAX_SEGMENTS_FOR_ALL} segments, or set lime.exact to false"
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
    """Evaluate some random masks directly and return the largest difference.

    Parameters
    ----------
    evaluator : Evaluator
        Under audit.
    predict_logits : callable
        The model itself, as for `DirectEvaluator`.
    game : Game
    rng : Generator
        Chooses the masks; all-on and all-off are always among them.
    n_masks : int
    all_values : ndarray, shape (2**n_segments,), optional
        Probabilities of all masks that the evaluator has given: then these are audited, not its answer to the masks alone.

    Returns
    -------
    float
        Largest absolute difference in probability.

    Raises
    ------
    AuditError
        When it exceeds 1e-4.
    """
    masks = rng.random((n_masks, game.grid.n_segments)) < 0.5
    masks[0], masks[1] = True, False
    tabulated = next(evaluator.probabilities([game], masks)) if all_values is None else all_values[indices_of(masks)]
    direct = next(DirectEvaluator(predict_logits).probabilities([game], masks))
    difference = float(np.abs(tabulated - direct).max())
    if not difference <= AUDIT_TOLERANCE:
        if isinstance(evaluator, DirectEvaluator):  # there are no tables that could be wrong
            raise AuditError(
                f"the explained model gives different answers for the same excerpts (by {difference:.2e}, allowed "
                f"{AUDIT_TOLERANCE:.0e}): put it into evaluation mode"
            )
        raise AuditError(
            f"values from {evaluator.name} differ from direct evaluation by {difference:.2e} (allowed {AUDIT_TOLERANCE:.0e}): "
            "set lime.evaluator to direct and report the model"
        )
    return difference
