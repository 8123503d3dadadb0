"""Where work is done: a GPU of one's own, or the CPU; and in which arithmetic."""

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
_held: dict[str, filelock.BaseFileLock] = {}  # until the process ends


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of that name; ``auto`` is a GPU when there is one.

    Raises
    ------
    ConfigError
        When a GPU is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} was asked for and no GPU is there: set device to auto or cpu")
    return device


def reserve_device(name: str = "auto") -> torch.device:
    """Pick a device for a job: a GPU that no other job on this machine has, until this process ends.

    A scheduler counts GPUs but, on one machine, does not hand them out. Where all are taken this waits for one, so that
    jobs never share a GPU, whatever the scheduler was told. From here on the GPU computes float32 products unrounded.

    Parameters
    ----------
    name : str
        As `pick_device`; ``cuda:1`` waits for that one.
    """
    device = pick_device(name)
    if device.type != "cuda":
        return device
    _set_products("ieee")
    wanted = range(torch.cuda.device_count()) if device.index is None else [device.index]
    # Known by their own numbers: under a scheduler each job may see another GPU as the first.
    identities = [str(torch.cuda.get_device_properties(index).uuid) for index in wanted]
    return torch.device("cuda", wanted[reserve(identities, Path(tempfile.gettempdir()))])


def reserve(identities: Sequence[str], folder: Path, *, poll_seconds: float = 1.0) -> int:
    """Lock the first of some things that is free, waiting if need be; return its position.

    The lock is a file in `folder`; the system lets go of it when the process ends, however it ends.
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
            log.info("all of %d GPUs are taken by other jobs: waiting for one", len(identities))
        waiting = True
        time.sleep(poll_seconds)


def computes_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes bfloat16 itself; a CPU that does not takes many times as long as for float32.

    torch tells of no other: on a CPU without AVX512 an update of an attack took 20 s in bfloat16 and 1.2 s in float32.
    """
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def tell_no_bfloat16(what: str) -> None:
    """Warn that work which asked for bfloat16 is done in float32."""
    log.warning("%s: this CPU computes no bfloat16, so it is float32, and slower than where there is some", what)


@contextmanager
def tf32(*, allowed: bool) -> Iterator[None]:
    """Let a GPU round the factors of float32 products to 10 bits, or not; left alone, torch does for convolutions."""
    before = _set_products("tf32" if allowed else "ieee")
    try:
        yield
    finally:
        _set_products(*before)


def _set_products(*precisions: str) -> list[str]:
    """Set the precision of convolutions and of matrix products; return what was set before."""
    places: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [place.fp32_precision for place in places]
    for place, precision in zip(places, precisions * (3 - len(precisions)), strict=False):
        place.fp32_precision = precision
    return before
