"""Links between variants of a run: what two share lies in the folder of both, so that removing one takes nothing from another.

Snakemake knows nothing of files that it has not made. So what had decided a link is noted beside it, and a link that the
variant would now make itself, and otherwise, is told to be stale.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ..jobs.files import replacing
from .sharing import CORPUS, Run, Runs

NOTES = ".links.json"  # in the folder of a variant: of each link what had decided it, and the time of the file
#: What goes with an artefact: a training's curve, and what its job has taken and said.
BESIDE = ("{path}.csv", "benchmarks/{path}.tsv", "logs/{path}.log")


def link(runs: Runs, run: Run, code: Callable[[str], str]) -> None:
    """Link into a variant's folder what it shares with another variant; what it shares with the run itself stays there.

    Hard links take no space; where the disk has none, copies do.

    Parameters
    ----------
    runs : Runs
    run : Run
        A variant.
    code : callable
        Tells for a stage the digest of its code.
    """
    notes = {key: note for key, note in _notes(run).items() if Path(run.folder, key).exists()}
    for one in run.every():
        place, own = runs.folder_of(run, one), Path(run.folder, one.path)
        if place in (run.folder, runs[0].folder) or not Path(place, one.path).is_file():
            continue
        is_new = _link(Path(place, one.path), own)
        notes[one.path] = (run.signature(one), code(one.stage), own.stat().st_mtime_ns)
        for beside in (name.format(path=one.path.rpartition(".")[0]) for name in BESIDE if is_new):
            if Path(place, beside).is_file():
                with replacing(Path(run.folder, beside)) as temporary:
                    shutil.copy2(Path(place, beside), temporary)  # jobs write these in place: a link would change with them
    place = runs.corpus_folder(run.corpus, run.folder)
    if run.corpus and place not in (run.folder, runs[0].folder):
        for file in (path for path in Path(place, CORPUS).rglob("*") if path.is_file()):
            _link(file, Path(run.folder, file.relative_to(place)))
        notes[CORPUS] = (json.dumps(run.corpus), code(CORPUS), _time_of_corpus(run))
    if notes:
        with replacing(Path(run.folder, NOTES)) as temporary:
            temporary.write_text(json.dumps(notes, sort_keys=True), encoding="utf-8")


def stale_links(runs: Runs, run: Run, code: Callable[[str], str]) -> list[str]:
    """Return linked files that a variant would now make itself, and otherwise; parameters as `link`."""
    notes, found = _notes(run), []
    for one in run.every() if notes else ():
        path = Path(run.folder, one.path)
        if one.path in notes and path.is_file() and runs.folder_of(run, one) == run.folder:
            *decided, time = notes[one.path]
            if path.stat().st_mtime_ns == time and decided != [run.signature(one), code(one.stage)]:
                found.append(str(path))
    if CORPUS in notes and run.corpus and runs.corpus_folder(run.corpus, run.folder) == run.folder:
        *decided, time = notes[CORPUS]
        if time == _time_of_corpus(run) and decided != [json.dumps(run.corpus), code(CORPUS)]:
            found += [str(file) for file in Path(run.folder, CORPUS).rglob("*.flac")]
    return found


def _notes(run: Run) -> dict[str, tuple]:
    try:
        found = json.loads(Path(run.folder, NOTES).read_text(encoding="utf-8"))
        return {str(key): (signature, digest, time) for key, (signature, digest, time) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _link(made: Path, own: Path) -> bool:
    """Link a file, and tell whether it was not linked before."""
    if own.is_file() and own.samefile(made):
        return False
    with replacing(own) as temporary:
        try:
            temporary.hardlink_to(made)
        except OSError:
            shutil.copy2(made, temporary)
    return True


def _time_of_corpus(run: Run) -> int | None:
    lists = Path(run.folder, CORPUS, "filelists", "train")
    return lists.stat().st_mtime_ns if lists.is_file() else None
