"""Games: which segments of an excerpt are switched on, and what the model answers.

A mask over the segments of a grid defines an input ``z * on + (1 - z) * off`` and so a set function ``v(z)``. With ``on`` the
explained excerpt and ``off`` its fill, this is LIME's neighbourhood (paper section 2); with ``on`` the adversarial and ``off``
the clean excerpt, it tells which subsets of a perturbation flip the label (section 5.2).

"All masks" are those with the indices 0 .. 2**n_segments - 1, in order; see `veracity.grid`.
"""

import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from .errors import AuditError, ConfigError
from .grid import SegmentGrid, indices_of, masks_of

if TYPE_CHECKING:
    from .detector import Network

log = logging.getLogger(__name__)

AUDIT_TOLERANCE = 1e-4  # largest allowed difference from direct evaluation, in probability
MAX_SEGMENTS_FOR_ALL = 24  # 2**24 values are 64 MiB
Fill = Literal["mean", "zero", "min"]


@dataclass(frozen=True)
class Game:
    """Two excerpts of which a mask takes one or the other, segment by segment.

    Attributes
    ----------
    on, off : Tensor, shape (n_frames, n_mels)
        Log-mel excerpts, not standardised: what a segment holds when switched on and off.
    grid : SegmentGrid
    """

    on: Tensor
    off: Tensor
    grid: SegmentGrid

    def __post_init__(self) -> None:
        expected = (self.grid.n_frames, self.grid.n_mels)
        if tuple(self.on.shape) != expected or tuple(self.off.shape) != expected:
            raise ValueError(f"on {tuple(self.on.shape)} and off {tuple(self.off.shape)} must have the grid's shape {expected}")

    def to(self, device: torch.device, dtype: torch.dtype) -> "Game":
        """Return the game on another device or in another precision."""
        return Game(self.on.to(device, dtype), self.off.to(device, dtype), self.grid)

    def inputs(self, masks: np.ndarray | Tensor) -> Tensor:
        """Return the masked excerpts, shape (n_masks, n_frames, n_mels)."""
        segments = torch.as_tensor(self.grid.segment_map().ravel(), device=self.on.device)
        chosen = torch.as_tensor(masks, device=self.on.device).bool().index_select(1, segments)
        return torch.where(chosen.view(-1, *self.on.shape), self.on, self.off)


def fill_game(excerpt: Tensor, grid: SegmentGrid, fill: Fill) -> Game:
    """Return LIME's game: segments switched off hold a constant.

    Parameters
    ----------
    excerpt : Tensor, shape (n_frames, n_mels)
        Log-mel, not standardised.
    grid : SegmentGrid
    fill : {"mean", "zero", "min"}
        The mean of the excerpt (the paper's choice), log-mel 0 (magnitude 1: loud), or the minimum of the excerpt.
    """
    fills: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": Tensor.mean,
        "zero": lambda x: x.new_zeros(()),
        "min": Tensor.min,
    }
    if fill not in fills:
        raise ConfigError(f"unknown fill {fill!r}: choose from {', '.join(fills)}")
    return Game(excerpt, fills[fill](excerpt).expand_as(excerpt), grid)


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


def probability(logits: np.ndarray) -> np.ndarray:
    """Return the probability of a logit, in float64."""
    from scipy.special import expit

    return expit(np.asarray(logits, dtype=np.float64))


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
            yield np.concatenate(parts)

    def _batch(self, game: Game, masks: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        chosen = masks_of(rows, game.grid.n_segments) if masks is None else masks[rows]
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


def network_evaluator(network: "Network", grid: SegmentGrid, *, exact_tables: bool = True) -> Evaluator:
    """Choose the evaluator for a detector's network: exact tables where its geometry allows them.

    Parameters
    ----------
    network : Network
    grid : SegmentGrid
    exact_tables : bool
        False asks for direct evaluation.
    """
    from .tables import TableEvaluator, plan_tables

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
        raise AuditError(
            f"values from {evaluator.name} differ from direct evaluation by {difference:.2e} (allowed {AUDIT_TOLERANCE:.0e}): "
            "set lime.evaluator to direct and report the model"
        )
    return difference
