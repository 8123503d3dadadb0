"""Provenance of artefacts: versions of libraries, settings, seed and inputs."""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ArtefactError

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("h5py", "librosa", "numpy", "scikit-learn", "scipy", "torch")


def file_digest(path: str | os.PathLike) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def describe(*, settings: Mapping[str, Any], seed: int, inputs: Iterable[str | os.PathLike] = ()) -> dict[str, Any]:
    """Return the provenance of an artefact for `veracity.jobs.store.write`.

    It consists of the configuration keys on which the artefact depends, the seed of the run, versions, and the digests of all
    inputs. Times and absolute paths are excluded, so that equal computations write equal bytes.
    """
    return {
        "settings": json.dumps(settings, sort_keys=True),
        "seed": seed,
        "versions": json.dumps(versions(), sort_keys=True),
        "inputs": json.dumps({_input_name(p): file_digest(p) for p in sorted(map(str, inputs))}, sort_keys=True),
    }


def _input_name(path: str | os.PathLike) -> str:
    return "/".join(Path(path).parts[-3:])


def check_inputs(inputs: Iterable[str | os.PathLike]) -> None:
    """Raise ArtefactError if an input of a job was computed from another version of another input.

    Files other than HDF5 are checked only if an artefact was computed from them.
    """
    from .store import read_attributes

    paths = sorted(map(str, inputs))
    named: dict[str, list[str]] = {}
    for path in paths:
        named.setdefault(_input_name(path), []).append(path)  # a run and its variants can have files of the same name
    for path in paths:
        if path.endswith(".h5"):
            made_from = json.loads(read_attributes(path).get("inputs", "{}"))
            for name in sorted(named.keys() & made_from.keys()):
                if made_from[name] not in map(file_digest, named[name]):
                    raise ArtefactError(
                        f"{path}: computed from another version of {named[name][0]}. Delete it and run snakemake again."
                    )


def versions() -> dict[str, str]:
    """Return the versions of Python, veracity and the numerical libraries."""
    from .. import __version__

    return {
        "python": platform.python_version(),
        "veracity": __version__,
        **{library: importlib.metadata.version(library) for library in LIBRARIES},
    }
