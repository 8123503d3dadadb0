"""Drawings on a spectrogram that a detector takes for singing (paper section 5.1, Figure 1).

A shape lives in the unit square, x along time and y along frequency, upwards. Rasterised it is a *coverage*: an array
of shape (n_frames, n_mels) in [0, 1], band 0 lowest, that tells how much of each cell lies under the pen. A drawing
raises the log-mel spectrogram towards a level where it is covered and never makes anything quieter.

The idea is that of https://github.com/f0k/singing_horse (reference [17] of the paper). The shapes are our own; the
authors' drawings can be brought in with `import_drawings`.
"""

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import ConfigError, VeracityError
from .store import array, note

SUPERSAMPLING = 8  # sub-cells per cell and axis: coverage is a multiple of 1/64
THINNEST = 1.5  # least thickness of a line, in cells: anything thinner fades away between them
RATIOS = (2 / 3, 3 / 2)  # relative height of a placement to its width: shapes stay recognisable
LETTERS = "letters:"  # what follows is written out
DEEPEST = 4  # levels of containers in files of drawings

Predict = Callable[[np.ndarray], np.ndarray]


class DrawingError(VeracityError):
    """An excerpt cannot be drawn on, or a file does not hold drawings."""


@dataclass(frozen=True, eq=False)
class Shape:
    """Something to draw: areas, lines or letters in the unit square.

    Attributes
    ----------
    areas : tuple of ndarray, shape (n_points, 2)
        Corners (x, y) of filled polygons; an area inside another is a hole.
    lines : tuple of ndarray, shape (n_points, 2)
        Points (x, y) of lines drawn with a round pen.
    thickness : float
        Of the lines, as a fraction of the geometric mean of the width and height (in cells) of the placed shape.
    text : str
        Letters, stretched to fill the square.
    """

    areas: tuple[np.ndarray, ...] = ()
    lines: tuple[np.ndarray, ...] = ()
    thickness: float = 0.08
    text: str = ""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The drawing that changed the prediction for an excerpt to "sing".

    Places and sizes are fractions of the excerpt, (time, frequency).
    """

    shape: str = note("name of what was drawn")
    centre: tuple[float, float] = note("centre of the drawing, fractions of the excerpt along time and frequency")
    size: tuple[float, float] = note("size of the drawing, fractions of the excerpt along time and frequency")
    level: float = note("natural log of mel magnitude towards which covered cells were raised")
    strength: float = note("level above the mean of the clean excerpt, natural log units")
    clean_p_sing: float = note("probability of singing before drawing")
    drawn_p_sing: float = note("probability of singing after drawing")
    log_mel: np.ndarray = array("frame", "mel", unit="ln(mel magnitude)", doc="the excerpt, drawn upon")
    coverage: np.ndarray = array("frame", "mel", unit="1", doc="cells' share under the pen")


# --- Shapes ----------------------------------------------------------------------------------------------------------

# A horse at a trot, facing the future. Own drawing, in hundredths, from the ear clockwise.
# fmt: off
_HORSE = (
    (78, 100), (82, 94), (88, 90), (94, 82), (99, 75), (99, 71), (96, 68), (92, 69), (88, 73), (83, 75),  # head
    (80, 72), (78, 65), (77, 57), (75, 50),  # throat and chest
    (80, 46), (90, 42), (92, 39), (88, 26), (84, 20), (80, 21), (83, 27), (85, 36), (76, 38),  # raised foreleg
    (69, 39), (68, 32), (68, 22), (66, 8), (70, 0), (61, 0), (62, 9), (62, 22), (59, 38),  # standing foreleg
    (50, 39), (40, 43),  # belly
    (39, 36), (35, 29), (38, 17), (37, 8), (41, 0), (32, 0), (33, 8), (32, 17), (28, 29), (27, 36),  # hind leg
    (23, 31), (18, 25), (14, 14), (12, 6), (14, 1), (5, 3), (8, 8), (9, 16), (12, 27), (14, 38),  # pushing off
    (14, 48), (12, 54), (9, 46), (8, 34), (3, 26), (4, 36), (0, 30), (2, 46), (6, 58), (12, 64),  # tail
    (19, 68), (27, 69), (36, 66), (46, 65), (55, 68),  # back and withers
    (59, 76), (63, 85), (68, 92), (73, 95), (75, 96),  # mane
)
# fmt: on


def _horse() -> Shape:
    return Shape(areas=(np.array(_HORSE) / 100,))


def _vibrato(y: float, amplitude: float, n_periods: float) -> np.ndarray:
    x = np.linspace(0.03, 0.97, 121)
    return np.stack([x, y + amplitude * np.sin(2 * np.pi * n_periods * x)], axis=1)  # (n_points, 2)


def _wiggle() -> Shape:
    return Shape(lines=(_vibrato(0.5, 0.38, 3),), thickness=0.09)


def _harmonics() -> Shape:
    return Shape(lines=tuple(_vibrato(y, 0.07, 3) for y in np.linspace(0.1, 0.9, 5)), thickness=0.05)


def _sweep(y_start: float, y_end: float) -> Shape:
    x = np.linspace(0.06, 0.94, 61)
    y = y_start + (y_end - y_start) * (1 - np.cos(np.pi * np.linspace(0, 1, 61))) / 2
    return Shape(lines=(np.stack([x, y], axis=1),), thickness=0.14)


def _zigzag() -> Shape:
    x = np.linspace(0.06, 0.94, 7)
    return Shape(lines=(np.stack([x, np.where(np.arange(7) % 2, 0.92, 0.08)], axis=1),), thickness=0.09)


def _spiral() -> Shape:
    turn = np.linspace(0, 1, 181)
    angle = 2 * np.pi * 2.75 * turn
    points = 0.5 + 0.45 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Shape(lines=(points,), thickness=0.08)


def _heart() -> Shape:
    t = np.linspace(0, 2 * np.pi, 91)
    x = 0.5 + np.sin(t) ** 3 / 2
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return Shape(areas=(np.stack([x, (y - y.min()) / np.ptp(y)], axis=1),))


def _star() -> Shape:
    angle = np.pi / 2 + np.pi / 5 * np.arange(10)
    radius = np.where(np.arange(10) % 2, 0.2, 0.5)[:, None]
    return Shape(areas=(0.5 + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1),))


def _circle() -> Shape:
    angle = np.linspace(0, 2 * np.pi, 73)
    return Shape(lines=(0.5 + 0.44 * np.stack([np.cos(angle), np.sin(angle)], axis=1),), thickness=0.12)


def _house() -> Shape:
    chimney = [(0.68, 0.84), (0.68, 1.0), (0.82, 1.0), (0.82, 0.7)]
    outline = [(0.12, 0.0), (0.12, 0.5), (0.0, 0.5), (0.5, 1.0), *chimney, (1.0, 0.5), (0.88, 0.5), (0.88, 0.0)]
    door = [(0.42, 0.0), (0.42, 0.3), (0.6, 0.3), (0.6, 0.0)]
    windows = [[(x, 0.38), (x, 0.54), (x + 0.14, 0.54), (x + 0.14, 0.38)] for x in (0.22, 0.66)]
    return Shape(areas=tuple(np.array(area) for area in (outline, door, *windows)))


def letters(text: str) -> Shape:
    """Write a text, stretched to fill the unit square.

    Parameters
    ----------
    text : str
        At least one visible character.

    Raises
    ------
    ConfigError
        When there is nothing to see.
    """
    if not text.strip():
        raise ConfigError(f"the drawing {LETTERS + text!r} has no letters: write some after the colon")
    return Shape(text=text.strip())


SHAPES: dict[str, Shape] = {
    "horse": _horse(),
    "wiggle": _wiggle(),
    "harmonics": _harmonics(),
    "upward sweep": _sweep(0.07, 0.93),
    "downward sweep": _sweep(0.93, 0.07),
    "zigzag": _zigzag(),
    "spiral": _spiral(),
    "heart": _heart(),
    "star": _star(),
    "circle": _circle(),
    "house": _house(),
    "A": letters("A"),
    "LIME": letters("LIME"),
    "ISMIR": letters("ISMIR"),
}


def shape_named(name: str) -> Shape:
    """Find a shape by its name.

    Parameters
    ----------
    name : str
        A key of `SHAPES`, or ``letters:`` and any text.

    Raises
    ------
    ConfigError
        When there is no such shape; names those there are.
    """
    if name in SHAPES:
        return SHAPES[name]
    if name.startswith(LETTERS):
        return letters(name.removeprefix(LETTERS))
    raise ConfigError(f"there is no shape {name!r}: choose from {', '.join(SHAPES)}, or {LETTERS}TEXT for any text")


# --- From a shape to a coverage --------------------------------------------------------------------------------------


def rasterise(
    shape: Shape | np.ndarray, n_frames: int, n_mels: int, *, centre: tuple[float, float], size: tuple[float, float]
) -> np.ndarray:
    """Tell how much of each cell of an excerpt a placed shape covers.

    Parameters
    ----------
    shape : Shape or ndarray, shape (any, any)
        What to draw; an array is a coverage by itself (time, frequency), stretched to the size wanted.
    n_frames, n_mels : int
        Shape of the excerpt.
    centre : tuple of float
        Of the unit square, as fractions of the excerpt along time and frequency.
    size : tuple of float
        Width and height of the unit square, likewise. What leaves the excerpt is cut off.

    Returns
    -------
    ndarray, shape (n_frames, n_mels), float32
        Coverage in [0, 1].
    """
    n_cells = np.array([n_frames, n_mels])
    extent = np.asarray(size) * n_cells
    start = np.asarray(centre) * n_cells - extent / 2
    if isinstance(shape, np.ndarray):
        return _paste(shape, start, extent, n_cells)
    canvas = _paint(shape, start * SUPERSAMPLING, extent * SUPERSAMPLING, n_cells * SUPERSAMPLING)
    blocks = canvas.reshape(n_mels, SUPERSAMPLING, n_frames, SUPERSAMPLING)  # a block of sub-cells for each cell
    return blocks.mean(axis=(1, 3), dtype=np.float32).T  # (n_mels, n_frames) > (n_frames, n_mels)


def _paint(shape: Shape, start: np.ndarray, extent: np.ndarray, n_cells: np.ndarray) -> np.ndarray:
    """Paint in black and white; all sizes in sub-cells. Returns booleans (n_mels, n_frames), band 0 first."""
    from PIL import Image, ImageChops, ImageDraw

    width, height = map(int, n_cells)
    canvas = Image.new("1", (width, height))
    for area in (*shape.areas, *_glyphs(shape.text)):
        layer = Image.new("1", canvas.size)
        ImageDraw.Draw(layer).polygon(_pixels(area, start, extent), fill=1)
        canvas = ImageChops.logical_xor(canvas, layer)
    pen = max(shape.thickness * float(np.sqrt(extent.prod())), THINNEST * SUPERSAMPLING)
    for line in shape.lines:
        _stroke(ImageDraw.Draw(canvas), _pixels(line, start, extent), pen)
    return np.asarray(canvas)


def _pixels(points: np.ndarray, start: np.ndarray, extent: np.ndarray) -> list[tuple[float, float]]:
    """Map the unit square to pixels, which PIL counts from the middle of the first."""
    return [(float(x), float(y)) for x, y in start + points * extent - 0.5]


def _stroke(painter: Any, points: Sequence[tuple[float, float]], pen: float) -> None:
    """Draw a line with a round pen: PIL's own lines have flat ends and open joints."""
    painter.line(points, fill=1, width=round(pen))
    for x, y in points:
        painter.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=1)


@cache
def _glyphs(text: str) -> tuple[np.ndarray, ...]:
    """Outline a text in the unit square, in the face that comes with matplotlib: the same on every machine."""
    if not text:
        return ()
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(fname=Path(get_data_path(), "fonts/ttf/DejaVuSans-Bold.ttf"))
    outlines = [np.asarray(outline) for outline in TextPath((0, 0), text, size=100, prop=font).to_polygons()]
    points = np.concatenate(outlines)
    return tuple((outline - points.min(axis=0)) / np.ptp(points, axis=0) for outline in outlines)


def _paste(mask: np.ndarray, start: np.ndarray, extent: np.ndarray, n_cells: np.ndarray) -> np.ndarray:
    """Stretch a coverage to whole cells and lay it on an empty excerpt."""
    from PIL import Image

    first, width = np.round(start).astype(int), np.maximum(np.round(extent), 1).astype(int)
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.float32))  # PIL's x is the last axis: frequency
    placed = np.asarray(image.resize((int(width[1]), int(width[0])), Image.Resampling.BILINEAR))
    coverage = np.zeros(n_cells, dtype=np.float32)
    low, high = np.maximum(first, 0), np.minimum(first + width, n_cells)
    source = tuple(slice(a, b) for a, b in zip(low - first, np.maximum(high - first, 0), strict=True))
    target = tuple(slice(a, b) for a, b in zip(low, np.maximum(high, 0), strict=True))
    coverage[target] = placed[source]
    return coverage


def draw(log_mel: np.ndarray, coverage: np.ndarray, *, level: float) -> np.ndarray:
    """Draw on a spectrogram.

    Parameters
    ----------
    log_mel : ndarray, shape (..., n_frames, n_mels)
        Natural log of mel magnitude.
    coverage : ndarray, shape (..., n_frames, n_mels)
        In [0, 1]; cells under the pen by half are raised half of the way.
    level : float
        Natural log of mel magnitude towards which covered cells are raised. Louder cells keep their value.

    Returns
    -------
    ndarray, shape (..., n_frames, n_mels)
        Nowhere below `log_mel`; of its type.
    """
    raised = log_mel + coverage * (level - log_mel)
    return np.maximum(log_mel, raised).astype(log_mel.dtype)


# --- Fitting ---------------------------------------------------------------------------------------------------------


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
        When a shape is unknown, or there is none.
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
    """Predict in float64, so that comparisons with the threshold are exact."""
    p_sing = np.asarray(predict(batch), dtype=np.float64)
    if p_sing.shape != batch.shape[:1]:
        raise ValueError(f"predict returned shape {p_sing.shape} for {len(batch)} excerpts")
    return p_sing


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


# --- Drawings made elsewhere -----------------------------------------------------------------------------------------


def import_drawings(path: str | os.PathLike, *, n_frames: int = 115, n_mels: int = 80) -> dict[str, np.ndarray]:
    """Read drawings that others made, as the authors' own.

    Arrays may be masks or whole spectrograms that were drawn on: each is scaled so that its smallest value becomes
    0 and its largest 1, and is then a coverage. (A drawn spectrogram keeps its background.) An array of shape
    (n_mels, n_frames) is transposed, unless the two are equal; axes of length 1 are dropped; a stack of drawings is
    taken apart.

    Pickles are read by an unpickler that builds arrays in dictionaries, lists and tuples and refuses all else, so that
    a file from a stranger runs no code. Numbers and texts beside the arrays are left out.

    Parameters
    ----------
    path : path-like
        A file ``.npy``, ``.npz``, ``.png``, ``.pkl``, ``.pickle`` or ``.p``, or a folder of such. Images show time
        from left to right and low frequencies at the bottom, have any size, and are transparent where nothing is drawn
        or else dark on light.
    n_frames, n_mels : int
        Shape of the excerpts to draw on.

    Returns
    -------
    dict of str to ndarray, shape (n_frames, n_mels), float32
        Coverages in [0, 1], named by the file's stem and, in a container, keys or places: ``stem.key.0``.

    Raises
    ------
    DrawingError
        When the path is missing, of no known kind, damaged, unsafe, or holds no drawing of that shape.
    """
    path = Path(path)
    if not path.exists():
        raise DrawingError(f"{path} does not exist: give a file or a folder of drawings")
    drawings: dict[str, np.ndarray] = {}
    for file in _files(path):
        for name, values in _arrays_in(_contents(file, n_frames, n_mels), file.stem, file, n_frames, n_mels):
            if name in drawings:
                raise DrawingError(f"{file} holds a second drawing named {name}: rename one of them")
            drawings[name] = _scaled(values, name, file, n_frames, n_mels)
    if not drawings:
        raise DrawingError(f"{path} holds no drawing: give arrays of {n_frames} frames x {n_mels} bands")
    return drawings


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in _READERS)
    if path.suffix.lower() not in _READERS:
        raise DrawingError(f"{path} is of no kind that can hold drawings: give one of {', '.join(_READERS)}")
    return [path]


def _contents(path: Path, n_frames: int, n_mels: int) -> Any:
    """Read an array, or dictionaries, lists and tuples of arrays."""
    try:
        with path.open("rb") as file:
            return _READERS[path.suffix.lower()](file, n_frames, n_mels)
    except Exception as error:  # these files come from strangers: their readers may raise anything
        raise DrawingError(f"{path} cannot be read as drawings ({error}): export the drawings as .npy or .png") from error


def _read_npy(file: IO[bytes], n_frames: int, n_mels: int) -> np.ndarray:
    return np.lib.format.read_array(file, allow_pickle=False)


def _read_npz(file: IO[bytes], n_frames: int, n_mels: int) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(file):
        raise ValueError("not an archive of arrays")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_png(file: IO[bytes], n_frames: int, n_mels: int) -> np.ndarray:
    from PIL import Image

    image = Image.open(file, formats=["PNG"]).convert("RGBA")
    ink = image.getchannel("A")
    if ink.getextrema()[0] == 255:  # nowhere transparent: dark on light
        ink = image.convert("L").point(lambda grey: 255 - grey)
    rows = np.asarray(ink.resize((n_frames, n_mels), Image.Resampling.BILINEAR))  # from high to low frequencies
    return rows[::-1].T  # (n_mels, n_frames), high first > (n_frames, n_mels), low first


def _read_pickle(file: IO[bytes], n_frames: int, n_mels: int) -> Any:
    return _ArraysOnly(file, encoding="latin1").load()  # latin1: arrays that Python 2 pickled


_READERS: dict[str, Callable[[IO[bytes], int, int], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".png": _read_png,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
    ".p": _read_pickle,
}


# What may lie beside the arrays and is left out: texts and numbers.
_BESIDE = (str, bytes, bool, int, float, np.generic, np.ndarray)


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for `_codecs.encode`, with which pickles before protocol 3 write bytes: always as latin1."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}, which no array needs")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Unpickle NumPy arrays and Python's plain containers, and nothing else."""

    # NumPy's functions as its arrays name them themselves, whatever module they lie in: 1.x and 2.x differ.
    _FUNCTIONS: Mapping[tuple[str, str], Any] = {
        ("multiarray", "_reconstruct"): np.zeros(1).__reduce__()[0],
        ("multiarray", "scalar"): np.float64(0).__reduce__()[0],
        ("numeric", "_frombuffer"): np.zeros(1).__reduce_ex__(5)[0],  # protocol 5
    }

    def find_class(self, module: str, name: str) -> Any:
        """Admit what arrays are made of; refuse before anything is imported or called."""
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return lambda *arguments: _encode(*arguments)
        package, _, submodule = module.rpartition(".")
        if package in {"numpy.core", "numpy._core"} and (submodule, name) in self._FUNCTIONS:
            function = self._FUNCTIONS[submodule, name]
            # A pickle may set attributes of what it is given: it gets a function that is thrown away.
            return lambda *arguments: function(*arguments)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only arrays are admitted from pickles")


def _arrays_in(
    content: Any, name: str, path: Path, n_frames: int, n_mels: int, depth: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """Flatten containers to arrays, named by keys and places."""
    if depth > DEEPEST:
        raise DrawingError(f"{path} nests its arrays more than {DEEPEST} deep: give a dictionary of arrays")
    if isinstance(content, Mapping | list | tuple):
        members = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, member in members:
            yield from _arrays_in(member, f"{name}.{key}", path, n_frames, n_mels, depth + 1)
    elif isinstance(content, np.ndarray) and content.size > 1:
        yield from _unstacked(content, name, n_frames, n_mels)
    elif not (content is None or isinstance(content, _BESIDE)):
        raise DrawingError(f"{path} holds {type(content).__name__} {name}: give arrays, or a dictionary of them")


def _unstacked(values: np.ndarray, name: str, n_frames: int, n_mels: int) -> Iterator[tuple[str, np.ndarray]]:
    """Drop axes of length 1 and take stacks of drawings apart."""
    values = values.squeeze() if values.ndim > 2 else values
    if values.ndim == 3 and values.shape[1:] in {(n_frames, n_mels), (n_mels, n_frames)}:
        yield from ((f"{name}.{place}", member) for place, member in enumerate(values))
    else:
        yield name, values


def _scaled(values: np.ndarray, name: str, path: Path, n_frames: int, n_mels: int) -> np.ndarray:
    """Turn an array into a coverage."""
    if values.dtype.kind not in "buif":
        raise DrawingError(f"{path} holds values of type {values.dtype} in {name}: export it as an array of numbers")
    if values.shape == (n_mels, n_frames) and n_mels != n_frames:
        values = values.T  # (n_mels, n_frames) > (n_frames, n_mels)
    if values.shape != (n_frames, n_mels):
        raise DrawingError(f"{path} holds {name} of shape {values.shape}: give {n_frames} frames x {n_mels} bands")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise DrawingError(f"{path} holds {name} with values that are not finite: replace them")
    if values.min() == values.max():
        raise DrawingError(f"{path} holds {name} with the same value everywhere: nothing is drawn there")
    scaled = (values - values.min()) / (values.max() - values.min())
    return scaled.astype(np.float32)
