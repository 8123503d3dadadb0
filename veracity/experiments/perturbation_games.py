"""Perturbation games of the excerpts of a song: segments of the perturbation are added to the clean excerpt.

Segments are also ranked by *norm*, the paper's substitute for the truth: the sum of squares of the log-mel difference in a
segment. This is the squared norm, which gives the same ranking.
"""

import numpy as np

from ..attacks.excerpts import Excerpts, check_same_answers
from ..games.explained import ExplainedModel
from ..games.game import Game
from ..games.grid import SegmentGrid


def check_same_model(excerpts: Excerpts, model: ExplainedModel) -> None:
    """Check that a model predicts the same probabilities as when the excerpts were selected.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    model : ExplainedModel
        Explained model.

    Raises
    ------
    ConfigError
        If a probability has changed.
    """
    if len(excerpts.adversarial_p):
        now = model.p_sing(excerpts.adversarial)
        check_same_answers(now, excerpts.adversarial_p, excerpts.model, "when it was picked", "excerpts")


def perturbation_games(excerpts: Excerpts, grid: SegmentGrid) -> list[Game]:
    """Return a game for each excerpt: segments that are switched on contain the adversarial excerpt, others the clean one."""
    pairs = zip(excerpts.adversarial, excerpts.clean, strict=True)
    return [Game(adversarial, clean, grid) for adversarial, clean in pairs]


def squared_norms(excerpts: Excerpts, grid: SegmentGrid) -> np.ndarray:
    """Return the sum of squares of the difference in each segment.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    grid : SegmentGrid
        Segments of the excerpts.

    Returns
    -------
    ndarray, shape (n_excerpts, n_segments)
        Squared norms, in the squared unit of the excerpts.
    """
    wide = np.complex128 if np.iscomplexobj(excerpts.clean) else np.float64
    return grid.sums(np.abs(excerpts.adversarial.astype(wide) - excerpts.clean) ** 2)


def norm_ranking(squared_norm: np.ndarray) -> np.ndarray:
    """Rank segments by decreasing norm, ties by index; from shape (n_excerpts, n_segments) to the same shape."""
    return np.argsort(-squared_norm, axis=1, kind="stable")


def mask_index(segments: np.ndarray) -> int:
    """Return a set of segments as a mask index."""
    return int((1 << np.asarray(segments, dtype=np.int64)).sum())


def first_masks(ranking: np.ndarray) -> np.ndarray:
    """Return the masks of the first 1, 2, ... segments of a ranking, shape (n_segments, n_segments), bool."""
    return np.argsort(ranking)[None, :] <= np.arange(len(ranking))[:, None]
