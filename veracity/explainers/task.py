"""Explanation tasks: an excerpt, its segments and fill, and counted access to the explained model.

An explainer is a function of an `ExplanationTask` that returns one weight per segment, larger for segments that are more
responsible for the explained label. All values of a task are signed so that larger means more evidence for that label. Each
excerpt that passes through the model, forward or backward, counts as one model query. Queries beyond the query budget raise an
error.

References
----------
Praher et al., ISMIR 2021, sections 2 (fill game) and 5.2 (perturbation game); see `veracity.games.game`.
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


COPY_TOLERANCE = 1e-4  # largest difference in logits between a model and a copy of its layers


class QueryBudget:
    """Counter of model queries that enforces the query budget of an explainer.

    Parameters
    ----------
    explainer : str
        Name of the explainer in error messages.
    budget : int or None
        Largest number of queries; None for no limit.
    """

    def __init__(self, explainer: str, budget: int | None) -> None:
        self.explainer, self.budget, self.n_queries = explainer, budget, 0

    def add(self, rows: int) -> None:
        """Count queries, or raise ConfigError if their total exceeds the budget."""
        self.n_queries += rows
        if self.budget is not None and self.n_queries > self.budget:
            raise ConfigError(
                f"explainers.{self.explainer}: must not exceed its budget of {self.budget} queries, got {self.n_queries}. "
                "Raise its budget, or let it use fewer queries."
            )


@dataclass(frozen=True, kw_only=True)
class ExplanationTask:
    """Explanation task of one excerpt and label; its tensors are copies.

    Attributes
    ----------
    excerpt : Tensor, shape (n_frames, n_bands)
        Explained excerpt in the representation of the model; for the detector log-mel, not standardised. It corresponds to
        captum's inputs.
    off : Tensor, shape (n_frames, n_bands)
        Content of switched-off segments: a fill or the clean excerpt. It corresponds to captum's baselines.
    grid : SegmentGrid
        Segments of the excerpt. ``torch.as_tensor(grid.segment_map())`` corresponds to captum's feature mask.
    clean : Tensor, shape (n_frames, n_bands), or None
        Excerpt before the attack for privileged explainers; None for all others.
    rng : Generator
        Source of randomness of this task. The generator of torch is seeded from it.
    queries : QueryBudget
        Counter of the model queries.
    budget : int or None
        Query budget: largest number of model queries; None for no limit.
    """

    excerpt: Tensor
    off: Tensor
    grid: SegmentGrid
    clean: Tensor | None
    rng: np.random.Generator
    queries: QueryBudget = field(repr=False)
    _model: ExplainedModel = field(repr=False)
    _flip: Flip = field(repr=False)
    _noted: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """The explained label."""
        return self._flip.label

    @property
    def budget(self) -> int | None:
        """Query budget: largest number of model queries; None for no limit."""
        return self.queries.budget

    def values(self, masks: np.ndarray, *, on: Tensor | None = None, off: Tensor | None = None) -> np.ndarray:
        """Return the logit of the explained label for given masks; usable as a game for shapiq.

        Parameters
        ----------
        masks : ndarray of bool, shape (n_masks, n_segments) or (n_segments,)
            True where a segment holds the explained excerpt, False where it holds `off`.
        on, off : Tensor, shape (n_frames, n_bands), optional
            Contents of segments that are switched on and off, by default those of the task.

        Returns
        -------
        ndarray, shape (n_masks,), float64
            Logit for each mask, larger for more evidence for the explained label.

        Raises
        ------
        ConfigError
            If the masks have the wrong shape or the query budget is exceeded.
        """
        rows = np.atleast_2d(np.asarray(masks)).astype(bool)
        if rows.ndim != 2 or rows.shape[1] != self.grid.n_segments:
            raise ConfigError(
                f"explainers.{self.queries.explainer}: masks must have the shape (n_masks, {self.grid.n_segments}), got "
                f"{np.shape(masks)}. Give one row for each mask."
            )
        self.queries.add(len(rows))
        game = Game(self.excerpt if on is None else on, self.off if off is None else off, self.grid)
        return self._flip.sign * next(self._model.evaluator.logits([game], rows)).astype(np.float64)

    def all_values(self) -> np.ndarray:
        """Return the logit of the explained label for all masks, in the order of their indices.

        Returns
        -------
        ndarray, shape (2**n_segments,), float64
            Logit for each mask, larger for more evidence for the explained label.

        Raises
        ------
        ConfigError
            If not all masks can be evaluated or the query budget is exceeded.
        """
        if not self._model.exact:
            raise ConfigError(
                f"explainers.{self.queries.explainer}: requires the values of all masks, which are not available "
                f"({self._model.lacks_masks}). Leave it out."
            )
        self.queries.add(1 << checked_for_all(self.grid))
        game = Game(self.excerpt, self.off, self.grid)
        return self._flip.sign * next(self._model.evaluator.logits([game])).astype(np.float64)

    def decides(self, values: np.ndarray) -> np.ndarray:
        """Return whether logits of the explained label yield that label, as booleans with the shape of `values`."""
        return self._flip.has_flipped(probability(self._flip.sign * np.asarray(values, dtype=np.float64)))

    def logits(self, excerpts: Tensor) -> Tensor:
        """Return the differentiable logit of the explained label for any excerpts.

        Parameters
        ----------
        excerpts : Tensor, shape (n, n_frames, n_bands)
            Excerpts in the representation of the model.

        Returns
        -------
        Tensor, shape (n,)
            Logit for each excerpt. A backward pass through it counts as queries, too.

        Raises
        ------
        ConfigError
            If the model has no gradients or the query budget is exceeded.
        """
        self._check_differentiable()
        self.queries.add(len(excerpts))
        answer = self._flip.sign * self._model.predict_logits(excerpts)
        return self._metered(answer)

    @property
    def module(self) -> nn.Module:
        """Copy of the model as a module of torch layers, from (n, n_frames, n_bands) to the logit of the explained label, (n,).

        Explainers that hook layers need it. Its forward and backward passes count as queries.

        Raises
        ------
        ConfigError
            If the model has no such module, or if its logits are not those of the model.
        """
        self._check_differentiable()
        if self._model.module is None:
            raise ConfigError(
                f"explainers.{self.queries.explainer}: requires layers, which the model does not expose. Leave it out."
            )
        module = self._model.module()
        self._check_copy(module)
        return self._hooked(module)

    @property
    def is_differentiable(self) -> bool:
        """Whether `logits` is available."""
        return self._model.differentiable

    def note(self, **numbers: float) -> None:
        """Store numbers with the attribution, such as the error of an approximation."""
        self._noted.update({name: float(number) for name, number in numbers.items()})

    @property
    def noted(self) -> dict[str, float]:
        """Numbers stored by `note`."""
        return dict(self._noted)

    def _check_differentiable(self) -> None:
        if not self._model.differentiable:
            raise ConfigError(
                f"explainers.{self.queries.explainer}: requires gradients, but the explained model provides only predictions. "
                "Leave it out."
            )

    def _check_copy(self, module: nn.Module) -> None:
        """Compare the copy with the model on three inputs; these passes do not count as queries."""
        import torch

        inputs = torch.stack([self.excerpt, self.off, self.excerpt.flip(0)])
        with torch.no_grad():
            copied, original = module(inputs), self._model.predict_logits(inputs)
        difference = float((copied.cpu() - original.cpu()).abs().max())
        if not difference <= COPY_TOLERANCE * max(1.0, float(original.abs().max())):
            raise ConfigError(
                f"explainers.{self.queries.explainer}: the layers of the model must return its logits, got a difference of "
                f"{difference:.2g}. Correct the method layers of the classifier, or leave the explainer out."
            )

    def _metered(self, answer: Tensor) -> Tensor:
        if answer.requires_grad:
            answer.register_hook(lambda gradient: self.queries.add(len(gradient)))
        return answer

    def _hooked(self, module: nn.Module) -> nn.Module:
        module.register_forward_pre_hook(lambda _, inputs: self.queries.add(len(inputs[0])))
        module.register_forward_hook(lambda _, inputs, answer: self._metered(self._flip.sign * answer))
        return module


Explainer = Callable[[ExplanationTask], np.ndarray]
