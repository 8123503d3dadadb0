"""Errors that users can fix.

Each message reads ``<file or key>: <problem>, got <value>. <Cure in the imperative>.`` Scripts print it without a traceback.
"""

import difflib
import math
import numbers
import reprlib
from collections.abc import Collection
from typing import Any


class VeracityError(Exception):
    """Base class of errors caused by user input; the message describes the problem and its cure."""


class ConfigError(VeracityError):
    """Raised for a configuration key that is unknown or out of range, or for an invalid model or explainer that it names."""


class CorpusError(VeracityError):
    """Raised for invalid audio, labels or file lists of a corpus."""


class CheckpointError(VeracityError):
    """Raised if a file does not contain the weights of a supported detector."""


class ArtefactError(VeracityError):
    """Raised if an artefact of an earlier stage cannot be read."""


class NumericalError(VeracityError):
    """Raised if a value on which later results depend is not finite."""


class AuditError(VeracityError):
    """Raised if audited values differ from direct evaluation by more than the tolerance."""


def shortened(text: object, n: int = 80) -> str:
    """Return user input as text for a message: on one line, printable, and at most `n` characters long.

    Values other than text are represented by `reprlib.repr`, which truncates deep or recursive nesting.
    """
    try:
        whole = text if isinstance(text, str) else reprlib.repr(text)
    except ValueError:  # Python refuses to print integers with thousands of digits
        whole = f"{type(text).__name__} with many digits"
    part = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(whole[: 8 * n].split()))
    return part if len(part) <= n and len(whole) <= 8 * n else part[: n - 1].rstrip() + "…"


def one_of(value: object, allowed: Collection[str], what: str) -> Any:
    """Return a value if it is one of the allowed words.

    Parameters
    ----------
    value : object
        User input.
    allowed : collection of str
        Allowed words.
    what : str
        Name or key of the value in the error message.

    Returns
    -------
    str
        `value`.

    Raises
    ------
    ConfigError
        If the value is not an allowed word. The message suggests a similar word if there is one.
    """
    if isinstance(value, str) and value in allowed:
        return value
    *others, last = allowed
    words = f"{', '.join(others)} or {last}" if others else last
    near = hint(value, allowed).strip(" ()")
    question = f" {near[0].upper()}{near[1:]}" if near else ""
    raise ConfigError(f"{what}: must be {'one of ' if len(others) > 1 else ''}{words}, got {quoted(value)}.{question}")


def hint(value: object, allowed: Collection[str]) -> str:
    """Return a question that suggests the most similar allowed word, or an empty string if none is similar."""
    near = difflib.get_close_matches(str(value)[:80].lower(), list(allowed), n=1) if isinstance(value, str) else []
    return f" (did you mean '{near[0]}'?)" if near else ""


def within(value: Any, low: float, high: float, what: str, *, whole: bool = False) -> None:
    """Check that a value is a number in a range.

    Parameters
    ----------
    value : object
        User input.
    low, high : float
        Limits of the range, both included.
    what : str
        Name or key of the value in the error message.
    whole : bool
        Whether the number must be an integer, False by default.

    Raises
    ------
    ConfigError
        If the value is not such a number.
    """
    is_number = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # also rejects NaN
        named = "whole number" if whole else "number"
        raise ConfigError(f"{what}: must be a {named} from {plain(low)} to {plain(high)}, got {quoted(value)}.")


def plain(number: float) -> str:
    """Return a number in a notation that YAML reads as a number; YAML reads 1e-07 as text."""
    if not isinstance(number, float) or not math.isfinite(number):
        return str(number)
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"


def quoted(value: object) -> str:
    """Return user input for quoting in a message: shortened, with quotation marks around text."""
    return f"'{shortened(value)}'" if isinstance(value, str) else shortened(value)
