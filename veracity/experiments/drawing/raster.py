"""Conversion of shapes to coverage of an excerpt, and of coverage to a spectrogram with a drawing."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, quoted
from .shapes import LETTERS, Shape

SUPERSAMPLING = 8  # number of sub-cells per cell and axis; coverage is a multiple of 1/64
THINNEST = 1.5  # smallest thickness of a line in cells; thinner lines have too little coverage


def rasterise(
    shape: Shape | np.ndarray, n_frames: int, n_mels: int, *, centre: tuple[float, float], size: tuple[float, float]
) -> np.ndarray:
    """Return the coverage of each cell of an excerpt by a placed shape.

    Parameters
    ----------
    shape : Shape or ndarray, shape (any, any)
        Shape, or a coverage with the axes time and frequency, which is scaled to `size`.
    n_frames, n_mels : int
        Shape of the excerpt.
    centre : tuple of float
        Centre of the unit square along time and frequency, as fractions of the excerpt.
    size : tuple of float
        Width and height of the unit square, as fractions of the excerpt. Parts outside the excerpt are cut off.

    Returns
    -------
    ndarray, shape (n_frames, n_mels), float32
        Coverage in [0, 1].

    Raises
    ------
    ConfigError
        If the typeface lacks a letter of a text, or the text is invisible.
    """
    n_cells = np.array([n_frames, n_mels])
    extent = np.asarray(size) * n_cells
    start = np.asarray(centre) * n_cells - extent / 2
    if isinstance(shape, np.ndarray):
        return _paste(shape, start, extent, n_cells)
    canvas = _paint(shape, start * SUPERSAMPLING, extent * SUPERSAMPLING, n_cells * SUPERSAMPLING)
    blocks = canvas.reshape(n_mels, SUPERSAMPLING, n_frames, SUPERSAMPLING)  # one block of sub-cells per cell
    return blocks.mean(axis=(1, 3), dtype=np.float32).T  # (n_mels, n_frames) -> (n_frames, n_mels)


def _paint(shape: Shape, start: np.ndarray, extent: np.ndarray, n_cells: np.ndarray) -> np.ndarray:
    """Paint a shape in black and white, with all sizes in sub-cells; return booleans (n_mels, n_frames), band 0 first."""
    from PIL import Image, ImageChops, ImageDraw

    width, height = map(int, n_cells)
    canvas = Image.new("1", (width, height))
    for area in (*shape.areas, *_glyphs(shape.text)):
        layer = Image.new("1", canvas.size)
        ImageDraw.Draw(layer).polygon(_pixels(area, start, extent), fill=1)
        canvas = ImageChops.logical_xor(canvas, layer)
    thickness = max(shape.thickness * float(np.sqrt(extent.prod())), THINNEST * SUPERSAMPLING)
    for line in shape.lines:
        _stroke(ImageDraw.Draw(canvas), _pixels(line, start, extent), thickness)
    return np.asarray(canvas)


def _pixels(points: np.ndarray, start: np.ndarray, extent: np.ndarray) -> list[tuple[float, float]]:
    """Map points of the unit square to pixels, whose origin in PIL is the centre of the first pixel."""
    return [(float(x), float(y)) for x, y in start + points * extent - 0.5]


def _stroke(painter: Any, points: Sequence[tuple[float, float]], thickness: float) -> None:
    """Draw a line with round ends and joints, because PIL draws lines with flat ends and open joints."""
    painter.line(points, fill=1, width=round(thickness))
    for x, y in points:
        painter.ellipse((x - thickness / 2, y - thickness / 2, x + thickness / 2, y + thickness / 2), fill=1)


@cache
def _glyphs(text: str) -> tuple[np.ndarray, ...]:
    """Return the outlines of a text in the unit square, in the typeface of matplotlib, which is the same on every machine."""
    if not text:
        return ()
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties, get_font
    from matplotlib.textpath import TextPath

    face = Path(get_data_path(), "fonts/ttf/DejaVuSans-Bold.ttf")
    font = get_font(face)
    unknown = [letter for letter in text if ord(letter) not in font.get_charmap()]
    if unknown:  # matplotlib would draw a box
        raise ConfigError(
            f"shape: letter {unknown[0]!r} is missing from the typeface, got {quoted(LETTERS + text)}. Choose other letters."
        )
    if not any(font.load_char(ord(letter)).width for letter in text):
        raise ConfigError(f"shape: nothing is visible, got {quoted(LETTERS + text)}. Choose other letters.")
    plain = text.replace("$", r"\$")  # matplotlib would interpret text between dollar signs as a formula
    path = TextPath((0, 0), plain, size=100, prop=FontProperties(fname=face))
    outlines = [np.asarray(outline) for outline in path.to_polygons()]
    points = np.concatenate(outlines)
    return tuple((outline - points.min(axis=0)) / np.ptp(points, axis=0) for outline in outlines)


def _paste(mask: np.ndarray, start: np.ndarray, extent: np.ndarray, n_cells: np.ndarray) -> np.ndarray:
    """Scale a coverage to whole cells and place it in an empty excerpt."""
    from PIL import Image

    first, width = np.round(start).astype(int), np.maximum(np.round(extent), 1).astype(int)
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.float32))  # x in PIL is the last axis, frequency
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
        Natural logarithm of mel magnitude.
    coverage : ndarray, shape (..., n_frames, n_mels)
        Coverage in [0, 1]. Cells are raised in proportion to it.
    level : float
        Level towards which covered cells are raised, natural logarithm of mel magnitude. Louder cells do not change.

    Returns
    -------
    ndarray, shape (..., n_frames, n_mels)
        Spectrogram with the drawing, at least `log_mel` everywhere and of the same dtype.
    """
    raised = log_mel + coverage * (level - log_mel)
    return np.maximum(log_mel, raised).astype(log_mel.dtype)
