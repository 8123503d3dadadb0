"""Folders of runs that were copied or renamed: Snakemake knows nothing of their files, and takes them for up to date."""

import json
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from ..errors import ArtefactError, VeracityError
from ..jobs.files import replacing
from ..jobs.store import read_attributes
from .runs import FOLDER, Run

MARK = ".made_at"  # in the folder of a run: the path under which Snakemake has made its files
UNPROVEN = ("tables", "figures", "listening", "tuning_runs", "report")  # cannot show with which settings they were made


def mark(run: Run) -> None:
    """Note in the folder of a run that Snakemake has made its files there; before and after a run."""
    with replacing(Path(run.folder, MARK)) as temporary:
        temporary.write_text(run.folder, encoding="utf-8")


def refuse_copied(run: Run) -> None:
    """Refuse files that Snakemake has not made in a run's folder, unless they were made with the settings asked for.

    Raises
    ------
    ArtefactError
        Names the folders to remove. Nothing is lost: their files would be made again in any case.
    """
    folder, mark = Path(run.folder), Path(run.folder, MARK)
    is_own = mark.is_file() and mark.read_text(encoding="utf-8") == run.folder and Path(".snakemake/metadata").is_dir()
    since = mark.stat().st_ctime_ns if is_own else 0  # a copy may keep the time of a file's content, but not this one
    stale = [path for path in _came_since(folder, since) if _differs(path, run, unreadable=not is_own)]
    names = {path.relative_to(folder).parts[0] for path in stale}
    if names:
        came = "files copied here, or left by a run that was killed, that were made with other settings"
        cure = f"Remove them, to make them again: rm -r {' '.join(str(folder / name) for name in sorted(names))}"
        raise ArtefactError(f"{run.folder}: it holds {came}. {cure}")


def _came_since(folder: Path, since: int) -> Iterator[Path]:
    """Yield the files of a run that came there after a time."""
    moved = {folder: False}
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(base, name) != folder / FOLDER]
        for path in (Path(base, name) for name in folders):  # files in a folder that is moved keep their times
            moved[path] = moved[Path(base)] or path.stat().st_ctime_ns > since
        yield from (
            path for path in (Path(base, name) for name in names) if moved[Path(base)] or path.stat().st_ctime_ns > since
        )


def _differs(path: Path, run: Run, *, unreadable: bool) -> bool:
    """Return whether a file was made with other settings; `unreadable` is the answer where it cannot tell.

    In the folder of its own run, a damaged artefact is named by the job that reads it.
    """
    stage, *names = path.relative_to(run.folder).with_suffix("").parts
    if stage in UNPROVEN:
        return unreadable
    if stage == "synthetic_corpus":  # its settings are among those of its spectrograms
        path, stage, names = Path(run.folder, "spectrograms", f"{path.stem}.h5"), "spectrograms", [path.stem]
    if stage not in run.stages or path.suffix not in (".h5", ".pt") or path.name.endswith(".state.pt") or not path.is_file():
        return False
    wildcards = dict(zip(run.stages[stage].named_by, names, strict=False))
    known: dict[str, Container[str]] = {"song": run.songs, "explainer": run.explainers, "control": run.controls}
    if any(wildcards[name] not in known[name] for name in known.keys() & wildcards.keys()):
        return False  # nothing reads it any more
    try:
        made_with = _settings_in(path)
    except (VeracityError, KeyError, ValueError, TypeError):
        return unreadable
    return made_with != json.loads(json.dumps(run.settings_of(stage, **wildcards)))


def _settings_in(path: Path) -> Any:
    if path.suffix == ".pt":
        from ..jobs.tensors import load_tensors  # imports torch

        return load_tensors(path)["settings"]
    return json.loads(read_attributes(path)["settings"])
