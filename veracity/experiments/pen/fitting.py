"""Adapting a drawing until the detector takes it for singing (paper section 5.1)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, VeracityError
from ...games.callables import checked_probabilities
from .raster import draw, rasterise
from .shapes import SHAPES, Shape, shape_named

RATIOS = (2 / 3, 3 / 2)  # relative height of a placement to its width: shapes stay recognisable
Predict = Callable[[np.ndarray], np.ndarray]


class DrawingError(VeracityError):
    """An excerpt cannot be drawn on, or a file does not hold drawings."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The drawing that changed the prediction for an excerpt to "sing".

    Attributes
    ----------
    shape : str
        Name of what was drawn.
    centre, size : tuple of float
        Of the drawing, as fractions of the excerpt along time and frequency.
    level : float
        Natural log of mel magnitude towards which covered cells were raised.
    strength : float
        Level above the mean of the clean excerpt, natural log units.
    clean_p_sing, drawn_p_sing : float
        Probability of singing before and after drawing.
    log_mel : ndarray, shape (n_frames, n_mels)
        The excerpt, drawn upon, natural log of mel magnitude.
    coverage : ndarray, shape (n_frames, n_mels)
        Cells' share under the pen.
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
    sizes: tuple[float, float] = (0.25, 0.5),
    strengths: Sequence[float] = (1, 2, 3, 4, 5, 6, 7, 8),
    batch_size: int = 64,
) -> Drawing | None:
    """Adapt drawings until the prediction changes to "sing" (paper section 5.1).

    Each shape is tried at random places and sizes, faintly at first. At the first strength at which any of these
    drawings flips the prediction, the one with the highest probability of singing is taken.

    Differs from the paper: there, drawings were adapted by hand, and how is not said.

    Parameters
    ----------
    log_mel : ndarray, shape (n_frames, n_mels)
        Natural log of mel magnitude of an excerpt that is predicted "no sing".
    predict : callable
        Takes a float32 array (n, n_frames, n_mels) and returns P(sing), shape (n,).
    threshold : float
        "Sing" is what is strictly above.
    rng : Generator
        Where to draw: placements depend on it alone, and on the shapes that come before.
    shapes : sequence of str
        Names as `shape_named` takes them.
    imported : mapping of str to ndarray, optional
        More shapes, from `import_drawings`. Those of the excerpt's own shape stay where they are and are tried once.
    n_placements : int
        Places and sizes to try for each shape.
    sizes : tuple of float
        Smallest and largest width and height, in fractions of the excerpt. Small ones touch few segments, so that an
        explanation of 3 segments can point at them.
    strengths : sequence of float
        Levels above the mean of the excerpt, in natural log units, tried from low to high.
    batch_size : int
        Most excerpts in one call of `predict`.

    Returns
    -------
    Drawing or None
        None when no drawing flips the prediction.

    Raises
    ------
    DrawingError
        When the excerpt is "sing" already.
    ConfigError
        When a shape is unknown, there is none, or `predict` returns anything but probabilities.
    """
    log_mel = np.asarray(log_mel, dtype=np.float32)
    candidates = list(_candidates(_chosen(shapes, imported or {}), log_mel.shape, rng, n_placements, sizes))
    clean_p_sing = _clean_p_sing(log_mel, predict, threshold)
    mean = float(log_mel.mean(dtype=np.float64))
    for strength in sorted(strengths):
        p_sing = _p_sing_drawn(log_mel, candidates, mean + strength, predict, batch_size)
        if (p_sing > threshold).any():
            best = int(np.argmax(np.where(p_sing > threshold, p_sing, -np.inf)))
            return _drawing(log_mel, candidates[best], mean + strength, strength, clean_p_sing, float(p_sing[best]))
    return None


def _chosen(shapes: Sequence[str], imported: Mapping[str, np.ndarray]) -> dict[str, Shape | np.ndarray]:
    chosen: dict[str, Shape | np.ndarray] = {name: shape_named(name) for name in shapes}
    chosen.update(imported)
    if not chosen:
        raise ConfigError(f"there is no shape to draw: choose from {', '.join(SHAPES)}")
    return chosen


def _candidates(
    shapes: Mapping[str, Shape | np.ndarray],
    excerpt: tuple[int, ...],
    rng: np.random.Generator,
    n_placements: int,
    sizes: tuple[float, float],
) -> Iterator[_Candidate]:
    n_frames, n_mels = excerpt
    for name, shape in shapes.items():
        if isinstance(shape, np.ndarray) and shape.shape == excerpt:
            yield _Candidate(name, (0.5, 0.5), (1.0, 1.0), shape.astype(np.float32))
            continue
        for _ in range(n_placements):
            centre, size = _placement(rng, sizes)
            yield _Candidate(name, centre, size, rasterise(shape, n_frames, n_mels, centre=centre, size=size))


def _placement(rng: np.random.Generator, sizes: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Draw a centre and a size such that the shape lies wholly inside the excerpt."""
    width = rng.uniform(*sizes)
    height = float(np.clip(width * np.exp(rng.uniform(*np.log(RATIOS))), *sizes))
    x, y = (rng.uniform(side / 2, 1 - side / 2) for side in (width, height))
    return (x, y), (width, height)


def _clean_p_sing(log_mel: np.ndarray, predict: Predict, threshold: float) -> float:
    clean_p_sing = float(_checked(predict, log_mel[None])[0])
    if clean_p_sing > threshold:
        raise DrawingError(
            f'the excerpt is "sing" before anything is drawn (P = {clean_p_sing:.4f} above the threshold '
            f'{threshold:g}): choose one that is predicted "no sing"'
        )
    return clean_p_sing


def _p_sing_drawn(
    log_mel: np.ndarray, candidates: Sequence[_Candidate], level: float, predict: Predict, batch_size: int
) -> np.ndarray:
    """P(sing) of each candidate, shape (n_candidates,)."""
    p_sing = []
    for first in range(0, len(candidates), batch_size):
        coverage = np.stack([candidate.coverage for candidate in candidates[first : first + batch_size]])
        p_sing.append(_checked(predict, draw(log_mel[None], coverage, level=level)))  # (batch, n_frames, n_mels)
    return np.concatenate(p_sing)


def _checked(predict: Predict, batch: np.ndarray) -> np.ndarray:
    """Predict in float64, so that comparisons with the threshold are exact; what is drawn upon stays ours."""
    return checked_probabilities(predict(batch.copy()), len(batch), "what predicts P(sing)")


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
