"""The two labels, in words: what they are called, how they are shown, and which is the other.

In memory and in artefacts they are ``sing`` and ``nosing``, those of the paper, also where a classifier of one's own has
another label: then ``sing`` stands for that label, and what is shown to people says its name.
"""

from typing import Literal

from .errors import one_of

Label = Literal["sing", "nosing"]
SING = "sing"
BASE, TOTAL = "base", "all"  # what tables call a run itself among its variants, and all of them together
LABELS: tuple[Label, Label] = ("nosing", "sing")  # the paper's order of rows: first what was "no sing"


def label(sing: bool) -> Label:
    """Return the label of a decision."""
    return "sing" if sing else "nosing"


def opposite(name: Label) -> Label:
    """Return the other label: the target of an attack."""
    return "nosing" if one_of(name, LABELS, "label") == "sing" else "sing"


def towards(name: Label) -> int:
    """Return 1 where P(sing) grows towards a label, and -1 where it falls."""
    return 1 if one_of(name, LABELS, "label") == "sing" else -1


def title(name: Label, called: str = SING) -> str:
    """Return a label as it is shown: what "sing" is `called`, or "no" and that."""
    return called if one_of(name, LABELS, "label") == "sing" else f"no {called}"


def direction_title(original: Label, called: str = SING) -> str:
    """Return the direction of a flip as the paper writes it."""
    return f"“{title(original, called)}” → “{title(opposite(original), called)}”"


def in_figure(text: str) -> str:
    """Return a text as matplotlib shows it letter by letter: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
