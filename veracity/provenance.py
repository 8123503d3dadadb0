"""Where a result came from: code, versions, settings and inputs."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
LIBRARIES = ("h5py", "librosa", "numpy", "scikit-learn", "scipy", "torch")


def describe(*, settings: Mapping[str, Any], seed: int, inputs: Iterable[str | os.PathLike] = ()) -> dict[str, Any]:
    """Describe what makes an artefact, for `veracity.store.write`.

    Parameters
    ----------
    settings : mapping
        The part of the configuration that was used.
    seed : int
        The seed of the run.
    inputs : iterable of path-like
        Files that were read; their digests are recorded.

    Returns
    -------
    dict
        ``settings``, ``seed``, ``versions``, ``inputs``. It holds no time and no absolute path, so that equal work gives
        equal bytes.
    """
    return {
        "settings": json.dumps(settings, sort_keys=True),
        "seed": seed,
        "versions": json.dumps(versions(), sort_keys=True),
        "inputs": json.dumps({"/".join(Path(p).parts[-3:]): file_digest(p) for p in sorted(map(str, inputs))}, sort_keys=True),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, of veracity and of the libraries that compute."""
    from . import __version__

    return {
        "python": platform.python_version(),
        "veracity": __version__,
        **{library: importlib.metadata.version(library) for library in LIBRARIES},
    }


def file_digest(path: str | os.PathLike) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def code_digest(script: str | os.PathLike) -> str:
    """Digest a script and every module of this package that it reaches.

    Comments, docstrings and formatting do not count, so that explaining code better re-runs nothing; a changed
    statement re-runs all that depends on it.

    Parameters
    ----------
    script : path-like
        A Python file that imports ``veracity`` modules.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    reached: dict[Path, str] = {}
    waiting = [Path(script).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached[path], imported = _parse(path)
            waiting.extend(imported)
    text = "\n".join(f"{path.name} {digest}" for path, digest in sorted(reached.items(), key=lambda item: item[0].name))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _parse(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the digest of one file's statements, and the files beside it or in this package that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imported = {found for node in ast.walk(tree) for found in _imports(node, path)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(sorted(imported))


def _imports(node: ast.AST, path: Path) -> list[Path]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:  # from . import x, from .x import y
            module = f"veracity.{module}".rstrip(".")
        names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
    else:
        return []
    beside = [path.parent / f"{name}.py" for name in names if "." not in name]
    package = [PACKAGE / f"{name.split('.')[1]}.py" for name in names if name.startswith("veracity.")]
    return [found for found in (*beside, *package) if found.is_file()]
