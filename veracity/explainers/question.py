"""What an explainer is asked: one adversarial excerpt, segment by segment, and what it may look at for an answer.

An explainer is a function of a `Question` that returns one weight for each segment, larger for what is more responsible for the
explained label. Everything in a question is oriented towards that label: up means more of it. What an explainer reads of the
model is counted, in rows (an excerpt that goes through the model, forwards or backwards), and refused beyond its budget.

References
----------
The two games: paper sections 2 and 5.2; see `veracity.games.game`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..detector.decisions import Flip, probability
from ..errors import ConfigError
from ..games.evaluators import checked_for_all
from ..games.game import Game
from ..games.grid import SegmentGrid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..games.explained import ExplainedModel


class Meter:
    """Counts the rows that an explainer has read, and refuses those beyond its budget.

    Parameters
    ----------
    explainer : str
        Its name, for the refusal.
    budget : int or None
        Rows that it may read; None for as many as it likes.
    """

    def __init__(self, explainer: str, budget: int | None) -> None:
        self.explainer, self.budget, self.rows = explainer, budget, 0

    def add(self, rows: int) -> None:
        """Count rows; raises ConfigError when they exceed the budget."""
        self.rows += rows
        if self.budget is not None and self.rows > self.budget:
            raise ConfigError(
                f"the explainer '{self.explainer}' asks for {self.rows} rows of the model, its budget is {self.budget}: "
                "raise its budget in explainers, or let it ask for less"
            )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an explainer sees; arrays are its own copies.

    Attributes
    ----------
    excerpt : Tensor, shape (n_frames, n_bands)
        The explained excerpt, in the model's representation (for the detector log-mel, not standardised); captum's inputs.
    off : Tensor, shape (n_frames, n_bands)
        What an absent segment holds; captum's baselines.
    grid : SegmentGrid
        ``torch.as_tensor(grid.segment_map())`` is captum's feature mask.
    clean : Tensor or None
        The excerpt before the attack, for explainers that are declared privileged; None for all others.
    rng : Generator
        Of this question; torch's generator is seeded from it.
    budget : int or None
        Rows of the model that may be read; None for as many as it takes.
    """

    excerpt: Tensor
    off: Tensor
    grid: SegmentGrid
    clean: Tensor | None
    rng: np.random.Generator
    meter: Meter = field(repr=False)
    _model: ExplainedModel = field(repr=False)
    _flip: Flip = field(repr=False)
    _noted: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """The explained label."""
        return self._flip.label

    @property
    def budget(self) -> int | None:
        """Rows of the model that may be read; None for as many as it takes."""
        return self.meter.budget

    def values(self, masks: np.ndarray, *, on: Tensor | None = None, off: Tensor | None = None) -> np.ndarray:
        """Return the logit of the explained label under masks; a game for shapiq.

        Parameters
        ----------
        masks : ndarray of bool, shape (n_masks, n_segments) or (n_segments,)
            True where a segment holds the explained excerpt, False where it holds `off`.
        on, off : Tensor, shape (n_frames, n_bands), optional
            Other excerpts to take segments from.

        Returns
        -------
        ndarray, shape (n_masks,), float64
        """
        rows = np.atleast_2d(np.asarray(masks)).astype(bool)
        if rows.ndim != 2 or rows.shape[1] != self.grid.n_segments:
            raise ConfigError(
                f"the explainer '{self.meter.explainer}' asks for masks of shape {np.shape(masks)}: give one row of "
                f"{self.grid.n_segments} segments for each mask"
            )
        self.meter.add(len(rows))
        game = Game(self.excerpt if on is None else on, self.off if off is None else off, self.grid)
        return self._flip.sign * next(self._model.evaluator.logits([game], rows)).astype(np.float64)

    def all_values(self) -> np.ndarray:
        """Return the logit of the explained label under every mask, shape (2**n_segments,), in the order of mask indices."""
        if not self._model.exact:
            raise ConfigError(
                f"the explainer '{self.meter.explainer}' needs the values of all masks, which this model and grid do not give "
                f"({self._model.evaluator.reason or 'lime.exact is false'}): leave it out of explainers"
            )
        self.meter.add(1 << checked_for_all(self.grid))
        game = Game(self.excerpt, self.off, self.grid)
        return self._flip.sign * next(self._model.evaluator.logits([game])).astype(np.float64)

    def decides(self, values: np.ndarray) -> np.ndarray:
        """Tell of values whether the model decides on the explained label; shape as `values`, bool."""
        return self._flip.has_flipped(probability(self._flip.sign * np.asarray(values, dtype=np.float64)))

    def logits(self, excerpts: Tensor) -> Tensor:
        """Return the logit of the explained label of any excerpts, differentiable.

        Parameters
        ----------
        excerpts : Tensor, shape (n, n_frames, n_bands)

        Returns
        -------
        Tensor, shape (n,)

        Raises
        ------
        ConfigError
            When the model is known by its predictions alone.
        """
        self._check_differentiable()
        self.meter.add(len(excerpts))
        answer = self._flip.sign * self._model.predict_logits(excerpts)
        return self._metered(answer)

    @property
    def module(self) -> nn.Module:
        """A copy of the model as a module of real layers, for explainers that hook layers; (n, n_frames, n_bands) to (n,).

        Raises
        ------
        ConfigError
            When the model has none.
        """
        self._check_differentiable()
        if self._model.module is None:
            raise ConfigError(
                f"the explainer '{self.meter.explainer}' looks into layers, and the explained model shows none: leave it out"
            )
        return self._hooked(self._model.module())

    @property
    def is_differentiable(self) -> bool:
        """Whether `logits` can be asked."""
        return self._model.differentiable

    def note(self, **numbers: float) -> None:
        """Keep numbers with the answer, such as what an approximation has left out."""
        self._noted.update({name: float(number) for name, number in numbers.items()})

    @property
    def noted(self) -> dict[str, float]:
        """What `note` has kept."""
        return dict(self._noted)

    def _check_differentiable(self) -> None:
        if not self._model.differentiable:
            raise ConfigError(
                f"the explainer '{self.meter.explainer}' needs gradients, and the explained model is known by its "
                "predictions alone: leave it out of explainers"
            )

    def _metered(self, answer: Tensor) -> Tensor:
        if answer.requires_grad:
            answer.register_hook(lambda slope: self.meter.add(len(slope)))
        return answer

    def _hooked(self, module: nn.Module) -> nn.Module:
        module.register_forward_pre_hook(lambda _, inputs: self.meter.add(len(inputs[0])))
        module.register_forward_hook(lambda _, inputs, answer: self._metered(self._flip.sign * answer))
        return module


Explainer = Callable[[Question], np.ndarray]
