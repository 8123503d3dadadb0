"""Where a run comes from: the commit of the code, and what was read from outside. Only the report asks."""

import json
import os
import subprocess
from pathlib import Path

from .provenance import PACKAGE
from .store import read_attributes


def commit() -> str:
    """Return the commit of the checkout that the library lies in, and whether it was changed; or that there is none."""
    git = ["git", "-C", os.fspath(PACKAGE.parent)]
    try:
        ours = [
            *git,
            "ls-files",
            "--error-unmatch",
            f"{PACKAGE.name}/__init__.py",
        ]  # it may be installed inside another's checkout
        subprocess.run(ours, capture_output=True, check=True)  # noqa: S603
        found = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "none: the library is not in a checkout"
    return found.stdout.strip() + (", with changes that are in no commit" if changed.stdout.strip() else "")


def inputs_of(run: str | os.PathLike) -> dict[str, str]:
    """Return what a run's artefacts were made from that lies outside the run, and a digest of each, by name."""
    found = {}
    for path in sorted(Path(run).rglob("*.h5")):
        made_from = json.loads(read_attributes(path).get("inputs", "{}"))
        found.update(
            {name: digest for name, digest in made_from.items() if not name.endswith(".h5")}
        )  # those are the run's own
    return dict(sorted(found.items()))
