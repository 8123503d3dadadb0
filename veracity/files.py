"""Writing files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside `path` and rename it to `path` when the block ends well.

    A reader never sees half a file, and a killed or failed writer leaves what was there before. The temporary name
    keeps the suffix (libraries choose formats by it) and holds the process number, so that an orphan of a killed run and
    its successor do not write to the same file.

    Parameters
    ----------
    path : path-like
        The file to be written. Its folder is made when missing.

    Yields
    ------
    Path
        Where to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
