"""Games, which assign the model's output to each mask over the segments of an excerpt.

A mask ``z`` over the segments of a grid defines an input ``z * on + (1 - z) * off`` and thereby a set function ``v(z)``. Two
games are used:

- Fill game: ``on`` is the explained excerpt and ``off`` is a fill. This is LIME's neighbourhood (paper section 2).
- Perturbation game: ``on`` is the adversarial and ``off`` the clean excerpt. Its values show which subsets of a perturbation
  flip the label (paper section 5.2).

torch is imported inside functions here and in `veracity.games.evaluators`, so that result tables can be made from the
artefacts of games without torch.
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
    """Pair of excerpts from which a mask selects segment by segment.

    Attributes
    ----------
    on, off : Tensor or ndarray, shape (n_frames, n_mels)
        Content of a segment that is switched on or off: log-mel excerpts, not standardised. Arrays are converted to tensors.
    grid : SegmentGrid
        Segments of both excerpts.
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
        """Return the game on another device and in another precision."""
        return Game(self.on.to(device, dtype), self.off.to(device, dtype), self.grid)

    def inputs(self, masks: np.ndarray | Tensor) -> Tensor:
        """Return the masked excerpts, masks of shape (n_masks, n_segments) to Tensor of shape (n_masks, n_frames, n_mels)."""
        import torch

        segments = torch.as_tensor(self.grid.segment_map().ravel(), device=self.on.device)
        chosen = torch.as_tensor(masks, device=self.on.device).bool().index_select(1, segments)
        return torch.where(chosen.view(-1, *self.on.shape), self.on, self.off)


def fill_game(excerpt: Tensor | np.ndarray, grid: SegmentGrid, fill: Fill) -> Game:
    """Return the fill game of an excerpt, which is the game that LIME explains.

    Segments that are switched off hold a constant. For complex spectra the constant replaces the magnitudes and the phase is
    kept, and "zero" is silence.

    Parameters
    ----------
    excerpt : Tensor or ndarray, shape (n_frames, n_mels)
        Log-mel excerpt, not standardised, or complex spectra.
    grid : SegmentGrid
        Segments of the excerpt.
    fill : {"mean", "zero", "min"}
        Content of segments that are switched off: the mean of the excerpt (the paper's choice), log-mel 0 (magnitude 1, which
        is loud), or the minimum of the excerpt.

    Returns
    -------
    Game
        Game with the excerpt as `on` and the fill as `off`.

    Raises
    ------
    ConfigError
        If there is no such fill.
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
