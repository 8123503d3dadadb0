"""Drawings that change "no sing" excerpts to "sing", and their LIME explanations (paper section 5.1; stage ``drawings``)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..detector.decisions import is_sing
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games.explained import ExplainedModel
from ..games.game import fill_game
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .drawing.fitting import Drawing, fit_drawing

N_TOP = 3  # number of top segments of LIME in Figure 1
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DrawnExcerpt:
    """Excerpt with a drawing that flips the label from "no sing" to "sing", and its LIME explanation."""

    found: bool = note("whether a drawing flipped the label; if not, the arrays are empty")
    shape: str = note("name of the shape")
    strength: float = note("level of the drawing above the mean of the excerpt, ln magnitude")
    start_frame: int = note("first frame of the excerpt in the song")
    fidelity: float = note("weighted R^2 of sampled LIME")
    fidelity_exact: float = note("weighted R^2 of exact LIME; NaN if not computed")
    clean_p_sing: float = note("P(sing) of the clean excerpt")
    drawn_p_sing: float = note("P(sing) of the excerpt with the drawing")
    threshold: float = note("the decision is sing if P(sing) > threshold")
    top_p_sing: float = note("P(sing) of the clean excerpt after LIME's top 3 segments are copied from the drawn excerpt")
    audit: float = note("largest difference from direct evaluation, probability; NaN if nothing was explained")
    clean_log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="the clean excerpt")
    drawn_log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="log-mel excerpt with the drawing")
    coverage: np.ndarray = array("frame", "mel", unit="1", doc="coverage of each bin by the drawing, 0 to 1")
    weights: np.ndarray = array("segment", unit="probability", doc="sampled LIME weights of the excerpt with the drawing")
    coverage_by_segment: np.ndarray = array("segment", unit="1", doc="share of the drawing in each segment")


@dataclass(frozen=True)
class DrawingChoices:
    """Drawings to try on an excerpt.

    Attributes
    ----------
    shapes : sequence of str
        Names of shapes; see `veracity.experiments.drawing.shapes.shape_named`.
    n_placements : int
        Number of places and sizes to try for each shape.
    imported : mapping of str to ndarray, shape (n_frames, n_mels)
        Further drawings, none by default; see `veracity.experiments.drawing.files.import_drawings`.
    """

    shapes: Sequence[str]
    n_placements: int
    imported: Mapping[str, np.ndarray] = field(default_factory=dict)


def compute(
    padded_log_mel: np.ndarray,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    choices: DrawingChoices,
    threshold: float,
    n_frames: int,
    seed: int,
    song: str,
) -> DrawnExcerpt:
    """Draw on one random "no sing" excerpt until the decision is "sing", and explain it (paper section 5.1, Figure 1).

    Parameters
    ----------
    padded_log_mel : ndarray, shape (n_song_frames + n_frames - 1, n_mels)
        Log-mel spectrogram of the song with half an excerpt of silence on both sides.
    model : ExplainedModel
        Explained model.
    settings : LimeSettings
        Settings of LIME.
    choices : DrawingChoices
        Drawings to try.
    threshold : float
        Decision threshold: "sing" is P(sing) > threshold.
    n_frames : int
        Length of an excerpt in frames.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    DrawnExcerpt
        The excerpt. Its field ``found`` is False if the song has no "no sing" excerpt or no drawing flips it.

    Raises
    ------
    ConfigError
        If a shape is unknown.
    """
    rng = rng_for(seed, "drawings", song)
    half = n_frames // 2
    inside = padded_log_mel[half : len(padded_log_mel) - half]
    start = _first_nosing(inside, n_frames, model.p_sing, threshold, rng)
    if start is None:
        log.warning('%s: no excerpt is predicted "no sing", so nothing can be drawn', song)
        return _no_drawing(padded_log_mel.shape[1])
    excerpt = np.ascontiguousarray(inside[start : start + n_frames])
    # Shapes are tried one by one in random order, because the broadest shape would otherwise always be chosen.
    single: list[dict[str, Any]] = [{"shapes": (shape,)} for shape in choices.shapes]
    single += [{"shapes": (), "imported": {name: drawing}} for name, drawing in choices.imported.items()]
    tries = (
        fit_drawing(excerpt, model.p_sing, threshold, rng, n_placements=choices.n_placements, **single[i])
        for i in rng.permutation(len(single))
    )
    drawing = next((drawing for drawing in tries if drawing is not None), None)
    if drawing is None:
        log.warning("%s: no drawing flips the excerpt at frame %d to sing. Raise drawings.n_placements.", song, start)
        return _no_drawing(padded_log_mel.shape[1])
    return _explained(excerpt, start, drawing, model, settings, threshold=threshold, seed=seed, song=song)


def _explained(
    excerpt: np.ndarray,
    start: int,
    drawing: Drawing,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    threshold: float,
    seed: int,
    song: str,
) -> DrawnExcerpt:
    """Explain an excerpt with a drawing."""
    grid = settings.grid(*excerpt.shape)
    values = next(model.values([fill_game(drawing.log_mel, grid, settings.fill)]))
    sampled, exact = lime.fits(values, settings, rng_for(seed, "lime drawings", song))
    assert sampled is not None
    top = np.isin(grid.segment_map(), lime.ranking(sampled.weights, "sing")[:N_TOP])
    share = grid.sums(drawing.coverage.astype(np.float64))
    return DrawnExcerpt(
        found=True,
        shape=drawing.shape,
        strength=drawing.strength,
        start_frame=start,
        fidelity=sampled.fidelity,
        fidelity_exact=exact.fidelity if exact else float("nan"),
        clean_p_sing=drawing.clean_p_sing,
        drawn_p_sing=drawing.drawn_p_sing,
        threshold=threshold,
        top_p_sing=float(model.p_sing(np.where(top, drawing.log_mel, excerpt)[None])[0]),
        audit=values.audited(rng_for(seed, "audit drawings", song)),
        clean_log_mel=excerpt,
        drawn_log_mel=drawing.log_mel,
        coverage=drawing.coverage,
        weights=sampled.weights,
        coverage_by_segment=share / share.sum(),
    )


def _first_nosing(
    frames: np.ndarray,
    n_frames: int,
    predict: Callable[[np.ndarray], np.ndarray],
    threshold: float,
    rng: np.random.Generator,
    batch: int = 32,
) -> int | None:
    """Return the start frame of a random "no sing" excerpt, or None if there is none."""
    starts = rng.permutation(len(frames) - n_frames + 1)
    for part in np.array_split(starts, max(1, len(starts) // batch)):
        nosing = ~is_sing(predict(np.stack([frames[s : s + n_frames] for s in part])), threshold)
        if nosing.any():
            return int(part[np.argmax(nosing)])
    return None


def _no_drawing(n_mels: int) -> DrawnExcerpt:
    nothing, nan = np.zeros((0, n_mels), dtype=np.float32), float("nan")
    return DrawnExcerpt(
        found=False,
        shape="",
        strength=nan,
        start_frame=-1,
        fidelity=nan,
        fidelity_exact=nan,
        clean_p_sing=nan,
        drawn_p_sing=nan,
        threshold=nan,
        top_p_sing=nan,
        audit=nan,
        clean_log_mel=nothing,
        drawn_log_mel=nothing,
        coverage=nothing,
        weights=np.zeros(0),
        coverage_by_segment=np.zeros(0),
    )
