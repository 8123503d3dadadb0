"""Tensors and plain values on disk: written whole or not at all, read without running code from the file."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from .files import replacing


def save_tensors(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Save with torch, whole or not at all; into an open file, since torch writes the name of one that it opens into it."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides that the disk is full
                raise error.__context__ from None
            raise


def load_tensors(path: str | os.PathLike) -> Any:
    """Load what torch saved, without running code from the file.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path} does not exist: name a checkpoint (.pt) that does")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, pickle.UnpicklingError, ValueError, KeyError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be loaded as weights ({first_line}): it is truncated, or holds more than tensors; get it again"
        ) from error
