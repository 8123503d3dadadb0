"""Digests of files named in the configuration, so that replaced files are detected regardless of their times."""

import hashlib
import json
import os
from pathlib import Path

from ..jobs.files import replacing
from ..jobs.provenance import file_digest


class FileDigests:
    """Cache of digests of files by size and times, because every start of Snakemake requires them.

    Parameters
    ----------
    memory : path-like
        JSON file of the cache. If it is missing or damaged, the cache is empty.
    """

    def __init__(self, memory: str | os.PathLike) -> None:
        self.memory = Path(memory)
        self._known: dict[str, list[str]] | None = None

    def of(self, path: str | os.PathLike) -> str:
        """Return the digest of a file, or of all files in a folder with their names; "absent" if the path does not exist."""
        path = Path(path)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            listed = "\n".join(f"{file.relative_to(path).as_posix()} {self.of(file)}" for file in inside)
            return hashlib.sha256(listed.encode()).hexdigest()[:16]
        if not path.is_file():
            return "absent"
        if self._known is None:
            self._known = self._read()
        key, found = str(path.resolve()), path.stat()
        state = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        if self._known.get(key, [""])[0] != state:
            self._known[key] = [state, file_digest(path)]
            with replacing(self.memory) as temporary:
                temporary.write_text(json.dumps(self._known), encoding="utf-8")
        return self._known[key][1]

    def _read(self) -> dict[str, list[str]]:
        try:
            return dict(json.loads(self.memory.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
