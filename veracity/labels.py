"""The two labels, in words: what they are called, how they are shown, and which is the other."""

from typing import Literal

Label = Literal["sing", "nosing"]
LABELS: tuple[Label, Label] = ("nosing", "sing")  # the paper's order of rows: first what was "no sing"
TITLES = {"sing": "sing", "nosing": "no sing"}


def label(sing: bool) -> Label:
    """Return the label of a decision."""
    return "sing" if sing else "nosing"


def opposite(name: Label) -> Label:
    """Return the other label: the target of an attack."""
    return "nosing" if name == "sing" else "sing"


def direction_title(original: Label) -> str:
    """Return the direction of a flip as the paper writes it."""
    return f"“{TITLES[original]}” → “{TITLES[opposite(original)]}”"
