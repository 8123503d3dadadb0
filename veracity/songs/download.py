"""Fetching the archive of a corpus."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from ..errors import CorpusError
from .corpus import find_root


def fetch_archive(url: str, folder: str | os.PathLike, *, sha256: str | None = None) -> Path:
    """Download a zip archive and unpack it to a folder; nothing happens where the folder holds a corpus already.

    The archive is fetched and unpacked beside the folder and renamed when whole, so that a killed download leaves no
    half of a corpus.

    Parameters
    ----------
    url : str
        http, https or ftp.
    folder : path-like
        Where the corpus shall lie.
    sha256 : str, optional
        Digest that the archive must have.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    CorpusError
        When the folder holds something else, or the archive cannot be fetched, has another digest, is no zip archive or
        holds no corpus.
    """
    import pooch
    from requests import RequestException

    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        find_root(folder)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as temporary:
        try:
            archive = pooch.retrieve(url, sha256 and f"sha256:{sha256}", fname="archive.zip", path=temporary)
        except (RequestException, OSError) as error:
            raise CorpusError(f"{url} cannot be fetched ({error}): check the address, or download it by hand.") from None
        except ValueError as error:  # another digest, or an address of an unknown kind
            raise CorpusError(f"{url} is not what was expected ({error}): check corpus.url and corpus.sha256.") from None
        unpacked = Path(temporary, "corpus")
        try:
            with zipfile.ZipFile(archive) as content:
                for member in content.namelist():
                    if not Path(unpacked, member).resolve().is_relative_to(unpacked.resolve()):
                        raise CorpusError(f"{url} would write outside its folder ({member}): do not use this archive.")
                content.extractall(unpacked)
        except zipfile.BadZipFile as error:
            raise CorpusError(f"{url} is no whole zip archive ({error}): check the address and try again.") from None
        try:
            find_root(unpacked)
        except CorpusError:
            raise CorpusError(f"{url} holds no corpus in the layout of Jamendo: check the address.") from None
        if folder.is_dir():
            folder.rmdir()
        shutil.move(unpacked, folder)
    return folder
