"""Writing files whole or not at all."""

import contextlib
import errno
import hashlib
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ArtefactError

#: Process numbers tell a dead writer only on the machine that gave them.
HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
ORPHANED_AFTER = 24 * 3600  # seconds; another machine's temporary file of that age has no writer any more

AGAIN = "and run the same command again"
SAID = {
    errno.ENOSPC: f"does not fit on its disk: free some space {AGAIN}",
    errno.EDQUOT: f"does not fit into the quota of your files: free some space {AGAIN}",
    errno.EFBIG: f"is larger than a file may be there: raise the limit (ulimit -f) or choose another disk {AGAIN}",
    errno.EROFS: f"lies on a disk that is read-only: choose another folder, or mount it for writing {AGAIN}",
    errno.EACCES: f"cannot be written without permission: change the rights of its folder, or choose another, {AGAIN}",
    errno.EPERM: f"cannot be written without permission: change the rights of its folder, or choose another, {AGAIN}",
    errno.ENAMETOOLONG: f"has a name that is too long for its disk: shorten the names of file and folders {AGAIN}",
    errno.EISDIR: f"cannot be written since a folder of that name is in the way: move it away {AGAIN}",
    errno.ENOTDIR: f"cannot be written since a file lies where one of its folders should be: move it away {AGAIN}",
    errno.ELOOP: f"cannot be written since a link in its path leads back to itself: mend the link {AGAIN}",
    errno.EIO: f"could not be written, its disk failed: look at the disk or choose another {AGAIN}",
}


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside `path` and rename it to `path` when the block ends well.

    A reader never sees half a file, and a killed or failed writer, or lost power, leaves what was there before or all of
    what is new. The temporary name keeps the suffix (libraries choose formats by it) and tells the process, so that an orphan
    of a killed run and its successor do not write to the same file; orphans of `path` are removed.

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
        When the disk is full or read-only, a quota or limit is reached, permission is missing, the name is too long, or
        something is in the way.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        _make_folder(path)
        clear_orphans(path)
        yield temporary
        _synchronise(temporary)
        temporary.replace(path)
        with contextlib.suppress(OSError):  # not every file system can; the file itself is safe
            _synchronise(path.parent)
    except OSError as error:
        if error.errno not in SAID or not _concerns(error, path, temporary):
            raise
        raise ArtefactError(f"{path} {SAID[error.errno]}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def clear_orphans(path: str | os.PathLike) -> None:
    """Remove the temporary files that killed writers of `path` have left; those of living ones stay."""
    path = Path(path)
    before, after = _around(path)
    orphan = re.compile(re.escape(before) + r"(?P<host>[0-9a-f]{8})-(?P<process>[0-9]{1,9})" + re.escape(after))
    with contextlib.suppress(OSError), os.scandir(path.parent) as found:
        for entry in found:
            match = orphan.fullmatch(entry.name)
            if match and not _is_written(entry, match["host"], int(match["process"])):
                Path(entry).unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    before, after = _around(path)
    return path.with_name(f"{before}{HOST}-{os.getpid()}{after}")


def _around(path: Path) -> tuple[str, str]:
    """Return what stands before and after host and process in the temporary names of a file."""
    stem, suffix = path.stem, path.suffix
    if len(os.fsencode(path.name)) > 200:  # a name may have 255 bytes, the temporary one too
        suffix = suffix if len(os.fsencode(suffix)) <= 16 else ""
        stem = f"{stem[:24]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}"
    return f".{stem}.", suffix


def _is_written(entry: os.DirEntry, host: str, process: int) -> bool:
    if host != HOST:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < ORPHANED_AFTER
    try:
        os.kill(process, 0)  # signal 0 is never delivered
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # of a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _synchronise(path: Path) -> None:
    """Wait until a file or folder has reached its disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _concerns(error: OSError, path: Path, temporary: Path) -> bool:
    """Tell whether an error is about writing `path`, and not about something else that was opened meanwhile."""
    return error.filename is None or Path(os.fsdecode(error.filename)) in (temporary, path, *path.parents)
