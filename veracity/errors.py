"""Errors that a user can mend.

The message of each is one sentence that names the file or key and the cure; scripts print it without a traceback.
"""

import difflib
import math
import numbers
import reprlib
from collections.abc import Collection
from typing import Any


class VeracityError(Exception):
    """Something in the user's hands is wrong; the message says what and how to mend it."""


class ConfigError(VeracityError):
    """A configuration key is unknown, missing or out of its range."""


class CorpusError(VeracityError):
    """Audio, labels or file lists of a corpus cannot be used."""


class CheckpointError(VeracityError):
    """A file does not hold the weights of a detector that we know."""


class ArtefactError(VeracityError):
    """A file written by an earlier stage cannot be read."""


class NumericalError(VeracityError):
    """A number that everything after depends on is not finite."""


class AuditError(VeracityError):
    """Tabulated values differ from direct evaluation by more than is allowed."""


def shortened(text: object, n: int = 80) -> str:
    """Return what a user's file holds as words of a sentence: on one line, printable, of at most `n` characters.

    What is not text is shown as `reprlib.repr` shows it, which does not follow deep or repeated nesting to its end.
    """
    try:
        whole = text if isinstance(text, str) else reprlib.repr(text)
    except ValueError:  # Python prints no integer of thousands of digits
        whole = f"{type(text).__name__} of many digits"
    part = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(whole[: 8 * n].split()))
    return part if len(part) <= n and len(whole) <= 8 * n else part[: n - 1].rstrip() + "…"


def one_of(value: object, allowed: Collection[str], what: str) -> Any:
    """Return `value` if it is one of a few words, and refuse anything else; `what` names it."""
    if isinstance(value, str) and value in allowed:
        return value
    *others, last = allowed
    words = f"{', '.join(others)} or {last}" if others else last
    raise ConfigError(f"unknown {what} {quoted(value)}: choose {words}{hint(value, allowed)}")


def hint(value: object, allowed: Collection[str]) -> str:
    """Return a question after the nearest of the words that are allowed, or nothing when none is near."""
    near = difflib.get_close_matches(str(value)[:80].lower(), list(allowed), n=1) if isinstance(value, str) else []
    return f" (did you mean '{near[0]}'?)" if near else ""


def within(value: Any, low: float, high: float, what: str, *, whole: bool = False) -> None:
    """Refuse anything but a number, or a whole number, from `low` to `high`; `what` names it."""
    is_number = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # NaN lies nowhere
        named = "whole number" if whole else "number"
        raise ConfigError(f"{what} is {quoted(value)}: give a {named} from {plain(low)} to {plain(high)}")


def plain(number: float) -> str:
    """Return a number as YAML reads it as one, which takes 1e-07 for text."""
    if not isinstance(number, float) or not math.isfinite(number):
        return str(number)
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa.removesuffix(".0")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"


def quoted(value: object) -> str:
    """Return a value of the user's as it is quoted in a sentence: text in quotation marks, all of it short."""
    return f"'{shortened(value)}'" if isinstance(value, str) else shortened(value)
