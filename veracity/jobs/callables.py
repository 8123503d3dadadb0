"""A user's module and callable: found without importing it, imported with care, told of when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import importlib.machinery
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, quoted, shortened


def callable_source(target: str, path: Sequence[str] | None = None) -> Path | None:
    """Return the file that holds a callable, for a digest of its code; nothing is imported.

    Modules beside it that it imports count too, see `veracity.jobs.provenance.code_digest`.

    Parameters
    ----------
    target : str
        ``module:callable``.
    path : sequence of str, optional
        Where modules are looked for; ``sys.path`` by default.

    Returns
    -------
    Path or None
        Of the module, for a package its ``__init__.py``; None when there is none, or none in Python.
    """
    spec = spec_of(target.partition(":")[0], path)
    source = Path((spec and spec.origin) or "")
    return source if source.suffix == ".py" and source.is_file() else None


def spec_of(module: str, path: Sequence[str] | None = None) -> importlib.machinery.ModuleSpec | None:
    """Find a module as an import would, but import nothing, the packages that it lies in neither; None when there is none."""
    first, *others = module.split(".")
    folders = list(sys.path if path is None else path)
    spec = next(filter(None, (_found_by(finder, first, folders) for finder in sys.meta_path)), None)
    for (
        part
    ) in others:  # by its last name: of the whole one, namespace packages would look up the parent, which is not imported
        folders = list((spec and spec.submodule_search_locations) or [])
        spec = _found_by(importlib.machinery.PathFinder, part, folders) if folders else None
    return spec


def _found_by(finder: Any, name: str, folders: list[str]) -> importlib.machinery.ModuleSpec | None:
    try:
        return finder.find_spec(name, folders)
    except (AttributeError, ImportError, ValueError):
        return None


@functools.cache
def path_of_jobs() -> tuple[str, ...]:
    """Return where the scripts of jobs find modules: not beside the Snakefile, which only Snakemake's own Python sees."""
    code = "import json, sys; print(json.dumps([folder for folder in sys.path if folder]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    return tuple(json.loads(done.stdout)) if done.returncode == 0 else tuple(sys.path)


@contextlib.contextmanager
def as_it_was() -> Iterator[None]:
    """Run a user's code, and put back what it may have changed for all: the working directory, and how numbers are made."""
    import numpy as np

    folder, torch = Path.cwd(), sys.modules.get("torch")
    errors = np.geterr()
    kept = (torch.get_default_dtype(), torch.is_grad_enabled()) if torch else None
    try:
        yield
    finally:
        os.chdir(folder)
        np.seterr(**errors)
        if torch := sys.modules.get("torch"):
            dtype, grad = kept or (torch.float32, True)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Make the random numbers of a user's code the same in every job, and put the generators back."""
    import random

    import numpy as np

    kept, torch = random.getstate(), sys.modules.get("torch")
    state = np.random.get_state()  # noqa: NPY002 - what a user's code may draw from
    torch_state = torch.get_rng_state() if torch else None
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if torch:
        torch.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(kept)
        np.random.set_state(state)  # noqa: NPY002
        if torch and torch_state is not None:
            torch.set_rng_state(torch_state)


def imported(target: str, what: str, *, key: str = "") -> Any:
    """Import ``module:callable``; raises ConfigError, with what it is for, when that fails or there is none.

    Parameters
    ----------
    target : str
    what : str
        What it is, for messages.
    key : str
        The configuration key that holds it, where that says more.
    """
    module, _, name = target.partition(":")
    named = f"{quoted(target)}, {what},"
    cure = "give module:callable, with the module on PYTHONPATH"
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ConfigError(f"{key or what} is {quoted(target)}, which names no callable of a module: {cure}")
    try:
        with as_it_was(), seeded():
            found = importlib.import_module(module)
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:  # whatever its statements raise
        if not (isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")):
            cure = "mend the module, or install what it imports"
        raise ConfigError(f"{named} cannot be imported ({told(error, callable_source(target))}): {cure}") from error
    try:
        return getattr(found, name)
    except Exception as error:
        raise ConfigError(f"{named} cannot be imported ({told(error, None)}): {cure}") from error


def told(error: BaseException, source: Path | None) -> str:
    """Tell what a user's code raised, and in which of its lines."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if source and frame.filename == str(source)]
    place = f", line {own[-1].lineno} of {own[-1].filename}" if own and not isinstance(error, SyntaxError) else ""
    try:
        said = str(error)
    except Exception:
        said = "it cannot say why"
    return f"{type(error).__name__}: {shortened(said, 160)}{place}"
