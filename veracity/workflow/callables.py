"""Callables of a user, checked without importing them."""

import ast
from collections.abc import Iterable
from pathlib import Path

from ..errors import ConfigError, hint, quoted, shortened
from ..jobs.callables import path_of_jobs, spec_of


def check_callable(target: str, key: str, options: Iterable[str] = ()) -> None:
    """Check that jobs can import a callable and that it takes keyword arguments, without importing it.

    Parameters
    ----------
    target : str
        ``module:callable``.
    key : str
        Key of the configuration that holds it, for messages.
    options : iterable of str
        Names of keyword arguments.

    Raises
    ------
    ConfigError
        When jobs find no such module, or its source defines no such name or one without such arguments.
    """
    module, _, name = target.partition(":")
    spec = spec_of(module, path_of_jobs())
    if spec is None or (spec.origin is None and spec.submodule_search_locations is not None):  # a folder without code
        raise ConfigError(f"{key}: no module {shortened(module)}, got {quoted(target)}. Put its folder on PYTHONPATH.")
    source = Path(spec.origin or "")
    if source.suffix != ".py" or not source.is_file():
        return  # compiled or in an archive: its names are known when it is imported
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        raise ConfigError(
            f"{key}: {source} cannot be read as Python ({shortened(str(error))}), got {quoted(target)}. Correct it."
        ) from None
    names = _names_in(tree)
    if name not in names and not names & {"*", "__getattr__", "globals", "exec", "vars", "setattr"}:
        cure = f"Name what it defines{hint(name, names)}"
        raise ConfigError(f"{key}: {source} does not define {shortened(name)}, got {quoted(target)}. {cure}.")
    defines = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(defines) != 1 or defines[0].decorator_list or defines[0].args.kwarg:
        return
    known = [argument.arg for argument in (*defines[0].args.args[1:], *defines[0].args.kwonlyargs)]
    for option in options:
        if option not in known:
            cure = f"Choose from {', '.join(known)}" if known else "Leave it out, because it has no options"
            raise ConfigError(f"{key}: unknown option of {target}, got {quoted(option)}. {cure}{hint(option, known)}.")


def _names_in(tree: ast.AST) -> set[str]:
    """Return all names that occur in a module, those in functions too; an import of ``*`` counts as that name."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and (
            isinstance(node.ctx, ast.Store) or node.id in ("globals", "exec", "vars", "setattr")
        ):
            names.add(node.id)
    return names
