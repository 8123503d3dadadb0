"""Where a result came from: code, versions, settings and inputs."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("h5py", "librosa", "numpy", "scikit-learn", "scipy", "torch")


def describe(*, settings: Mapping[str, Any], seed: int, inputs: Iterable[str | os.PathLike] = ()) -> dict[str, Any]:
    """Describe what makes an artefact, for `veracity.jobs.store.write`.

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
    from .. import __version__

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

    Comments, docstrings, formatting and what only type checkers read do not count, so that explaining code better re-runs
    nothing; a changed statement re-runs all that depends on it. Who imports a package itself reaches all of its modules.

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
    text = "\n".join(sorted(f"{_name(path)} {digest}" for path, digest in reached.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(path: Path) -> str:
    """Return what a file is called wherever the project lies: modules of different packages may share a file name."""
    return path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE) else path.name


@functools.cache
def _parse(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the digest of one file's statements, and the files beside it or in this package that it imports."""
    tree = _Executed().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    imported = {found for node in ast.walk(tree) for found in _imports(node, path)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(sorted(imported))


class _Executed(ast.NodeTransformer):
    """Leave out what is never executed: docstrings, and what stands under ``if TYPE_CHECKING``."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
        return node

    def visit_If(self, node: ast.If) -> Any:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(statement) for statement in node.orelse]
        return self.generic_visit(node)


def _imports(node: ast.AST, path: Path) -> list[Path]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = [node.module] if node.module else []
        if node.level:  # from ..x import y, from . import y
            package = [PACKAGE.name, *path.relative_to(PACKAGE).parent.parts]
            module = [*package[: len(package) - node.level + 1], *module]
        names = [".".join([*module, *([] if alias.name == "*" else [alias.name])]) for alias in node.names]
    else:
        return []
    return [found for name in names for found in _files_of(name.split("."), path)]


def _files_of(name: Sequence[str], importer: Path) -> list[Path]:
    """Return the files that an import executes: the module, the packages that it lies in, or all modules of a package."""
    if name[0] != PACKAGE.name:
        beside = importer.parent / f"{name[0]}.py"
        return [beside] if beside.is_file() else []
    files, folder = [], PACKAGE
    for part in name[1:]:
        if (folder / part / "__init__.py").is_file():
            folder = folder / part
            files.append(folder / "__init__.py")
        else:  # a module, or what a package itself defines
            module = folder / f"{part}.py"
            return [*files, module] if module.is_file() else files
    return [*files, *folder.rglob("*.py")]  # its modules are loaded when they are asked for
