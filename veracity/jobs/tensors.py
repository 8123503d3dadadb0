"""Tensors and plain values on disk: written whole or not at all, read without running code from the file.

What is saved carries a digest of its content, which is compared when it is loaded. Files of others carry none; for theirs the
checksums of the zip archive that torch writes must do.
"""

import hashlib
import itertools
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, shortened
from .files import replacing

DIGEST = "veracity digest"  # key of the digest, beside those of the content
MOST_VALUES = 1_000_000  # of a file, so that lists of references to one list do not grow without end

ALONE = "save the weights alone with torch.save(model.state_dict(), ...)"
#: What is often taken for a checkpoint, by how it begins.
LOOKALIKES = (
    (b"version https://git-lfs", "is a pointer of git-lfs and not the file itself: get that with git lfs pull"),
    (b"<!doctype", "is a web page: download the file itself"),
    (b"<html", "is a web page: download the file itself"),
    (b"<?xml", "is an XML page: download the file itself"),
    (b"\x89hdf", f"is an HDF5 file: {ALONE}"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it and name what it holds"),
)


def save_tensors(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Save with torch, whole or not at all; into an open file, since torch writes the name of one that it opens into it."""
    sealed = {**content, DIGEST: _digest(content)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(sealed, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides that the disk is full
                raise error.__context__ from None
            raise


def load_tensors(path: str | os.PathLike, *, sealed: bool = False) -> Any:
    """Load what torch saved, without running code from the file.

    Parameters
    ----------
    path : path-like
    sealed : bool
        Whether only what `save_tensors` has written is taken.

    Returns
    -------
    object
        The content, without its digest.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"{path} {'is no file' if path.exists() else 'does not exist'}: name a checkpoint (.pt) that does"
        )
    try:
        _refuse_lookalikes(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is strange in a file, before it fails for that
            content = torch.load(path, map_location="cpu", weights_only=True)
        written = content.pop(DIGEST, None) if isinstance(content, dict) else None
        found = _parts(content) if written is None and not sealed else _digest(content)
    except PermissionError:
        raise CheckpointError(f"{path} cannot be read without permission: change its rights") from None
    except CheckpointError:
        raise
    except Exception as error:  # unpickling random bytes can raise anything
        raise CheckpointError(f"{path} {_unloadable(path)}") from error
    if (written is not None or sealed) and found != written:
        raise CheckpointError(f"{path} is damaged, its content is not what was written: get it again")
    return content


def _parts(content: Any) -> list[str | Tensor]:
    """Return all that is in nested dictionaries and lists, each part as text or tensor, in their order."""
    parts: list[str | Tensor] = []

    def add(value: Any) -> None:
        if len(parts) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")
        if isinstance(value, Tensor):
            parts.extend((f"{value.dtype} {tuple(value.shape)}", value))
        elif isinstance(value, dict | list | tuple):
            parts.append(f"{'dict' if isinstance(value, dict) else type(value).__name__} {len(value)}")
            for member in itertools.chain.from_iterable(value.items()) if isinstance(value, dict) else value:
                add(member)
        else:
            parts.append(f"{type(value).__name__} {value!r}")

    add(content)
    return parts


def _digest(content: Any) -> str:
    digest = hashlib.sha256()
    for part in _parts(content):
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            digest.update(f"{len(part)} {part}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()


def _refuse_lookalikes(path: Path) -> None:
    """Tell what is often taken for a checkpoint, and zip archives whose checksums do not fit, by what they are."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise CheckpointError(f"{path} is empty: get it again")
    for beginning, what in LOOKALIKES:
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(beginning):
            raise CheckpointError(f"{path} {what}")
    if start[8:10] == b'{"':
        raise CheckpointError(f"{path} is a safetensors file: load it with that library and {ALONE}")
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive)


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(f"{path} is a TorchScript archive, which holds code: {ALONE}")
    if not any(name.endswith("/data.pkl") for name in names):
        raise CheckpointError(f"{path} is a zip archive, but no checkpoint: unpack it and name the .pt file that it holds")
    if any(info.CRC for info in archive.infolist()) and archive.testzip():  # torch can leave all of them out
        raise CheckpointError(f"{path} is damaged, its checksums do not fit: get it again")


def _unloadable(path: Path) -> str:
    """Say why a file cannot be loaded; never in torch's words, which advise to run whatever code is in it."""
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # it looks at pickles of one kind only
        foreign = []
    if foreign:
        return f"holds more than tensors, such as {shortened(foreign[0])}: {ALONE}"
    return f"cannot be loaded as weights: it is truncated or damaged, or holds more than tensors; get it again, or {ALONE}"
