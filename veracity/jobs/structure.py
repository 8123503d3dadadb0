"""What an artefact must look like by its dataclass: checked before it is written and after it was read."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import shortened

#: What numbers may be stored where a type is declared: NumPy's letters for their kinds.
KINDS = {bool: "b", int: "iu", float: "iuf", complex: "iufc"}
TEXTS = ("name", "label")  # units of arrays of texts


class MisfitError(ValueError):
    """An artefact is not what its dataclass declares; a clause that says in what."""


def check(artefact: Any, lengths: dict[str, int] | None = None) -> None:
    """Check an artefact against its dataclass; `lengths` are those of axes that it shares with the artefact it is part of.

    Raises
    ------
    MisfitError
        When a value is missing or of another type, or an array has other axes than declared, or another length along an axis
        than others along the axis of that name.
    """
    hints = typing.get_type_hints(type(artefact))
    lengths = {} if lengths is None else lengths
    for field in dataclasses.fields(artefact):
        name, hint, value = field.name, hints[field.name], getattr(artefact, field.name)
        if value is None:
            if types.NoneType not in typing.get_args(hint):
                raise MisfitError(f"{name} is missing")
        elif kinds := parts(hint):
            if type(value) not in kinds:
                raise MisfitError(f"{name} is no {' or '.join(kind.__name__ for kind in kinds)}")
            check(value, lengths)
        elif isinstance(value, Mapping):
            for member in value.values():
                check(member)
        elif "axes" in field.metadata:
            _check_array(np.asarray(value), field, lengths)
        else:
            letters = "U" if (declared := plain_type(hint)) is str else KINDS[declared]
            if np.ndim(value) or np.asarray(value).dtype.kind not in letters:
                raise MisfitError(f"{name} is {shortened(value)}, which is no {declared.__name__}")


def parts(hint: Any) -> list[type]:
    """Return the artefacts that a field may hold as its part: a dataclass, or those of a union."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [choice for choice in choices if isinstance(choice, type) and dataclasses.is_dataclass(choice)]


def plain_type(hint: Any) -> type:
    """Return the type of an attribute: of a union, the member that is not None."""
    return next((member for member in typing.get_args(hint) if member is not types.NoneType), hint)


def _check_array(values: np.ndarray, field: dataclasses.Field, lengths: dict[str, int]) -> None:
    name, axes, of = field.name, field.metadata["axes"], field.metadata["of"]
    kinds = "U" if field.metadata["unit"] in TEXTS else KINDS[of] + "b" * (of is float)
    if values.size and values.dtype.kind not in kinds:  # to NumPy, no texts are floats
        raise MisfitError(f"{name} holds values of type {values.dtype}")
    if values.ndim != len(axes):
        raise MisfitError(f"{name} has shape {values.shape}, declared axes are {axes}")
    for axis, n in zip(axes, values.shape, strict=True):
        if "|" not in axis and lengths.setdefault(axis, n) != n:
            raise MisfitError(f"{name} has {n} along {axis}, where others have {lengths[axis]}")
