"""Digests of files named in the configuration, so that replaced files are detected regardless of their times."""

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..jobs.provenance import file_digest


class FileMemory:
    """Values computed from files, kept by size and times of the files, because every start of Snakemake requires them.

    Parameters
    ----------
    memory : path-like
        JSON file of the values. If it is missing or damaged, no value is known.
    compute : callable
        Function from the path of a file to its value, which JSON can represent.
    """

    def __init__(self, memory: str | os.PathLike, compute: Callable[[Path], Any]) -> None:
        self.memory, self.compute = Path(memory), compute
        self._known: dict[str, list[Any]] | None = None

    def of(self, path: Path) -> Any:
        """Return the value of a file."""
        if self._known is None:
            self._known = self._read()
        key, found = str(path.resolve()), path.stat()
        state = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
        if self._known.get(key, [""])[0] != state:
            self._known[key] = [state, self.compute(path)]
            temporary = self.memory.with_suffix(f".{secrets.token_hex(4)}")  # jobs on a cluster may write at the same time
            self.memory.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self.memory)
        return self._known[key][1]

    def _read(self) -> dict[str, list[Any]]:
        try:
            return dict(json.loads(self.memory.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


FILES = FileMemory(".snakemake/veracity-contents.json", file_digest)


def digest_of_path(path: str | os.PathLike) -> str:
    """Return the digest of a file, or of all files in a folder with their names; "absent" if the path does not exist."""
    path = Path(path)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "\n".join(f"{file.relative_to(path).as_posix()} {FILES.of(file)}" for file in inside)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]
    return FILES.of(path) if path.is_file() else "absent"
