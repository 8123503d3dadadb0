"""The perturbations of a song's excerpts as games: which of their segments are added to the clean excerpt.

Segments are also chosen by *norm*, the paper's stand-in for the truth: the sum of squares of the log-mel difference in a
segment, the highest first. (It is the squared norm; the order is the same.)
"""

import numpy as np

from ..attacks.excerpts import Excerpts, check_same_answers
from ..games.explained import ExplainedModel
from ..games.game import Game
from ..games.grid import SegmentGrid


def check_same_model(excerpts: Excerpts, model: ExplainedModel) -> None:
    """Refuse a model that no longer answers as it did when the excerpts were picked.

    Raises
    ------
    ConfigError
        Names the model, both answers and the cure.
    """
    if len(excerpts.adversarial_p):
        now = model.p_sing(excerpts.adversarial)
        check_same_answers(now, excerpts.adversarial_p, excerpts.model, "when it was picked", "excerpts")


def perturbation_games(excerpts: Excerpts, grid: SegmentGrid) -> list[Game]:
    """Return a game for each excerpt: segments switched on hold the adversarial excerpt, others the clean one."""
    pairs = zip(excerpts.adversarial, excerpts.clean, strict=True)
    return [Game(adversarial, clean, grid) for adversarial, clean in pairs]


def squared_norms(excerpts: Excerpts, grid: SegmentGrid) -> np.ndarray:
    """Return the sum of squares of the difference in each segment, shape (n_excerpts, n_segments), in the unit's square."""
    wide = np.complex128 if np.iscomplexobj(excerpts.clean) else np.float64
    return grid.sums(np.abs(excerpts.adversarial.astype(wide) - excerpts.clean) ** 2)


def norm_ranking(squared_norm: np.ndarray) -> np.ndarray:
    """Order segments by falling norm, ties by index; shape (n_excerpts, n_segments) to the same."""
    return np.argsort(-squared_norm, axis=1, kind="stable")


def mask_index(segments: np.ndarray) -> int:
    """Return some segments as one mask index."""
    return int((1 << np.asarray(segments, dtype=np.int64)).sum())


def first_masks(ranking: np.ndarray) -> np.ndarray:
    """Return the masks of the first 1, 2, ... segments of a ranking, shape (n_segments, n_segments)."""
    return np.argsort(ranking)[None, :] <= np.arange(len(ranking))[:, None]
