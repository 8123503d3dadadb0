"""The two labels "sing" and "nosing", and how they are displayed.

Code and artefacts use ``sing`` and ``nosing``, as the paper does, even for a user-supplied classifier. There, ``sing`` stands
for the selected label of the classifier, and displayed texts contain the name of that label.
"""

from typing import Literal

from .errors import one_of

Label = Literal["sing", "nosing"]
SING = "sing"
BASE, TOTAL = "base", "all"  # reserved names in tables: the base run, and the total over it and its variants
LABELS: tuple[Label, Label] = ("nosing", "sing")  # order of rows as in the paper: original label "no sing" first


def label(sing: bool) -> Label:
    """Return the label of a decision."""
    return "sing" if sing else "nosing"


def opposite(name: Label) -> Label:
    """Return the other label, which is the target of an attack."""
    return "nosing" if one_of(name, LABELS, "label") == "sing" else "sing"


def towards(name: Label) -> int:
    """Return 1 if a larger P(sing) is evidence for the label, otherwise -1."""
    return 1 if one_of(name, LABELS, "label") == "sing" else -1


def title(name: Label, label_name: str = SING) -> str:
    """Return the display name of a label, which is `label_name` for "sing" and "no" followed by `label_name` for "nosing"."""
    return label_name if one_of(name, LABELS, "label") == "sing" else f"no {label_name}"


def direction_title(original: Label, label_name: str = SING) -> str:
    """Return the display name of the direction of a flip, in the notation of the paper."""
    return f"“{title(original, label_name)}” → “{title(opposite(original), label_name)}”"


def in_figure(text: str) -> str:
    """Escape dollar signs, which would start a formula in matplotlib."""
    return text.replace("$", r"\$")
