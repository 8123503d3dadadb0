"""Effect of a drawing on the decision, and its exact explanation, fast enough for interactive use."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...detector.decisions import flipped, is_sing
from ...explainers.lime import LimeSettings, fit_all
from ...games import solution_concepts
from ...games.explained import ExplainedModel
from ...games.game import Game, fill_game
from ...games.grid import SegmentGrid, masks_of
from .raster import draw


@dataclass(frozen=True)
class ExplainedDrawing:
    """Excerpt with a drawing, and its explanation.

    Attributes
    ----------
    log_mel : ndarray, shape (n_frames, n_mels)
        Excerpt with the drawing, natural logarithm of mel magnitude.
    p_clean, p_drawn : float
        P(sing) without and with the drawing.
    flips : bool
        Whether the drawing flips the decision.
    lime, shapley : ndarray, shape (n_segments,)
        Exact weights for "sing" in the fill game of the excerpt with the drawing.
    fidelity : float
        Weighted R^2 of the surrogate of LIME.
    touched : ndarray of bool, shape (n_segments,)
        Segments that the drawing has changed.
    smallest_sets : list of tuple of int
        Smallest sets of segments of the drawing that alone flip the decision.
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
    check_cancelled: Callable[[], None] = lambda: None,
) -> ExplainedDrawing:
    """Draw on an excerpt and explain the decision from all masks (paper section 5.1).

    Parameters
    ----------
    clean : ndarray, shape (n_frames, n_mels)
        Excerpt, natural logarithm of mel magnitude.
    coverage : ndarray, shape (n_frames, n_mels)
        Coverage of the drawing in [0, 1].
    strength : float
        Level of the drawing above the mean of the excerpt, in natural logarithm units.
    model : ExplainedModel
        Explained model, for which all masks can be evaluated.
    settings : LimeSettings
        Grid, fill and surrogate.
    threshold : float
        Decision threshold: "sing" is P(sing) > threshold.
    check_cancelled : callable
        Function called between the steps, which may raise an exception to cancel the computation.

    Returns
    -------
    ExplainedDrawing
        The excerpt with its explanation.
    """
    grid = settings.grid(*clean.shape)
    drawn = draw(clean, coverage, level=float(clean.mean(dtype=np.float64)) + strength)
    touched = grid.sums(np.abs(drawn - clean).astype(np.float64)) > 0
    p_clean, p_drawn = (float(p) for p in model.p_sing(np.stack([clean, drawn])))
    if not touched.any():
        p_drawn = p_clean  # set equal, because rounding may differ between positions in a batch
    check_cancelled()
    filled = next(model.values([fill_game(drawn, grid, settings.fill)]))
    assert filled.all_values is not None
    check_cancelled()
    surrogate = fit_all(filled.all_values, settings)
    return ExplainedDrawing(
        log_mel=drawn,
        p_clean=p_clean,
        p_drawn=p_drawn,
        flips=bool(flipped(p_drawn, threshold, is_sing(p_clean, threshold))),
        lime=surrogate.weights,
        shapley=solution_concepts.shapley(filled.all_values),
        fidelity=surrogate.fidelity,
        touched=touched,
        smallest_sets=_smallest_sets(drawn, clean, grid, touched, model, threshold),
    )


def _smallest_sets(
    drawn: np.ndarray, clean: np.ndarray, grid: SegmentGrid, touched: np.ndarray, model: ExplainedModel, threshold: float
) -> list[tuple[int, ...]]:
    """Return the smallest flip sets among the segments that the drawing has changed."""
    segments = np.flatnonzero(touched)
    if not len(segments):
        return []
    game = Game(torch.as_tensor(drawn), torch.as_tensor(clean), grid)
    if len(segments) == len(touched):
        # Evaluating all masks in blocks is faster than evaluating a list of masks.
        values = next(model.values([game])).all_values
    else:
        masks = np.zeros((1 << len(segments), len(touched)), dtype=bool)
        masks[:, segments] = masks_of(np.arange(1 << len(segments)), len(segments))
        values = next(model.evaluator.probabilities([game], masks))
    assert values is not None
    sets = masks_of(
        solution_concepts.smallest_flip_sets(flipped(values, threshold, is_sing(values[0], threshold))), len(segments)
    )
    return [tuple(segments[mask.astype(bool)].tolist()) for mask in sets]
