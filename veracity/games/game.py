"""Games: which segments of an excerpt are switched on, and what the model answers.

A mask over the segments of a grid defines an input ``z * on + (1 - z) * off`` and so a set function ``v(z)``. With ``on`` the
explained excerpt and ``off`` its fill, this is LIME's neighbourhood (paper section 2); with ``on`` the adversarial and ``off``
the clean excerpt, it tells which subsets of a perturbation flip the label (section 5.2).

Here and in `veracity.games.evaluators` torch is imported where it is used: tables read the artefacts of games without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..errors import one_of
from .grid import SegmentGrid

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Fill = Literal["mean", "zero", "min"]


@dataclass(frozen=True)
class Game:
    """Two excerpts of which a mask takes one or the other, segment by segment.

    Attributes
    ----------
    on, off : Tensor or ndarray, shape (n_frames, n_mels)
        Log-mel excerpts, not standardised: what a segment holds when switched on and off. Kept as tensors.
    grid : SegmentGrid
    """

    on: Tensor
    off: Tensor
    grid: SegmentGrid

    def __post_init__(self) -> None:
        import torch

        object.__setattr__(self, "on", torch.as_tensor(self.on))
        object.__setattr__(self, "off", torch.as_tensor(self.off))
        expected = (self.grid.n_frames, self.grid.n_mels)
        if tuple(self.on.shape) != expected or tuple(self.off.shape) != expected:
            raise ValueError(f"on {tuple(self.on.shape)} and off {tuple(self.off.shape)} must have the grid's shape {expected}")

    def to(self, device: torch.device, dtype: torch.dtype) -> Game:
        """Return the game on another device or in another precision."""
        return Game(self.on.to(device, dtype), self.off.to(device, dtype), self.grid)

    def inputs(self, masks: np.ndarray | Tensor) -> Tensor:
        """Return the masked excerpts, shape (n_masks, n_frames, n_mels)."""
        import torch

        segments = torch.as_tensor(self.grid.segment_map().ravel(), device=self.on.device)
        chosen = torch.as_tensor(masks, device=self.on.device).bool().index_select(1, segments)
        return torch.where(chosen.view(-1, *self.on.shape), self.on, self.off)


def fill_game(excerpt: Tensor | np.ndarray, grid: SegmentGrid, fill: Fill) -> Game:
    """Return LIME's game: segments switched off hold a constant.

    Parameters
    ----------
    excerpt : Tensor or ndarray, shape (n_frames, n_mels)
        Log-mel, not standardised.
    grid : SegmentGrid
    fill : {"mean", "zero", "min"}
        The mean of the excerpt (the paper's choice), log-mel 0 (magnitude 1: loud), or the minimum of the excerpt. Of complex
        spectra the mean and the minimum are those of magnitudes, with the phase kept, and zero is silence.
    """
    import torch

    fills: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": torch.Tensor.mean,
        "zero": lambda x: x.new_zeros(()),
        "min": torch.Tensor.min,
    }
    one_of(fill, get_args(Fill), "fill")
    on = torch.as_tensor(excerpt)
    if on.is_complex():
        return Game(on, torch.polar(fills[fill](on.abs()).expand(on.shape), on.angle()), grid)
    return Game(on, fills[fill](on).expand_as(on), grid)
