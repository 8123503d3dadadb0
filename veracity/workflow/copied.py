"""Folders of runs that were copied or renamed: Snakemake knows nothing of their files, and takes them for up to date."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArtefactError, VeracityError
from ..jobs.files import replacing
from ..jobs.store import read_attributes
from .runs import FOLDER, Run

MARK = ".made_at"  # in the folder of a run: the path under which Snakemake has made its files


def mark(run: Run) -> None:
    """Note in the folder of a run that Snakemake has made its files there; before and after a run."""
    with replacing(Path(run.folder, MARK)) as temporary:
        temporary.write_text(run.folder, encoding="utf-8")


def refuse_copied(run: Run) -> None:
    """Refuse files that Snakemake has not made in a run's folder, unless they were made with the settings asked for.

    Raises
    ------
    ArtefactError
        Names the folders to remove. Nothing is lost: they would be made again in any case.
    """
    folder, mark = Path(run.folder), Path(run.folder, MARK)
    is_own = mark.is_file() and mark.read_text(encoding="utf-8") == run.folder and Path(".snakemake/metadata").is_dir()
    since = mark.stat().st_ctime_ns if is_own else 0  # a copy may keep the time of a file's content, but not this one
    found = [path for path in _came_since(folder, since) if path.name != MARK]
    # In a folder of its own, the artefacts that read damaged ones name them.
    stale = [path for path in found if (_settings_differ(path, run) if is_own else _is_unproven(path, run))]
    if folders := sorted({str(folder / path.relative_to(folder).parts[0]) for path in stale}):
        problem = "files that were copied here, or left by a run that was killed, and were made with other settings"
        raise ArtefactError(
            f"{run.folder}: it holds {problem}, so they must be made again. Remove them: rm -r {' '.join(folders)}"
        )


def _came_since(folder: Path, since: int) -> Iterator[Path]:
    """Yield the files of a run that came there after a time; what lies in a folder that was moved keeps its own."""
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(base, name) != folder / FOLDER]
        all_came = any(
            os.stat(path).st_ctime_ns > since
            for path in (Path(base), *Path(base).parents)
            if path.is_relative_to(folder) and path != folder
        )
        yield from (path for path in (Path(base, name) for name in names) if all_came or path.stat().st_ctime_ns > since)


def _is_unproven(path: Path, run: Run) -> bool:
    """Return whether a copied file was made with other settings, or cannot show with which."""
    stage = path.relative_to(run.folder).parts[0]
    if stage == "synthetic_corpus":  # its settings are among those of its spectrograms
        spectrogram = Path(run.folder, "spectrograms", f"{path.stem}.h5")
        return spectrogram.is_file() and _settings_differ(spectrogram, run)
    if path.suffix in (".h5", ".pt") and stage in run.stages:
        return _settings_differ(path, run, unreadable=True)
    return stage in ("tables", "figures", "listening", "tuning_runs", "report.html")


def _settings_differ(path: Path, run: Run, *, unreadable: bool = False) -> bool:
    """Return whether an artefact was made with other settings; `unreadable` is the answer where it cannot tell."""
    stage, *names = path.relative_to(run.folder).with_suffix("").parts
    if stage not in run.stages or path.suffix not in (".h5", ".pt") or path.name.endswith(".state.pt"):
        return False
    wildcards = dict(zip(run.stages[stage].named_by, names, strict=False))
    known = {"song": run.songs, "explainer": run.explainers, "control": run.controls}
    if any(wildcards[name] not in known[name] for name in known.keys() & wildcards.keys()):
        return False  # nothing reads it any more
    try:
        made_with = _settings_in(path)
    except (VeracityError, KeyError, ValueError, TypeError):
        return unreadable
    return made_with != json.loads(json.dumps(run.asked(stage, **wildcards)))


def _settings_in(path: Path) -> Any:
    if path.suffix == ".pt":
        from ..jobs.tensors import load_tensors  # imports torch

        return load_tensors(path)["settings"]
    return json.loads(read_attributes(path)["settings"])
