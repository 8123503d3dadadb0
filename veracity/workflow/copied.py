"""Detection of copied or renamed results folders, whose files Snakemake would consider up to date."""

import json
from pathlib import Path
from typing import Any

from ..errors import ArtefactError, VeracityError
from ..jobs.files import replacing
from ..jobs.store import read_attributes
from .runs import Run

MARK = ".made_at"  # file in the folder of a run with the path under which Snakemake has written the results
UNPROVEN = ("tables", "figures", "listening", "tuning_runs", "report.html")  # these do not record their settings


def mark(run: Run) -> None:
    """Record in the folder of a run that Snakemake has written its files there; called before and after a run."""
    with replacing(Path(run.folder, MARK)) as temporary:
        temporary.write_text(run.folder, encoding="utf-8")


def refuse_copied(run: Run) -> None:
    """Raise ArtefactError if a folder of results contains files of other settings that Snakemake did not write there.

    The message lists the folders to remove, whose files would be recomputed in any case.
    """
    folder, mark = Path(run.folder), Path(run.folder, MARK)
    is_own = mark.is_file() and mark.read_text(encoding="utf-8") == run.folder and Path(".snakemake/metadata").is_dir()
    since = mark.stat().st_ctime_ns if is_own else 0  # a copy may keep the modification time of a file, but not the change time
    stale = set() if is_own else set(UNPROVEN)
    for stage in (stage for stage in run.stages if (folder / stage).is_dir()):
        artefacts = {Path(run.path(stage, **names)): names for names in run.artefacts(stage)}
        for path in (folder / stage).rglob("[!.]*.*"):
            if path in artefacts and _came_since(path, folder, since):
                is_stale = _differs(path, run.settings_of(stage, **artefacts[path]), unreadable=not is_own)
            else:  # in a copy, files that this run does not read now are stale too, because it may read them later
                is_stale = not is_own and path.suffix in (".h5", ".pt") and not path.name.endswith(".state.pt")
            stale |= {stage} if is_stale else set()
    if "spectrograms" in stale:
        stale.add("synthetic_corpus")  # whose settings only the spectrograms record
    if found := sorted(name for name in stale if (folder / name).is_file() or any((folder / name).rglob("*.*"))):
        cure = f"Remove them to compute them again: rm -r {' '.join(str(folder / name) for name in found)}"
        raise ArtefactError(f"{run.folder}: contains results of other settings, copied or left by a killed run. {cure}")


def _came_since(path: Path, folder: Path, since: int) -> bool:
    """Return whether a file was created in or moved to a folder after a time; files in a moved folder keep their times."""
    parts = (path, *path.parents[: len(path.relative_to(folder).parts) - 1])
    return any(part.stat().st_ctime_ns > since for part in parts)


def _differs(path: Path, settings: Any, *, unreadable: bool) -> bool:
    """Return whether an artefact was computed with other settings, or `unreadable` if this cannot be determined.

    In the original folder of the run, a damaged artefact is reported by the job that reads it.
    """
    try:
        if path.suffix == ".pt":
            from ..jobs.tensors import load_tensors  # imports torch

            made_with = load_tensors(path)["settings"]
        else:
            made_with = json.loads(read_attributes(path)["settings"])
    except (VeracityError, KeyError, ValueError, TypeError):
        return unreadable
    return made_with != json.loads(json.dumps(settings))
