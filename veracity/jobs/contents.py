"""What lies outside a run and decides its results: files and folders that a configuration names, by digests of their contents.

Times do not tell: `cp -p`, `rsync -a` and `unzip` put files in place that look older than what was made from their
predecessors. Hashing a corpus takes seconds, and a workflow asks at every start; so a digest is remembered together with the
state of its file (size, times of content and of inode), and counts as long as that has not changed.
"""

import hashlib
import json
import os
from pathlib import Path

from ..errors import ArtefactError
from .files import replacing


def file_digest(path: str | os.PathLike) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


class Contents:
    """Digests of contents, remembered in a file.

    Parameters
    ----------
    memory : path-like or None
        Where digests are remembered; None remembers nothing. A memory that is missing or damaged is begun anew.
    """

    def __init__(self, memory: str | os.PathLike | None = None) -> None:
        self.memory = None if memory is None else Path(memory)
        self._known: dict[str, list[str]] = {}
        self._changed = False
        try:
            content = json.loads(self.memory.read_text(encoding="utf-8")) if self.memory else {}
            self._known = {path: [str(state), str(digest)] for path, (state, digest) in content.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            pass

    def digest(self, path: str | os.PathLike) -> str:
        """Return the digest of a file, or of all files in a folder with their names; "absent" where there is nothing."""
        path = Path(path)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            listed = "\n".join(f"{file.relative_to(path).as_posix()} {self.digest(file)}" for file in inside)
            return hashlib.sha256(listed.encode()).hexdigest()[:16]
        if not path.is_file():
            return "absent"
        key, state = str(path.resolve()), _state(path)
        known = self._known.get(key)
        if known is None or known[0] != state:
            self._known[key] = known = [state, file_digest(path)]
            self._changed = True
        return known[1]

    def save(self) -> None:
        """Remember what was computed; a folder that cannot be written to is no reason to fail."""
        if self.memory is not None and self._changed:
            try:
                with replacing(self.memory) as temporary:
                    temporary.write_text(json.dumps(self._known), encoding="utf-8")
            except (OSError, ArtefactError):  # then the next start computes it again
                return
            self._changed = False


def _state(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
