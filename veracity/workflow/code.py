"""Digests of code, so that any edit beyond comments re-runs all dependent jobs."""

import ast
import functools
import hashlib
import importlib.util
import os
from pathlib import Path

from ..jobs.provenance import PACKAGE, file_digest
from .digests import FileMemory


@functools.cache
def code_digest(source: str | os.PathLike) -> str:
    """Return the digest of a script of the workflow or a module of the user, and of the modules that it imports.

    Modules of this package, of the folder of the file and of ``PYTHONPATH`` are included. All modules of a user's package are
    included. Comments, docstrings and formatting are ignored. Installed packages are excluded, because artefacts record their
    versions. The digest has 16 hexadecimal digits.
    """
    reached: dict[Path, str] = {}
    waiting = [Path(source).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached[path], names = _known(path)
            waiting += [file for name in names for file in _files_of(name, path)]
    named = ((_name(path), digest) for path, digest in reached.items())
    return hashlib.sha256("\n".join(sorted(map(" ".join, named))).encode()).hexdigest()[:16]


def _name(path: Path) -> str:
    """Return the name of a file, which does not depend on the location of the project."""
    return path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE) else path.name


def _parsed(path: Path) -> tuple[str, list[str]]:
    """Return the digest of a file's statements and the dotted names that it imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # its import will fail with a message
        return file_digest(path), []
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.parent.relative_to(_root(path)).parts)
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):  # these imports are never executed
            waiting += ast.iter_child_nodes(node)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), sorted(names)


_known = functools.cache(FileMemory(".snakemake/veracity-code.json", _parsed).of)


def _root(path: Path) -> Path:
    """Return the folder from which a file is imported, which is the parent of its top-level package."""
    return next(folder for folder in path.parents if not (folder / "__init__.py").is_file())


@functools.cache
def _files_of(name: str, importer: Path) -> list[Path]:
    """Return the files of an imported module or package, or of the module that defines the imported name."""
    is_own = importer.is_relative_to(PACKAGE)
    if name.split(".")[0] == PACKAGE.name:
        roots = [PACKAGE.parent]
    elif is_own:
        return []
    else:
        others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        roots = [_root(importer), *(Path(folder).resolve() for folder in others if folder and "-packages" not in folder)]
    while name:
        for root in roots:
            path = root / name.replace(".", "/")
            if path.with_suffix(".py").is_file():
                packages = (folder / "__init__.py" for folder in path.parents[: name.count(".")] if folder != PACKAGE)
                return [path.with_suffix(".py"), *(file for file in packages if file.is_file())]
            if (path / "__init__.py").is_file() or (path.is_dir() and any(path.glob("*.py"))):
                return [path / "__init__.py"] if is_own else sorted(path.rglob("*.py"))
        name = name.rpartition(".")[0]
    return []
