"""Origin of a run for the report: the commit of the code and the digests of its external inputs."""

import json
import os
import subprocess
from pathlib import Path

from .provenance import PACKAGE
from .store import read_attributes


def commit() -> str:
    """Return the commit of the checkout that contains the library and whether it has changes, or a note if there is none."""
    git = ["git", "-C", os.fspath(PACKAGE.parent)]
    try:
        ours = [
            *git,
            "ls-files",
            "--error-unmatch",
            f"{PACKAGE.name}/__init__.py",
        ]  # the library may be installed inside the checkout of another project
        subprocess.run(ours, capture_output=True, check=True)  # noqa: S603
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "none: the library is not in a checkout"
    return head.stdout.strip() + (", with uncommitted changes" if changed.stdout.strip() else "")


def inputs_of(run: str | os.PathLike) -> dict[str, str]:
    """Return the digests of the external inputs of a run by name.

    External inputs are files from which an artefact of the run was computed and which are not artefacts themselves.
    """
    digests = {}
    for path in sorted(Path(run).rglob("[!.]*.h5")):  # without temporary files of killed writers
        made_from = json.loads(read_attributes(path).get("inputs", "{}"))
        digests.update(
            {name: digest for name, digest in made_from.items() if not name.endswith(".h5")}
        )  # artefacts of the run are not external
    return dict(sorted(digests.items()))
