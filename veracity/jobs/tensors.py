"""Files of tensors and plain values, written atomically and read without executing code from the file."""

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
    """Save tensors and plain values atomically in the format of torch; identical content gives identical bytes."""
    saved = io.BytesIO()  # in memory, because torch.save writes the file's own name into it and does not report a full disk
    torch.save(content, saved)
    with replacing(path) as temporary:
        temporary.write_bytes(saved.getbuffer())


def load_tensors(path: str | os.PathLike) -> Any:
    """Load a file in either format of torch to the CPU, without executing code from it.

    The checksums of a zip archive are verified, which torch does not do. CheckpointError is raised if the file is missing,
    unreadable or damaged, or contains anything except tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path}: is not a file. Give the path to a checkpoint (.pt).")
    try:
        kind = kind_of(path)
        if kind == "a zip archive":
            with zipfile.ZipFile(path) as archive:
                if any(info.CRC for info in archive.infolist()) and archive.testzip():  # torch can omit all checksums
                    raise CheckpointError(f"{path}: is damaged, because its checksums do not match. Download or save it again.")
        elif kind:
            raise CheckpointError(f"{path}: is {kind}. Give the .pt file itself, or {ALONE}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about a file that then fails to load
            content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except PermissionError:
        raise CheckpointError(f"{path}: cannot be read (permission denied). Change its permissions.") from None
    except Exception as error:  # damaged files can raise any error, and the message of torch suggests unsafe loading
        raise CheckpointError(
            f"{path}: cannot be loaded as weights, because it is truncated or damaged, or is in another format (a whole "
            f"model, TorchScript, safetensors). Download or save it again, or {ALONE}."
        ) from error
    if isinstance(content, dict):
        content.pop("veracity digest", None)  # written by earlier versions
    return content
