"""Checks of user-supplied callables without importing them."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import ConfigError, hint, quoted, shortened
from ..jobs.callables import path_of_jobs, spec_of


def check_callable(target: str, key: str, options: Iterable[str] = ()) -> None:
    """Check, without importing it, that jobs can import a callable and that it accepts keyword arguments.

    Parameters
    ----------
    target : str
        Callable in the notation ``module:callable``.
    key : str
        Configuration key of the callable, for error messages.
    options : iterable of str
        Names of keyword arguments, by default none.

    Raises
    ------
    ConfigError
        If jobs cannot find the module, its source does not define the name, or the callable does not accept an argument.
    """
    module, _, name = target.partition(":")
    spec = spec_of(module, path_of_jobs())
    if spec is None or (spec.origin is None and spec.submodule_search_locations is not None):  # a namespace package
        raise ConfigError(f"{key}: no module {shortened(module)}, got {quoted(target)}. Put its folder on PYTHONPATH.")
    source = Path(spec.origin or "")
    if source.suffix != ".py" or not source.is_file():
        return  # compiled or in an archive, so that its names are known only after import
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        raise ConfigError(
            f"{key}: {source} cannot be read as Python ({shortened(str(error))}), got {quoted(target)}. Correct it."
        ) from None
    words = set(
        re.findall(r"\w+|(?<=import )[*]", ast.unparse(tree))
    )  # a name that is only used counts, too: its import will fail
    if name not in words and not words & {"*", "__getattr__", "globals", "exec", "vars", "setattr"}:
        cure = f"Name what it defines{hint(name, words)}"
        raise ConfigError(f"{key}: {source} does not define {shortened(name)}, got {quoted(target)}. {cure}.")
    defines = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(defines) != 1 or defines[0].decorator_list or defines[0].args.kwarg:
        return
    known = [argument.arg for argument in (*defines[0].args.args[1:], *defines[0].args.kwonlyargs)]
    for option in options:
        if option not in known:
            cure = f"Choose from {', '.join(known)}" if known else "Leave it out, because it has no options"
            raise ConfigError(f"{key}: unknown option of {target}, got {quoted(option)}. {cure}{hint(option, known)}.")
