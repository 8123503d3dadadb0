"""Atomic writing of files, and recognition of files of the wrong type by their first bytes."""

import contextlib
import errno
import glob
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArtefactError

CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space or raise the limit"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Choose a folder that you may write to"),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP), "Move the file or folder that blocks the path"),
    errno.ENAMETOOLONG: "Shorten the names of the file and its folders",
    errno.EIO: "Check the disk",
}
#: Common files of the wrong type: offset and content of their first bytes, in lower case.
KINDS = {
    (0, b"version https://git-lfs"): "a git-lfs pointer instead of the file",
    (0, b"<"): "a web page",
    (0, b"pk\x03\x04"): "a zip archive",
    (0, b"\x1f\x8b"): "a gzip archive",
    (0, b"\x89hdf"): "an HDF5 file",
    (4, b"ftyp"): "an MPEG-4 file (m4a, mp4)",
    (0, b"\xff\xf1"): "an AAC file",
    (0, b"\xff\xf9"): "an AAC file",
    (0, b"\x1ae\xdf\xa3"): "a Matroska or WebM file",
    (0, b"0&\xb2u"): "a Windows Media file",
}


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Provide a temporary path, which is renamed to `path` if the block ends without an error.

    Readers never see an incomplete file. If the writer fails or is killed, the previous file is unchanged. If several processes
    write to the same path, the last one to end wins. A killed writer leaves its temporary file, whose name starts with a dot.

    The temporary path has the suffix of `path`, because libraries choose formats by the suffix. The folder is created if
    necessary. ArtefactError is raised if the disk is full or read-only, a quota or limit is reached, permission is missing, the
    name is too long, or another file blocks the path.
    """
    path = Path(path)
    temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}{path.suffix[:16]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        concerned = temporary if error.filename is None else Path(os.fsdecode(error.filename))
        if error.errno not in CURES or concerned not in (temporary, path, *path.parents):
            raise
        raise ArtefactError(
            f"{path}: cannot be written ({error.strerror}). {CURES[error.errno]} and run the same command again."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_temporaries(path: Path) -> None:
    """Remove the temporary files that killed writers of a path have left; nothing may be writing to the path."""
    for temporary in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        temporary.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    """Return the start of the names of temporary files of a path. It is short, because names are limited to 255 bytes."""
    return f".{path.stem[:20]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


def kind_of(path: str | os.PathLike) -> str | None:
    """Return a description of the file type if the file is of one of the types in `KINDS`, otherwise None."""
    with Path(path).open("rb") as file:
        head = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for (at, magic), kind in KINDS.items() if head.startswith(magic, at)), None)
