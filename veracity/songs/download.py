"""Download of the archive of a corpus."""

import hashlib
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TextIO
from urllib.parse import urlsplit

from ..errors import CorpusError, shortened
from .corpus import find_root

MAX_BYTES = 200 * 10**9  # largest unpacked size; Jamendo takes 0.4 GB
MAX_MEMBERS = 200_000
CHUNK = 2**20
TIMEOUT_SECONDS = 60  # without any bytes from the server
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


def fetch_archive(url: str, folder: str | os.PathLike, *, sha256: str | None = None, progress: TextIO | None = None) -> Path:
    """Download a zip archive and unpack it into a folder, unless the folder already contains a corpus.

    An interrupted download is resumed from the file ``.<folder>.part`` next to the folder. The archive is unpacked next to the
    folder and moved when complete, so that no partial corpus is left. The archive's digest is recorded in
    ``<folder>.sha256``, in the format of ``sha256sum``. If this file exists, the archive must have the recorded digest.

    Parameters
    ----------
    url : str
        Address of the archive, with the scheme http or https.
    folder : path-like
        Folder in which to store the corpus.
    sha256 : str, optional
        Expected digest of the archive, by default that of ``<folder>.sha256`` if it exists.
    progress : text file, optional
        Terminal on which progress is displayed, by default standard error.

    Returns
    -------
    Path
        The folder of the corpus.

    Raises
    ------
    CorpusError
        If the folder has other content or cannot be written, or the archive cannot be fetched, has another digest, cannot be
        unpacked safely, or contains no corpus.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        find_root(folder)
        return folder
    if urlsplit(url).scheme not in ("http", "https"):
        raise CorpusError(f"corpus.url: must begin with http:// or https://, got {shortened(url)}. Correct it.")
    part, record = folder.with_name(f".{folder.name}.part"), folder.with_name(f"{folder.name}.sha256")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and not folder.is_dir():
            raise CorpusError(f"corpus.folder: must not be a file, got {folder}. Move the file, or give another folder.")
        _fetch(url, part, progress)
        try:
            _unpack_checked(url, part, folder, sha256, record)
        except CorpusError:  # the same archive would be refused again
            part.unlink()
            raise
        part.unlink()
    except OSError as error:
        raise CorpusError(
            f"{folder}: cannot be written ({error.strerror or error}). Free some space, or check permissions."
        ) from None
    return folder


def _fetch(url: str, part: Path, progress: TextIO | None) -> None:
    """Download a file, or the rest of it if a part exists."""
    import requests
    from tqdm import tqdm

    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:  # nothing is left to download
                if response.headers.get("Content-Range") == f"bytes */{done}":
                    return None
                part.unlink()  # a part of another file
                return _fetch(url, part, progress)
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:  # the server starts from the beginning
                done = 0
            total = done + int(response.headers.get("Content-Length", 0))
            bar = tqdm(desc=url, total=total or None, initial=done, unit="B", unit_scale=True, disable=None, file=progress)
            with bar, part.open("ab" if done else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    done += file.write(chunk)
                    bar.update(len(chunk))
            if done < total:
                raise requests.ConnectionError("connection closed")
    except requests.RequestException as error:
        cure = "Check the address, or download it by hand"
        if done:
            cure = f"Run the same command again to continue after {done / 1e6:.1f} MB"
        raise CorpusError(f"{url}: cannot be fetched ({shortened(str(error))}). {cure}.") from None


def _unpack_checked(url: str, archive: Path, folder: Path, sha256: str | None, record: Path) -> None:
    """Unpack an archive after checking its digest, and record the digest."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and digest != sha256.lower():
        raise CorpusError(f"{url}: digest does not match corpus.sha256, got {digest}. Check both.")
    if not sha256 and record.is_file() and (expected := record.read_text(encoding="utf-8").partition(" ")[0]) != digest:
        raise CorpusError(
            f"{url}: digest differs from that of the first download, {expected}, got {digest}. If the archive has a new "
            f"version, remove {record}."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as temporary:
        unpacked = Path(temporary, "corpus")
        _unpack(archive, unpacked, url)
        try:
            find_root(unpacked)
        except CorpusError:
            raise CorpusError(f"{url}: no corpus in the layout of Jamendo. Check the address.") from None
        if folder.is_dir():
            folder.rmdir()
        record.write_text(f"{digest}  {PurePosixPath(urlsplit(url).path).name}\n", encoding="utf-8")
        shutil.move(unpacked, folder)


def _unpack(archive: Path, folder: Path, url: str) -> None:
    """Unpack a zip archive into a folder that does not exist yet.

    All names are checked before anything is written. Links, devices and names with .. are rejected instead of being unpacked as
    something else.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            _check_members(members, shutil.disk_usage(archive.parent).free, url)
            left = sum(member.file_size for member in members)
            for member in members:
                target = folder / member.filename
                (target if member.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
                if not member.is_dir():
                    with content.open(member) as packed, target.open("xb") as file:
                        while chunk := packed.read(CHUNK):
                            left -= len(chunk)
                            if left < 0:
                                raise CorpusError(f"{url}: contains more than declared. Do not use this archive.")
                            file.write(chunk)
    except DAMAGED as error:
        raise CorpusError(
            f"{url}: not an intact zip archive ({shortened(str(error))}). Check the address and try again."
        ) from None
    except OSError as error:
        if error.errno is None:  # an error of the decompressor
            raise CorpusError(
                f"{url}: not an intact zip archive ({shortened(str(error))}). Check the address and try again."
            ) from None
        raise


def _check_members(members: list[zipfile.ZipInfo], free_bytes: int, url: str) -> None:
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for member in members:
        path = PurePosixPath(member.filename)
        shown = shortened(member.filename)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise CorpusError(f"{url}: a member is outside of the folder, got {shown}. Do not use this archive.")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise CorpusError(
                f"{url}: must not contain links or devices, got {shown}. Unpack it by hand, and set corpus.folder."
            )
        if member.flag_bits & 1:
            raise CorpusError(f"{url}: a member is encrypted, got {shown}. Unpack it by hand, and set corpus.folder.")
        if max(len(os.fsencode(part)) for part in path.parts) > 255:
            raise CorpusError(f"{url}: a file name is too long, got {shown}. Unpack it by hand under another name.")
        if not member.is_dir():
            if path in files:
                raise CorpusError(f"{url}: duplicate name, got {shown!r}. Do not use this archive.")
            files.add(path)
        folders.update([path] if member.is_dir() else [], path.parents)
    if both := files & folders:
        raise CorpusError(f"{url}: both a file and a folder, got {shortened(str(min(both)))!r}. Do not use this archive.")
    n_bytes = sum(member.file_size for member in members)
    if n_bytes > MAX_BYTES or len(members) > MAX_MEMBERS:
        raise CorpusError(
            f"{url}: too large for a corpus, got {n_bytes / 1e9:.0f} GB in {len(members)} files. Do not use this archive."
        )
    if n_bytes > free_bytes:
        raise CorpusError(
            f"{url}: larger than the free space of {free_bytes / 1e9:.2f} GB, got {n_bytes / 1e9:.2f} GB. Free some space."
        )
