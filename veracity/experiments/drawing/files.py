"""Import of drawings from files, with limits on their size and without executing code from them."""

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import quoted, shortened
from .fitting import DrawingError
from .pickles import PickledArray, RefusedError, read_pickle

MAX_BYTES = 64 * 2**20  # largest size of a file, and of the content of an archive
MAX_VALUES = 1_000_000  # largest number of members of containers
DEEPEST = 4  # largest number of nested containers
MAX_DRAWINGS = 1000  # each drawing is tried at every strength on every song
LONGEST_NAME = 300  # characters; names of files have at most 255


def import_drawings(path: str | os.PathLike, *, n_frames: int = 115, n_mels: int = 80) -> dict[str, np.ndarray]:
    """Read drawings from files, such as those of the authors.

    Arrays may be drawings or spectrograms with a drawing. Each array is scaled to the range from 0 to 1 and used as a coverage.
    A spectrogram therefore keeps its background. An array of shape (n_mels, n_frames) is transposed, unless the two numbers are
    equal. Axes of length 1 are removed, and a stack of drawings is split.

    Pickles are read by an unpickler that accepts only arrays in dictionaries, lists and tuples, so that no code is executed
    (`veracity.experiments.drawing.pickles`). Numbers and text other than arrays are ignored.

    A file, and the content of an archive or image, may be at most 64 MiB. Further limits are 1000 drawings, 50 000 opcodes of
    a pickle, a million members of containers, and 4 nested containers.

    Parameters
    ----------
    path : path-like
        File ``.npy``, ``.npz``, ``.png``, ``.pkl``, ``.pickle`` or ``.p``, or a folder of such files. Images of any size show
        time from left to right and low frequencies at the bottom. They are transparent where nothing is drawn, or dark on
        light.
    n_frames, n_mels : int
        Shape of an excerpt, 115 and 80 by default.

    Returns
    -------
    dict of str to ndarray, shape (n_frames, n_mels), float32
        Coverages in [0, 1]. Names consist of the name of the file without its suffix and, for containers, keys or positions:
        ``stem.key.0``.

    Raises
    ------
    DrawingError
        If the path is missing, is not a regular file or has an unknown type, or if a file is damaged, unsafe, beyond the
        limits, or contains no drawing of this shape.
    """
    path = Path(path)
    drawings: dict[str, np.ndarray] = {}
    for file in _files(path):
        steps = iter(range(MAX_VALUES))
        with _explained(file):
            content = _READERS[file.suffix.lower()](_bytes_of(file), n_frames, n_mels)
            for name, values in _arrays_in(content, file.stem, file, n_frames, n_mels, steps):
                if len(name) > LONGEST_NAME or not name.isprintable():
                    raise DrawingError(
                        f"{file}: name of a drawing is too long or not printable, got {shortened(name)}. Rename it."
                    )
                if name in drawings:
                    raise DrawingError(f"{file}: names of drawings must differ, got {name} twice. Rename one of them.")
                if len(drawings) == MAX_DRAWINGS:
                    raise DrawingError(f"{path}: more than {MAX_DRAWINGS} drawings. Choose some of them.")
                drawings[name] = _scaled(values, name, file, n_frames, n_mels)
    if not drawings:
        raise DrawingError(f"{path}: no drawings. Give arrays of {n_frames} frames x {n_mels} bands.")
    return drawings


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return sorted(file for file in path.iterdir() if file.suffix.lower() in _READERS)
        path.stat()
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise DrawingError(f"{path}: {reason}. Give a file or a folder of drawings.") from error
    if path.suffix.lower() not in _READERS:
        raise DrawingError(f"{path}: unsupported file type, got {quoted(path.suffix)}. Give one of {', '.join(_READERS)}.")
    return [path]


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Convert errors of readers to DrawingError."""
    try:
        yield
    except DrawingError:
        raise
    except RefusedError as error:
        raise DrawingError(f"{path}: cannot be read as drawings ({error}). Export the drawings as .npy or .png.") from error
    except Exception as error:  # readers may raise any error for untrusted files
        raise DrawingError(
            f"{path}: cannot be read as drawings (damaged, or contains more than arrays of numbers). "
            "Export the drawings as .npy or .png."
        ) from error


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():  # reading a pipe or a device may never end
        raise RefusedError("not a regular file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedError(str(error.strerror or "cannot be opened")) from error
    _check_size(len(data))
    return data


def _check_size(n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise RefusedError(f"more than {MAX_BYTES >> 20} MiB")


def _read_npy(data: bytes, n_frames: int, n_mels: int) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _read_npz(data: bytes, n_frames: int, n_mels: int) -> dict[str, np.ndarray]:
    if data.count(b"PK\x01\x02") > MAX_DRAWINGS:  # number of entries in the directory, before it is read
        raise RefusedError(f"more than {MAX_DRAWINGS} arrays")
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_size(sum(member.file_size for member in archive.infolist()))  # upper limit of the unpacked size
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise RefusedError("compressed with a method that NumPy does not use")  # their unpacked size is not limited
            name = member.filename.removesuffix(".npy")
            if name in arrays:
                raise RefusedError(f"two arrays named {shortened(name)}")
            with archive.open(member) as file:
                content = file.read(member.file_size + 1)  # without a limit, zlib would unpack more
            if content.startswith(np.lib.format.MAGIC_PREFIX):
                arrays[name] = _read_npy(content, n_frames, n_mels)
    return arrays


def _read_png(data: bytes, n_frames: int, n_mels: int) -> np.ndarray:
    from PIL import Image
    from PIL.PngImagePlugin import PngImageFile

    png = PngImageFile(io.BytesIO(data))  # reads only the header
    _check_size(4 * png.width * png.height)
    if png.mode.startswith("I"):  # PIL would clip these values to white
        raise RefusedError("16 bits for each pixel, at most 8 are supported")
    image = png.convert("RGBA")
    ink = image.getchannel("A")
    if ink.getextrema()[0] == 255:  # no transparency, so the drawing is dark on light
        ink = image.convert("L").point(lambda grey: 255 - grey)
    rows = np.asarray(ink.resize((n_frames, n_mels), Image.Resampling.BILINEAR))  # high frequencies first
    return rows[::-1].T  # (n_mels, n_frames), high first -> (n_frames, n_mels), low first


def _read_pickle(data: bytes, n_frames: int, n_mels: int) -> Any:
    return read_pickle(data)


_READERS: dict[str, Callable[[bytes, int, int], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".png": _read_png,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
    ".p": _read_pickle,
}


# Types of numbers and text, which are ignored unless they are arrays of drawings.
_BESIDE = (str, bytes, bool, int, float, complex, np.generic, np.ndarray)


def _arrays_in(
    content: Any, name: str, path: Path, n_frames: int, n_mels: int, steps: Iterator[int], depth: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays in nested containers, named by keys and positions."""
    if depth > DEEPEST:
        raise DrawingError(f"{path}: arrays are nested more than {DEEPEST} levels deep. Give a dictionary of arrays.")
    if next(steps, None) is None:  # a small file can contain many values, because a list may refer to another list many times
        raise DrawingError(f"{path}: more than {MAX_VALUES} values. Give a dictionary of arrays.")
    if isinstance(content, PickledArray):
        content = content.values()
    if isinstance(content, Mapping | list | tuple):
        members = content.items() if isinstance(content, Mapping) else enumerate(content)
        for key, member in members:
            yield from _arrays_in(member, f"{name}.{key}", path, n_frames, n_mels, steps, depth + 1)
    elif isinstance(content, np.ndarray) and content.size > 1:
        if content.dtype.kind not in "buif":
            kind = shortened(str(content.dtype))
            raise DrawingError(
                f"{path}: {shortened(name)} must be an array of numbers, got values of type {kind}. Export it as such."
            )
        yield from _unstacked(content, name, n_frames, n_mels)
    elif not (content is None or isinstance(content, _BESIDE)):
        raise DrawingError(
            f"{path}: {shortened(name)} must be an array, got {type(content).__name__}. Give arrays, or a dictionary of them."
        )


def _unstacked(values: np.ndarray, name: str, n_frames: int, n_mels: int) -> Iterator[tuple[str, np.ndarray]]:
    """Remove axes of length 1 and split stacks of drawings."""
    values = values.squeeze() if values.ndim > 2 else values
    if values.ndim == 3 and values.shape[1:] in {(n_frames, n_mels), (n_mels, n_frames)}:
        yield from ((f"{name}.{place}", member) for place, member in enumerate(values))
    else:
        yield name, values


def _scaled(values: np.ndarray, name: str, path: Path, n_frames: int, n_mels: int) -> np.ndarray:
    """Return an array as a coverage."""
    if values.shape == (n_mels, n_frames) and n_mels != n_frames:
        values = values.T  # (n_mels, n_frames) -> (n_frames, n_mels)
    if values.shape != (n_frames, n_mels):
        raise DrawingError(f"{path}: {name} must have {n_frames} frames x {n_mels} bands, got shape {values.shape}. Resize it.")
    with np.errstate(over="ignore", invalid="ignore"):  # reported below
        values = values.astype(np.float64)
        span = values.max() - values.min()
    if not np.isfinite(values).all():
        raise DrawingError(f"{path}: values of {name} are not finite. Replace them.")
    if not np.isfinite(span):
        raise DrawingError(f"{path}: values of {name} are too far apart to be scaled. Draw between 0 and 1.")
    if span == 0:
        raise DrawingError(f"{path}: {name} has the same value everywhere. Draw something.")
    return ((values - values.min()) / span).astype(np.float32)
