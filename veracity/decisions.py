"""The two facts that everything else asks for: whether this is "sing", and whether it flipped.

Both work alike on NumPy arrays and torch tensors. Comparisons with the threshold are strict, as in the paper.
"""

from typing import Any, Literal

Label = Literal["sing", "nosing"]
LABELS: tuple[Label, Label] = ("nosing", "sing")  # the paper's order of rows: first what was "no sing"
TITLES = {"sing": "sing", "nosing": "no sing"}


def is_sing(p_sing: Any, threshold: float) -> Any:
    """Tell whether P(sing) means "sing": strictly above the threshold."""
    return p_sing > threshold


def flipped(p_sing: Any, threshold: float, was_sing: Any) -> Any:
    """Tell whether P(sing) lies on the other side of the threshold than a decision `was_sing`."""
    return is_sing(p_sing, threshold) != was_sing


def label(sing: bool) -> Label:
    """Return the label of a decision."""
    return "sing" if sing else "nosing"


def opposite(name: Label) -> Label:
    """Return the other label: the target of an attack."""
    return "nosing" if name == "sing" else "sing"


def direction_title(original: Label) -> str:
    """Return the direction of a flip as the paper writes it."""
    return f"“{TITLES[original]}” → “{TITLES[opposite(original)]}”"
