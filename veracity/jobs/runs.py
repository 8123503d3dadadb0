"""The folder of a run: whether what lies in it was made there, and from the settings that are asked for now.

Snakemake knows what it made by path. In a folder that was copied or renamed it knows nothing of what it finds, and takes it for
up to date; so the folder itself says where it was made, and its artefacts say from what.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import VeracityError
from .files import replacing
from .store import read_attributes

MARK = ".made_at"  # in the folder of a run: the path under which its files were made, and which of them are stale


@dataclass(frozen=True)
class Mark:
    """What the folder of a run says of itself.

    Attributes
    ----------
    made_at : str
        Where its files were made.
    stale : tuple of str
        Files that came with a copied folder and have not been made again since.
    """

    made_at: str
    stale: tuple[str, ...] = ()


def read_mark(run: str | os.PathLike) -> Mark | None:
    """Read the mark of a run; None where there is none."""
    try:
        content = json.loads(Path(run, MARK).read_text(encoding="utf-8"))
        return Mark(str(content["made_at"]), tuple(map(str, content["stale"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_mark(run: str | os.PathLike, stale: Iterable[str] = ()) -> None:
    """Note in the folder of a run that its files were made there, but for some."""
    with replacing(Path(run, MARK)) as temporary:
        temporary.write_text(json.dumps({"made_at": Path(run).as_posix(), "stale": sorted(stale)}), encoding="utf-8")


def was_moved(run: str | os.PathLike) -> bool:
    """Tell whether the files of a run were made elsewhere: the folder was copied or renamed."""
    mark = read_mark(run)
    return mark is not None and mark.made_at != Path(run).as_posix()


def came_since(run: str | os.PathLike) -> list[Path]:
    """Return files of a run that came there since its mark was written: copied, moved, or of a run that was killed."""
    mark = Path(run, MARK)
    if not mark.is_file():
        return []
    last = mark.stat().st_ctime_ns  # a copy may keep the time of a file's content, not that of its entry
    found: list[Path] = []
    for path in Path(run).iterdir():
        # What lies in a folder that was moved here keeps its times; the folder itself does not.
        inside = [path, *path.rglob("*")] if path.is_dir() else [path]
        moved = [folder for folder in inside if folder.is_dir() and folder.stat().st_ctime_ns > last]
        files = [file for file in inside if file.is_file()]
        found += [file for file in files if file.stat().st_ctime_ns > last or any(m in file.parents for m in moved)]
    return found


def is_stale(path: str | os.PathLike, settings: Mapping[str, Any], *, unreadable: bool = True) -> bool:
    """Tell whether an artefact was made with other settings than these; `unreadable` is the answer of one that cannot tell."""
    try:
        if str(path).endswith(".pt"):
            from .tensors import load_tensors

            made_with = load_tensors(path)["settings"]
        else:
            made_with = json.loads(read_attributes(path)["settings"])
    except (VeracityError, KeyError, ValueError, TypeError):
        return unreadable
    return made_with != json.loads(json.dumps(settings))
