"""What a drawing on one excerpt has done, and which of its segments did it: exact, and quick enough to draw by it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...detector.decisions import flipped, is_sing
from ...explainers.lime import LimeSettings, fit_all
from ...games import readouts
from ...games.explained import ExplainedModel
from ...games.game import Game, fill_game
from ...games.grid import SegmentGrid, masks_of
from .raster import draw


@dataclass(frozen=True)
class ExplainedDrawing:
    """An excerpt that was drawn on, and why it is what it is now.

    Attributes
    ----------
    log_mel : ndarray, shape (n_frames, n_mels)
        The excerpt, drawn upon.
    p_clean, p_drawn : float
        P(sing) before and after.
    flips : bool
        Whether the decision has turned round.
    lime, shapley : ndarray, shape (n_segments,)
        Exact weights of the drawn excerpt's segments for "sing", absent ones filled.
    fidelity : float
        Weighted R^2 of LIME's surrogate.
    touched : ndarray of bool, shape (n_segments,)
        Segments that the drawing has changed.
    smallest_sets : list of tuple of int
        The smallest sets of segments of the drawing that turn the decision round when they alone are drawn.
    """

    log_mel: np.ndarray
    p_clean: float
    p_drawn: float
    flips: bool
    lime: np.ndarray
    shapley: np.ndarray
    fidelity: float
    touched: np.ndarray
    smallest_sets: list[tuple[int, ...]]


def explain_drawing(
    clean: np.ndarray,
    coverage: np.ndarray,
    strength: float,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    threshold: float,
    go_on: Callable[[], None] = lambda: None,
) -> ExplainedDrawing:
    """Draw on an excerpt and explain what the model makes of it (paper section 5.1), from all masks.

    Parameters
    ----------
    clean : ndarray, shape (n_frames, n_mels)
        Natural log of mel magnitude.
    coverage : ndarray, shape (n_frames, n_mels)
        In [0, 1]: what lies under the pen.
    strength : float
        Level towards which covered cells are raised, above the mean of the excerpt, natural log units.
    model : ExplainedModel
        Of which all masks can be evaluated.
    settings : LimeSettings
        Grid, fill and surrogate.
    threshold : float
    go_on : callable
        Called between the steps; what it raises ends the work, since a newer drawing has come.
    """
    grid = settings.grid(*clean.shape)
    drawn = draw(clean, coverage, level=float(clean.mean(dtype=np.float64)) + strength)
    touched = grid.sums(np.abs(drawn - clean).astype(np.float64)) > 0
    p_clean, p_drawn = (float(p) for p in model.p_sing(np.stack([clean, drawn])))
    if not touched.any():
        p_drawn = p_clean  # not what rounding makes of the second in a batch
    go_on()
    filled = next(model.values([fill_game(drawn, grid, settings.fill)]))
    assert filled.all_values is not None
    go_on()
    surrogate = fit_all(filled.all_values, settings)
    return ExplainedDrawing(
        log_mel=drawn,
        p_clean=p_clean,
        p_drawn=p_drawn,
        flips=bool(flipped(p_drawn, threshold, is_sing(p_clean, threshold))),
        lime=surrogate.weights,
        shapley=readouts.shapley(filled.all_values),
        fidelity=surrogate.fidelity,
        touched=touched,
        smallest_sets=_smallest_sets(drawn, clean, grid, touched, model, threshold),
    )


def _smallest_sets(
    drawn: np.ndarray, clean: np.ndarray, grid: SegmentGrid, touched: np.ndarray, model: ExplainedModel, threshold: float
) -> list[tuple[int, ...]]:
    """Return the smallest sets that turn the decision round; segments that were not touched are the same drawn or not."""
    segments = np.flatnonzero(touched)
    if not len(segments):
        return []
    game = Game(torch.as_tensor(drawn), torch.as_tensor(clean), grid)
    if len(segments) == len(touched):
        # All masks in one go, in blocks, take less time than looking them up one by one.
        values = next(model.values([game])).all_values
    else:
        masks = np.zeros((1 << len(segments), len(touched)), dtype=bool)
        masks[:, segments] = masks_of(np.arange(1 << len(segments)), len(segments))
        values = next(model.evaluator.probabilities([game], masks))
    assert values is not None
    sets = masks_of(readouts.smallest_flip_sets(flipped(values, threshold, is_sing(values[0], threshold))), len(segments))
    return [tuple(segments[mask.astype(bool)].tolist()) for mask in sets]
