"""Tensors and plain values on disk: written whole or not at all, read without running code from the file."""

import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from .files import kind_of, replacing

ALONE = "save the weights alone with torch.save(model.state_dict(), ...)"


def save_tensors(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Save with torch, whole or not at all; identical content gives identical bytes."""
    saved = io.BytesIO()  # torch writes the name of a file into it, and hides that a disk is full
    torch.save(content, saved)
    with replacing(path) as temporary:
        temporary.write_bytes(saved.getbuffer())


def load_tensors(path: str | os.PathLike) -> Any:
    """Load what torch saved, without running code from the file.

    Parameters
    ----------
    path : path-like
        A file in either format of torch. The checksums of its zip archive, which torch writes but does not check, are checked.

    Returns
    -------
    object
        The content, on the CPU.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: is not a file. Name a checkpoint (.pt) that exists.")
    try:
        kind = kind_of(path)
        if kind == "a zip archive":
            with zipfile.ZipFile(path) as archive:
                if any(info.CRC for info in archive.infolist()) and archive.testzip():  # torch can leave all of them out
                    raise CheckpointError(f"{path}: is damaged, its checksums do not fit. Get it again.")
        elif kind:
            raise CheckpointError(f"{path}: is {kind}. Give the .pt file itself, or {ALONE}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is strange in a file, before it fails for that
            content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except PermissionError:
        raise CheckpointError(f"{path}: cannot be read without permission. Change its permissions.") from None
    except Exception as error:  # random bytes can raise anything; torch's own words advise to run whatever code they hold
        raise CheckpointError(
            f"{path}: cannot be loaded as weights, it is truncated or damaged, or holds more than tensors (a whole model, "
            f"TorchScript, safetensors). Get it again, or {ALONE}."
        ) from error
    if isinstance(content, dict):
        content.pop("veracity digest", None)  # of earlier versions
    return content
