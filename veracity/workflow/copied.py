"""Detection of copied or renamed results folders, whose files Snakemake would consider up to date."""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from ..errors import ArtefactError, VeracityError
from ..jobs.files import replacing
from ..jobs.store import read_attributes
from .runs import FOLDER, Run

MARK = ".made_at"  # file in the folder of a run with the path under which Snakemake has written the results
UNPROVEN = ("tables", "figures", "listening", "tuning_runs", "report")  # folders whose files do not record their settings


def mark(run: Run) -> None:
    """Record in the folder of a run that Snakemake has written its files there; called before and after a run."""
    with replacing(Path(run.folder, MARK)) as temporary:
        temporary.write_text(run.folder, encoding="utf-8")


def refuse_copied(run: Run) -> None:
    """Check that files not written by Snakemake in this folder were computed with the current settings.

    Parameters
    ----------
    run : Run
        Run whose folder is checked.

    Raises
    ------
    ArtefactError
        If a file was computed with other settings. The message lists the folders to remove, whose files would be recomputed in
        any case.
    """
    folder, mark = Path(run.folder), Path(run.folder, MARK)
    is_own = mark.is_file() and mark.read_text(encoding="utf-8") == run.folder and Path(".snakemake/metadata").is_dir()
    since = mark.stat().st_ctime_ns if is_own else 0  # a copy may keep the modification time of a file, but not the change time
    if not folder.is_dir():
        return
    stale = [path for path in _changed_since(folder, since) if _differs(path, run, unreadable=not is_own)]
    names = {path.relative_to(folder).parts[0] for path in stale}
    if names:
        cure = f"Remove them to compute them again: rm -r {' '.join(str(folder / name) for name in sorted(names))}"
        raise ArtefactError(f"{run.folder}: contains files of other settings, copied or left by a killed run. {cure}")


def _changed_since(folder: Path, since: int) -> list[Path]:
    """Return the files of the stages in whose folders files were created, or into which files were moved, after a time."""
    found = []
    for stage in (path for path in folder.iterdir() if path.name != FOLDER):
        inside = [stage, *stage.rglob("*")]  # a moved folder has a new time, the files in it keep theirs
        if any(path.lstat().st_ctime_ns > since for path in inside):
            found += [path for path in inside if path.is_file()]
    return found


def _differs(path: Path, run: Run, *, unreadable: bool) -> bool:
    """Return whether a file was computed with other settings, or `unreadable` if this cannot be determined.

    In the original folder of the run, a damaged artefact is reported by the job that reads it.
    """
    stage, *names = path.relative_to(run.folder).with_suffix("").parts
    if stage in UNPROVEN:
        return unreadable
    if stage == "synthetic_corpus":  # the artefact of the spectrogram contains its settings
        path, stage, names = Path(run.folder, "spectrograms", f"{path.stem}.h5"), "spectrograms", [path.stem]
    if stage not in run.stages or path.suffix not in (".h5", ".pt") or path.name.endswith(".state.pt") or not path.is_file():
        return False
    wildcards = dict(zip(run.stages[stage].named_by, names, strict=False))
    known: dict[str, Container[str]] = {"song": run.songs, "explainer": run.explainers, "control": run.controls}
    if any(wildcards[name] not in known[name] for name in known.keys() & wildcards.keys()):
        return False  # no job reads it
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
