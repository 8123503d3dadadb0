"""Writing files whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArtefactError


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

    Raises
    ------
    ArtefactError
        When the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ArtefactError(f"{path} does not fit on its disk: free some space and run the same command again") from None
    finally:
        temporary.unlink(missing_ok=True)
