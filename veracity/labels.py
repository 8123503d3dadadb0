"""The two labels, in words: what they are called, how they are shown, and which is the other."""

from typing import Literal

from .errors import one_of

Label = Literal["sing", "nosing"]
LABELS: tuple[Label, Label] = ("nosing", "sing")  # the paper's order of rows: first what was "no sing"
TITLES = {"sing": "sing", "nosing": "no sing"}


def label(sing: bool) -> Label:
    """Return the label of a decision."""
    return "sing" if sing else "nosing"


def opposite(name: Label) -> Label:
    """Return the other label: the target of an attack."""
    return "nosing" if one_of(name, LABELS, "label") == "sing" else "sing"


def direction_title(original: Label) -> str:
    """Return the direction of a flip as the paper writes it."""
    return f"“{TITLES[one_of(original, LABELS, 'label')]}” → “{TITLES[opposite(original)]}”"
