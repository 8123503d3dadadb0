"""User-supplied modules and callables: location without import, import without side effects, and error descriptions."""

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
    """Return the source file of a callable, for a digest of its code, without importing anything.

    The digest includes modules that it imports from the same folder; see `veracity.workflow.code.code_digest`.

    Parameters
    ----------
    target : str
        Callable in the notation ``module:callable``.
    path : sequence of str, optional
        Folders that are searched for modules, by default ``sys.path``.

    Returns
    -------
    Path or None
        Source file of the module, ``__init__.py`` for a package. None if there is no such module or it is not written in
        Python.
    """
    spec = spec_of(target.partition(":")[0], path)
    source = Path((spec and spec.origin) or "")
    return source if source.suffix == ".py" and source.is_file() else None


def spec_of(module: str, path: Sequence[str] | None = None) -> importlib.machinery.ModuleSpec | None:
    """Find a module as an import statement would, without importing it or its parent packages.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    path : sequence of str, optional
        Folders that are searched for modules, by default ``sys.path``.

    Returns
    -------
    ModuleSpec or None
        Specification of the module; None if there is no such module.
    """
    first, *others = module.split(".")
    folders = list(sys.path if path is None else path)
    spec = next(filter(None, (_found_by(finder, first, folders) for finder in sys.meta_path)), None)
    for part in others:  # last name only: the full name of a namespace package requires an imported parent
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
    """Return the folders that the scripts of jobs search for modules.

    They are those of a new Python process. The folder of the Snakefile is searched only by the main process of Snakemake, so it
    is not included.
    """
    code = "import json, sys; print(json.dumps([folder for folder in sys.path if folder]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    return tuple(json.loads(done.stdout)) if done.returncode == 0 else tuple(sys.path)


@contextlib.contextmanager
def preserve_global_state() -> Iterator[None]:
    """Restore the working directory and the global settings of NumPy and torch after user code has run in the block.

    The settings are NumPy's handling of floating-point errors, and the default dtype and gradient mode of torch.
    """
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
    """Seed the global random generators for user code, so that it is reproducible, and restore them afterwards."""
    import random

    import numpy as np

    kept, torch = random.getstate(), sys.modules.get("torch")
    state = np.random.get_state()  # noqa: NPY002 - user code may use the global generator
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
    """Import a callable.

    Parameters
    ----------
    target : str
        Callable in the notation ``module:callable``.
    what : str
        Name of the callable in error messages.
    key : str
        Configuration key of the callable, which error messages contain instead of `what` if it is given.

    Returns
    -------
    object
        The attribute of the module. It may be of any type.

    Raises
    ------
    ConfigError
        If `target` is not a valid name, the import fails, or the module has no such attribute.
    """
    module, _, name = target.partition(":")
    named, got = key or what, f"got {quoted(target)}"
    cure = "Give module:callable, with the module on PYTHONPATH"
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ConfigError(f"{named}: not a callable of a module, {got}. {cure}.")
    try:
        with preserve_global_state(), seeded():
            loaded = importlib.import_module(module)
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:  # user code may raise any of them
        if not (isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")):
            cure = "Fix the module, or install what it imports"
        raise ConfigError(
            f"{named}: cannot be imported ({describe_error(error, callable_source(target))}), {got}. {cure}."
        ) from error
    try:
        return getattr(loaded, name)
    except Exception as error:
        raise ConfigError(f"{named}: cannot be imported ({describe_error(error, None)}), {got}. {cure}.") from error


def describe_error(error: BaseException, source: Path | None) -> str:
    """Describe an exception raised by user code, with the line of `source` if it is in the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if source and frame.filename == str(source)]
    place = f", line {frames[-1].lineno} of {frames[-1].filename}" if frames and not isinstance(error, SyntaxError) else ""
    try:
        message = str(error)
    except Exception:
        message = "no message"
    return f"{type(error).__name__}: {shortened(message, 160)}{place}"
