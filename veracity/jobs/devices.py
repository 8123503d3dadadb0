"""Devices of jobs, CPU or exclusive GPU, and their floating-point precision."""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import torch

from ..errors import ConfigError

log = logging.getLogger(__name__)
_held: dict[str, filelock.BaseFileLock] = {}  # locks are held until the process ends


def pick_device(name: str = "auto") -> torch.device:
    """Return the torch device of the given name.

    Parameters
    ----------
    name : str
        Name of the device. The default "auto" is a GPU if available, otherwise the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ConfigError
        If the name requests a GPU and none is available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: no GPU is available, got {name!r}. Set it to auto or cpu.")
    return device


def reserve_device(name: str = "auto") -> torch.device:
    """Pick a device for a job and, if it is a GPU, reserve it until the process ends.

    Schedulers count GPUs but do not assign them to the jobs of one machine. If all GPUs are reserved, the function waits for
    one, so that jobs never share a GPU. It also disables TF32 on the GPU.

    Parameters
    ----------
    name : str
        Name of the device, "auto" by default; see `pick_device`. With "cuda:1", the function waits for this GPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ConfigError
        If the name requests a GPU and none is available.
    """
    device = pick_device(name)
    if device.type != "cuda":
        return device
    _set_products("ieee")
    wanted = range(torch.cuda.device_count()) if device.index is None else [device.index]
    # UUIDs, because a scheduler may assign the index 0 to a different GPU in each job.
    identities = [str(torch.cuda.get_device_properties(index).uuid) for index in wanted]
    return torch.device("cuda", wanted[reserve(identities, Path(tempfile.gettempdir()))])


def reserve(identities: Sequence[str], folder: Path, *, poll_seconds: float = 1.0) -> int:
    """Lock the first free item, waiting for one if necessary, and return its position.

    The lock is a file. The operating system releases it when the process ends, even if the process is killed.

    Parameters
    ----------
    identities : sequence of str
        Unique names of the items.
    folder : Path
        Folder of the lock files.
    poll_seconds : float
        Interval between attempts in seconds, 1 by default.

    Returns
    -------
    int
        Position of the locked item in `identities`. An item that this process has already locked counts as free.
    """
    waiting = False
    while True:
        for position, identity in enumerate(identities):
            if identity in _held:
                return position
            lock = filelock.FileLock(folder / f"veracity-{identity}.lock", mode=0o666)
            try:
                lock.acquire(blocking=False)
            except filelock.Timeout:
                continue
            _held[identity] = lock
            return position
        if not waiting:
            log.info("all %d GPUs are in use by other jobs, waiting for one", len(identities))
        waiting = True
        time.sleep(poll_seconds)


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether a device is a GPU, or a CPU for which oneDNN supports bfloat16 (e.g. with AVX512).

    torch emulates bfloat16 on other CPUs. Without AVX512, an update of an attack took 20 s in bfloat16 and 1.2 s in float32.
    """
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def warn_no_bfloat16(what: str) -> None:
    """Log a warning that a computation configured for bfloat16 uses float32."""
    log.warning("%s: this CPU does not support bfloat16, so float32 is used, which is slower", what)


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32, which rounds the factors of float32 products to 10 bits on a GPU, within a block.

    By default, torch allows it for convolutions.
    """
    before = _set_products("tf32" if allowed else "ieee")
    try:
        yield
    finally:
        _set_products(*before)


def _set_products(*precisions: str) -> list[str]:
    """Set the precision of convolutions and of matrix products, and return the previous precisions."""
    places: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [place.fp32_precision for place in places]
    for place, precision in zip(places, precisions * (3 - len(precisions)), strict=False):
        place.fp32_precision = precision
    return before
