"""Digests of files named in the configuration, so that replaced files are detected regardless of their times."""

import atexit
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..jobs.files import replacing
from ..jobs.provenance import file_digest


class FileMemory:
    """Cache in a JSON file of values computed from files; a value is valid while size and times of its file are the same.

    Snakemake requires the values at every start. If the JSON file is missing or damaged, they are computed again.
    """

    def __init__(self, path: str | os.PathLike, compute: Callable[[Path], Any]) -> None:
        self.path, self.compute = Path(path).absolute(), compute
        self._known: dict[str, list[Any]] | None = None
        self._is_saved = True
        MEMORIES.append(self)

    def of(self, path: Path) -> Any:
        """Return the value of a file."""
        if self._known is None:
            self._known = self._read()
        key, found = str(path.resolve()), path.stat()
        state = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        if self._known.get(key, [""])[0] != state:
            self._known[key] = [state, self.compute(path)]
            self._is_saved = False
        return self._known[key][1]

    def save(self) -> None:
        """Write the values if there are new ones."""
        if not self._is_saved:
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self._known), encoding="utf-8")
            self._is_saved = True

    def _read(self) -> dict[str, list[Any]]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


MEMORIES: list[FileMemory] = []


@atexit.register
def save_memories() -> None:
    """Write all new values; called before the first job, so that job processes can read them, and at the end."""
    for memory in MEMORIES:
        memory.save()


FILES = FileMemory(".snakemake/veracity-contents.json", file_digest)


def digest_of_path(path: str | os.PathLike) -> str:
    """Return the digest of a file, or of all files in a folder with their names; "absent" if the path does not exist."""
    path = Path(path)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "\n".join(f"{file.relative_to(path).as_posix()} {FILES.of(file)}" for file in inside)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]
    return FILES.of(path) if path.is_file() else "absent"
