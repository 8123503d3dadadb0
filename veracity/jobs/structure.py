"""What the HDF5 file of an artefact must look like, from its dataclass: checked before any of its numbers is read.

What is checked is the file's own account of itself: groups and datasets, links, storage, types and shapes. A file that would
have another file read, or more memory than it has bytes for, is refused.
"""

import dataclasses
import math
import types
import typing
from typing import Any

import h5py
import numpy as np

from ..errors import shortened

#: What the kinds of HDF5's types may stand for: NumPy's letters for them.
KINDS = {bool: "b", int: "iu", float: "iuf", complex: "iufc"}
TEXTS = ("name", "label")  # units of arrays of texts
MOST_DEFLATED = 1032  # bytes that gzip can make of one


class MisfitError(ValueError):
    """A file is not what the dataclass declares; a clause that says in what."""


def check(group: h5py.Group, *kinds: type, lengths: dict[str, int] | None = None) -> None:
    """Check an artefact's group against its dataclass, one of `kinds`; `lengths` are those of axes that it shares with others.

    Raises
    ------
    MisfitError
        When a member is missing, unknown, of another sort, type or shape, lies outside the file, or is not there as a whole.
    """
    kind = kind_of(group, *kinds)
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    members = {f.name for f in fields if "axes" in f.metadata or is_group(hints[f.name]) or parts(hints[f.name])}
    if unknown := sorted(set(group) - members):
        raise MisfitError(f"{shortened(unknown[0])} is unknown")
    lengths = {} if lengths is None else lengths
    for field in fields:
        name, hint = field.name, hints[field.name]
        if name not in (set(group) if name in members else group.attrs):
            if types.NoneType not in typing.get_args(hint):
                raise MisfitError(f"{name} is missing")
        elif is_group(hint):
            members_of = _member(group, name, h5py.Group)
            for key in members_of:
                check(_member(members_of, key, h5py.Group), typing.get_args(hint)[1])
        elif of_part := parts(hint):
            check(_member(group, name, h5py.Group), *of_part, lengths=lengths)
        elif name in members:
            _check_dataset(_member(group, name, h5py.Dataset), field, lengths)
        else:
            _check_attribute(name, group.attrs[name], hint)


def is_group(hint: Any) -> bool:
    """Tell whether a field is a dictionary of artefacts."""
    return typing.get_origin(hint) is dict


def parts(hint: Any) -> list[type]:
    """Return the artefacts that a field may hold as its part: a dataclass, or those of a union."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [choice for choice in choices if isinstance(choice, type) and dataclasses.is_dataclass(choice)]


def kind_of(group: h5py.Group, *kinds: type) -> type:
    """Return which of some dataclasses a group says that it holds; raises MisfitError where that is none of them."""
    said = group.attrs.get("artefact")
    for kind in kinds:
        if kind.__name__ == said:
            return kind
    raise MisfitError(f"it holds {shortened(said)} where {' or '.join(kind.__name__ for kind in kinds)} is expected")


def plain_type(hint: Any) -> type:
    """Return the type of an attribute: of a union, the member that is not None."""
    return next((member for member in typing.get_args(hint) if member is not types.NoneType), hint)


def _member(group: h5py.Group, name: str, sort: type) -> Any:
    """Return a member that lies in the group itself and is a group, or a dataset, as it should."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise MisfitError(f"{shortened(name)} is a link")
    member = group[name]
    if not isinstance(member, sort):
        raise MisfitError(f"{shortened(name)} is no {sort.__name__.lower()}")
    return member


def _check_attribute(name: str, value: Any, hint: Any) -> None:
    declared = plain_type(hint)
    is_number = isinstance(value, np.generic) and value.dtype.kind in KINDS.get(declared, "")
    if not (isinstance(value, str) if declared is str else is_number):
        raise MisfitError(f"{name} is {shortened(value)}, which is no {declared.__name__}")


def _check_dataset(dataset: h5py.Dataset, field: dataclasses.Field, lengths: dict[str, int]) -> None:
    name, axes, unit = field.name, field.metadata["axes"], field.metadata["unit"]
    if dataset.is_virtual or dataset.external is not None:
        raise MisfitError(f"{name} lies in another file")
    if unit in TEXTS:
        fits = h5py.check_string_dtype(dataset.dtype) is not None
    else:
        fits = dataset.dtype.kind in KINDS[field.metadata["of"]] + "b" * (field.metadata["of"] is float)
    if not fits:
        raise MisfitError(f"{name} holds values of type {shortened(str(dataset.dtype))}")
    if dataset.shape is None or len(dataset.shape) != len(axes):
        raise MisfitError(f"{name} has shape {dataset.shape}, declared axes are {axes}")
    for said, declared in (("axes", ", ".join(axes)), ("unit", unit)):
        if dataset.attrs.get(said) != declared:
            raise MisfitError(f"{name} says {said} {shortened(dataset.attrs.get(said))}, declared is {declared}")
    for axis, n in zip(axes, dataset.shape, strict=True):
        if "|" not in axis and lengths.setdefault(axis, n) != n:
            raise MisfitError(f"{name} has {n} along {axis}, where others have {lengths[axis]}")
    if not _is_whole(dataset):
        raise MisfitError(f"{name} lacks a part of its {dataset.size} values")


def _is_whole(dataset: h5py.Dataset) -> bool:
    """Tell whether the file has bytes for all values; what is left out would be made up, in any size."""
    n_bytes, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if dataset.chunks is None:
        return stored >= n_bytes
    n_chunks = math.prod(-(-n // chunk) for n, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return dataset.id.get_num_chunks() == n_chunks and stored * MOST_DEFLATED >= n_bytes
