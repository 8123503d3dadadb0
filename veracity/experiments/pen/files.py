"""Drawings made elsewhere, as the authors' own: read without running code from the file."""

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .fitting import DrawingError

DEEPEST = 4  # levels of containers in files of drawings


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
