"""Validation of artefacts against their dataclasses, before writing and after reading."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import quoted

#: NumPy kinds of the numbers that are accepted for a declared type.
KINDS = {bool: "b", int: "iu", float: "iuf", complex: "iufc"}
TEXTS = ("name", "label")  # units of arrays that contain texts


class MisfitError(ValueError):
    """Error of an artefact that does not match its dataclass; the message is a clause that describes the difference."""


def check(artefact: Any, lengths: dict[str, int] | None = None) -> None:
    """Raise MisfitError if a value of an artefact is missing or has the wrong type, or if axes do not match.

    `lengths` contains the lengths of axes by name, which nested artefacts share. New axes are added to it.
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
                raise MisfitError(f"{name} is not a {' or '.join(kind.__name__ for kind in kinds)}")
            check(value, lengths)
        elif isinstance(value, Mapping):
            for member in value.values():
                check(member)
        elif "axes" in field.metadata:
            _check_array(np.asarray(value), field, lengths)
        else:
            letters = "U" if (declared := plain_type(hint)) is str else KINDS[declared]
            if np.ndim(value) or np.asarray(value).dtype.kind not in letters:
                raise MisfitError(f"{name} must be of type {declared.__name__}, got {quoted(value)}")


def parts(hint: Any) -> list[type]:
    """Return the dataclasses of a nested artefact given its type hint; empty for other fields."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [choice for choice in choices if isinstance(choice, type) and dataclasses.is_dataclass(choice)]


def plain_type(hint: Any) -> type:
    """Return the type of an attribute given its type hint; for a union, the first member other than None."""
    return next((member for member in typing.get_args(hint) if member is not types.NoneType), hint)


def _check_array(values: np.ndarray, field: dataclasses.Field, lengths: dict[str, int]) -> None:
    name, axes, of = field.name, field.metadata["axes"], field.metadata["of"]
    kinds = "U" if field.metadata["unit"] in TEXTS else KINDS[of] + "b" * (of is float)
    if values.size and values.dtype.kind not in kinds:  # np.asarray([]) has dtype float
        raise MisfitError(f"{name} has values of type {values.dtype}")
    if values.ndim != len(axes):
        raise MisfitError(f"{name} must have the axes {axes}, got shape {values.shape}")
    for axis, n in zip(axes, values.shape, strict=True):
        if "|" not in axis and lengths.setdefault(axis, n) != n:
            raise MisfitError(f"{name} must have the length {lengths[axis]} along {axis}, got {n}")
