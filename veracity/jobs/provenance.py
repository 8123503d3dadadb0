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

from ..errors import ArtefactError
from .contents import Contents, file_digest

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("h5py", "librosa", "numpy", "scikit-learn", "scipy", "torch")
_INPUTS = Contents()  # what a job reads is digested once: when it is checked, and for the record


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
        "inputs": json.dumps({_input_name(p): _INPUTS.digest(p) for p in sorted(map(str, inputs))}, sort_keys=True),
    }


def _input_name(path: str | os.PathLike) -> str:
    return "/".join(Path(path).parts[-3:])


def check_inputs(inputs: Iterable[str | os.PathLike]) -> None:
    """Check that artefacts which are read together were made from each other as they are.

    Parameters
    ----------
    inputs : iterable of path-like
        What a job reads; files that are no HDF5 are only looked at where an artefact says that it was made from them.

    Raises
    ------
    ArtefactError
        When one of them was made from another version of another one.
    """
    from .store import read_attributes

    paths = sorted(map(str, inputs))
    named: dict[str, list[str]] = {}
    for path in paths:
        named.setdefault(_input_name(path), []).append(path)  # of a run and its variants several may be called so
    for path in paths:
        if path.endswith(".h5"):
            made_from = json.loads(read_attributes(path).get("inputs", "{}"))
            for name in sorted(named.keys() & made_from.keys()):
                if made_from[name] not in map(_INPUTS.digest, named[name]):
                    raise ArtefactError(f"{path} was made from another {named[name][0]}: delete it and run snakemake again")


def versions() -> dict[str, str]:
    """Return the versions of Python, of veracity and of the libraries that compute."""
    from .. import __version__

    return {
        "python": platform.python_version(),
        "veracity": __version__,
        **{library: importlib.metadata.version(library) for library in LIBRARIES},
    }


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
    try:
        tree = _Executed().visit(ast.parse(path.read_bytes(), filename=str(path)))
    except (SyntaxError, ValueError):  # a user's module that is no Python: said when it is imported
        return file_digest(path), ()
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
            package = path.parent.relative_to(_import_root(path)).parts
            module = [*package[: len(package) - node.level + 1], *module]
        names = [".".join([*module, *([] if alias.name == "*" else [alias.name])]) for alias in node.names]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    else:
        return []
    return [found for name in names for found in _files_of(name.split("."), path)]


def _files_of(name: Sequence[str], importer: Path) -> list[Path]:
    """Return the files that an import executes: the module, the packages that it lies in, or all modules of a package."""
    if name[0] == PACKAGE.name:
        return _files_below(PACKAGE, name[1:])
    folders = {importer.parent, _import_root(importer)}
    if not importer.is_relative_to(PACKAGE):  # a user's code may lie in several folders
        folders |= {Path(folder).resolve() for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder}
    return [found for folder in sorted(folders) for found in _files_below(folder, name)]


def _import_root(path: Path) -> Path:
    """Return the folder from which a file is imported: above the package that it lies in."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _files_below(root: Path, name: Sequence[str]) -> list[Path]:
    files, folder = [], root
    for part in name:
        if (folder / part / "__init__.py").is_file():
            folder = folder / part
            files.append(folder / "__init__.py")
        elif not (module := folder / f"{part}.py").is_file() and (folder / part).is_dir() and part.isidentifier():
            folder = folder / part  # a package without __init__.py
        else:  # a module, or what a package itself defines
            return [*files, module] if module.is_file() else files
    return [
        *files,
        *(folder.rglob("*.py") if folder != root or root == PACKAGE else ()),
    ]  # its modules are loaded when they are asked for
