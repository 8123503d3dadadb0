"""Search for a drawing that changes the decision to "sing" (paper section 5.1)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, VeracityError
from ...games.callables import checked_probabilities
from .raster import draw, rasterise
from .shapes import SHAPES, Shape, shape_named

RATIOS = (2 / 3, 3 / 2)  # range of height over width of a placement, so that shapes remain recognisable
SIZES = (0.25, 0.5)  # range of width and height as fractions of the excerpt; small, so that 3 segments can locate a drawing
STRENGTHS = (1, 2, 3, 4, 5, 6, 7, 8)  # levels above the mean of the excerpt, natural logarithm units
Predict = Callable[[np.ndarray], np.ndarray]


class DrawingError(VeracityError):
    """Error for an excerpt that is already "sing", or for a file without valid drawings."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Drawing that changes the decision for an excerpt to "sing".

    Attributes
    ----------
    shape : str
        Name of the shape.
    centre, size : tuple of float
        Centre and size of the drawing along time and frequency, as fractions of the excerpt.
    level : float
        Level towards which covered cells are raised, natural logarithm of mel magnitude.
    strength : float
        Level above the mean of the clean excerpt, in natural logarithm units.
    clean_p_sing, drawn_p_sing : float
        P(sing) without and with the drawing.
    log_mel : ndarray, shape (n_frames, n_mels)
        Excerpt with the drawing, natural logarithm of mel magnitude.
    coverage : ndarray, shape (n_frames, n_mels)
        Coverage of each cell in [0, 1].
    """

    shape: str
    centre: tuple[float, float]
    size: tuple[float, float]
    level: float
    strength: float
    clean_p_sing: float
    drawn_p_sing: float
    log_mel: np.ndarray
    coverage: np.ndarray


@dataclass(frozen=True, eq=False)
class _Candidate:
    name: str
    centre: tuple[float, float]
    size: tuple[float, float]
    coverage: np.ndarray  # (n_frames, n_mels)


def fit_drawing(
    log_mel: np.ndarray,
    predict: Predict,
    threshold: float,
    rng: np.random.Generator,
    *,
    shapes: Sequence[str] = tuple(SHAPES),
    imported: Mapping[str, np.ndarray] | None = None,
    n_placements: int = 8,
    batch_size: int = 64,
) -> Drawing | None:
    """Find a drawing that changes the decision to "sing" (paper section 5.1).

    Each shape is placed at random positions with random `SIZES`. The `STRENGTHS` are tried in increasing order. At the first
    strength at which any drawing flips the decision, the drawing with the largest P(sing) is returned.

    Differs from the paper, whose authors adapted drawings by hand and do not describe the procedure.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_mels)
        Excerpt whose decision is "no sing", natural logarithm of mel magnitude.
    predict : callable
        Function from a float32 array, shape (n, n_frames, n_mels), to P(sing), shape (n,).
    threshold : float
        Decision threshold: "sing" is P(sing) > threshold.
    rng : Generator
        Source of the placements. Those of a shape also depend on the number of shapes before it.
    shapes : sequence of str
        Names of shapes, by default all built-in shapes; see `shape_named`.
    imported : mapping of str to ndarray, optional
        Further shapes from `import_drawings`. Arrays with the shape of the excerpt are not moved or scaled.
    n_placements : int
        Number of random placements for each shape, 8 by default.
    batch_size : int
        Largest number of excerpts in one call of `predict`, 64 by default.

    Returns
    -------
    Drawing or None
        The drawing; None if no drawing flips the decision.

    Raises
    ------
    DrawingError
        If the decision for the excerpt is already "sing".
    ConfigError
        If a shape is unknown, there are no shapes, or `predict` does not return probabilities.
    """
    log_mel = np.asarray(log_mel, dtype=np.float32)
    candidates = list(_candidates(_chosen(shapes, imported or {}), log_mel.shape, rng, n_placements))
    clean_p_sing = _clean_p_sing(log_mel, predict, threshold)
    mean = float(log_mel.mean(dtype=np.float64))
    for strength in STRENGTHS:
        p_sing = _p_sing_drawn(log_mel, candidates, mean + strength, predict, batch_size)
        if (p_sing > threshold).any():
            best = int(np.argmax(np.where(p_sing > threshold, p_sing, -np.inf)))
            return _drawing(log_mel, candidates[best], mean + strength, strength, clean_p_sing, float(p_sing[best]))
    return None


def _chosen(shapes: Sequence[str], imported: Mapping[str, np.ndarray]) -> dict[str, Shape | np.ndarray]:
    chosen: dict[str, Shape | np.ndarray] = {name: shape_named(name) for name in shapes}
    chosen.update(imported)
    if not chosen:
        raise ConfigError(f"shapes: must not be empty, got []. Choose from {', '.join(SHAPES)}.")
    return chosen


def _candidates(
    shapes: Mapping[str, Shape | np.ndarray],
    excerpt: tuple[int, ...],
    rng: np.random.Generator,
    n_placements: int,
) -> Iterator[_Candidate]:
    n_frames, n_mels = excerpt
    for name, shape in shapes.items():
        if isinstance(shape, np.ndarray) and shape.shape == excerpt:
            yield _Candidate(name, (0.5, 0.5), (1.0, 1.0), shape.astype(np.float32))
            continue
        for _ in range(n_placements):
            centre, size = _placement(rng)
            yield _Candidate(name, centre, size, rasterise(shape, n_frames, n_mels, centre=centre, size=size))


def _placement(rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a random centre and size of a shape that is completely inside the excerpt."""
    width = rng.uniform(*SIZES)
    height = float(np.clip(width * np.exp(rng.uniform(*np.log(RATIOS))), *SIZES))
    x, y = (rng.uniform(side / 2, 1 - side / 2) for side in (width, height))
    return (x, y), (width, height)


def _clean_p_sing(log_mel: np.ndarray, predict: Predict, threshold: float) -> float:
    clean_p_sing = float(_checked(predict, log_mel[None])[0])
    if clean_p_sing > threshold:
        raise DrawingError(
            f'excerpt: must be "no sing" before the drawing, got P = {clean_p_sing:.4f} above the threshold {threshold:g}. '
            'Choose one that is predicted "no sing".'
        )
    return clean_p_sing


def _p_sing_drawn(
    log_mel: np.ndarray, candidates: Sequence[_Candidate], level: float, predict: Predict, batch_size: int
) -> np.ndarray:
    """Return P(sing) with each candidate, shape (n_candidates,)."""
    p_sing = []
    for first in range(0, len(candidates), batch_size):
        coverage = np.stack([candidate.coverage for candidate in candidates[first : first + batch_size]])
        p_sing.append(_checked(predict, draw(log_mel[None], coverage, level=level)))  # (batch, n_frames, n_mels)
    return np.concatenate(p_sing)


def _checked(predict: Predict, batch: np.ndarray) -> np.ndarray:
    """Predict probabilities in float64, for exact comparison with the threshold, from a copy of the batch."""
    return checked_probabilities(predict(batch.copy()), len(batch), "predict: the function")


def _drawing(
    log_mel: np.ndarray, chosen: _Candidate, level: float, strength: float, clean_p_sing: float, drawn_p_sing: float
) -> Drawing:
    return Drawing(
        shape=chosen.name,
        centre=chosen.centre,
        size=chosen.size,
        level=level,
        strength=float(strength),
        clean_p_sing=clean_p_sing,
        drawn_p_sing=drawn_p_sing,
        log_mel=draw(log_mel, chosen.coverage, level=level),
        coverage=chosen.coverage,
    )
