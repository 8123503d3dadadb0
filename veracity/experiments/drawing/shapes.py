"""Shapes to draw on a spectrogram until a detector classifies it as singing (paper section 5.1, Figure 1).

A shape is defined in the unit square, x along time and y along frequency, upwards. Rasterised, it is a *coverage*: an array of
shape (n_frames, n_mels) in [0, 1] with the covered share of each cell, where band 0 is the lowest. A drawing raises covered
cells of the log-mel spectrogram towards a level and never lowers a cell.

The idea is that of https://github.com/f0k/singing_horse (reference [17] of the paper). The shapes differ from those of the
authors, whose drawings can be imported with `import_drawings`.
"""

from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, quoted

LETTERS = "letters:"  # prefix of a text to be drawn
MAX_LETTERS = 40  # more letters would be too narrow for the cells of an excerpt


@dataclass(frozen=True, eq=False)
class Shape:
    """Shape of areas, lines or letters in the unit square.

    Attributes
    ----------
    areas : tuple of ndarray, shape (n_points, 2)
        Corners (x, y) of filled polygons; an area inside another is a hole.
    lines : tuple of ndarray, shape (n_points, 2)
        Points (x, y) of lines drawn with a round pen.
    thickness : float
        Thickness of the lines as a fraction of the geometric mean of width and height (in cells) of the placed shape, 0.08 by
        default.
    text : str
        Letters, stretched to fill the square.
    """

    areas: tuple[np.ndarray, ...] = ()
    lines: tuple[np.ndarray, ...] = ()
    thickness: float = 0.08
    text: str = ""


# Corners of a trotting horse that faces right, in hundredths of the square, clockwise from the ear. Drawn for this project.
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
    """Return a text as a shape, stretched to fill the unit square.

    Parameters
    ----------
    text : str
        Text of 1 to 40 printable characters, at least one of them visible.

    Returns
    -------
    Shape
        The shape.

    Raises
    ------
    ConfigError
        If the text is empty, too long or not printable.
    """
    text = text.strip()
    if not text:
        raise ConfigError(f"shape: no letters, got '{LETTERS}'. Write some after the colon.")
    if len(text) > MAX_LETTERS or not text.isprintable():
        raise ConfigError(
            f"shape: must have at most {MAX_LETTERS} letters, all of them printable, got {quoted(LETTERS + text)}. "
            "Write a word."
        )
    return Shape(text=text)


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
    """Return a shape by name.

    Parameters
    ----------
    name : str
        Key of `SHAPES`, or ``letters:`` followed by any text.

    Returns
    -------
    Shape
        The shape.

    Raises
    ------
    ConfigError
        If there is no such shape. The message lists all names.
    """
    if name in SHAPES:
        return SHAPES[name]
    if name.startswith(LETTERS):
        return letters(name.removeprefix(LETTERS))
    raise ConfigError(
        f"shape: unknown shape, got {quoted(name)}. Choose from {', '.join(SHAPES)}, or {LETTERS}TEXT for any text."
    )
