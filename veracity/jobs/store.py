"""Artefacts: frozen dataclasses of arrays, written to and read from HDF5 with one layout.

A field that is an array becomes a dataset with the attributes ``axes``, ``unit`` and ``description``; a number or a text
becomes an attribute of the file; a dictionary of artefacts becomes a group with one subgroup for each key. Provenance
(settings, seed, versions, digests of the inputs) is stored beside them as attributes. Identical content gives identical bytes.
"""

import dataclasses
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from ..errors import ArtefactError
from .files import replacing

T = TypeVar("T")


def array(*axes: str, unit: str, doc: str, optional: bool = False) -> Any:
    """Declare a dataclass field that holds an array.

    Parameters
    ----------
    *axes : str
        What each axis counts, as ``"excerpt", "frame", "mel"``.
    unit : str
        Unit of the values; ``"1"`` for pure numbers.
    doc : str
        One line for readers of the file.
    optional : bool
        Whether the field may be None; it is then left out of the file.
    """
    metadata = {"axes": axes, "unit": unit, "doc": doc}
    return dataclasses.field(metadata=metadata, default=None) if optional else dataclasses.field(metadata=metadata)


def note(doc: str, **kwargs: Any) -> Any:
    """Declare a dataclass field that holds a number, a text or a group, with one line for readers of the file."""
    return dataclasses.field(metadata={"doc": doc}, **kwargs)


def write(path: str | os.PathLike, artefact: Any, provenance: Mapping[str, Any] | None = None) -> None:
    """Write an artefact whole or not at all.

    Parameters
    ----------
    path : path-like
        The HDF5 file.
    artefact : dataclass instance
        Its arrays, numbers, texts and groups are stored.
    provenance : mapping, optional
        What made it (`veracity.jobs.provenance.describe`); values are stored as JSON attributes.
    """
    # By way of memory: where the disk is full, HDF5 itself fails at closing the file and then takes the process with it.
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        _write_group(file, artefact)
        for key, value in (provenance or {}).items():
            file.attrs[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        file.flush()
        content = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _write_group(group: h5py.Group, artefact: Any) -> None:
    group.attrs["artefact"] = type(artefact).__name__
    for field in dataclasses.fields(artefact):
        value = getattr(artefact, field.name)
        if value is None:
            continue
        if isinstance(value, Mapping):
            subgroup = group.create_group(field.name)
            subgroup.attrs["description"] = field.metadata.get("doc", "")
            for key, member in value.items():
                _write_group(subgroup.create_group(key), member)
        elif "axes" in field.metadata:
            _write_dataset(group, field, np.asarray(value))
        else:
            group.attrs[field.name] = value


def _write_dataset(group: h5py.Group, field: dataclasses.Field, value: np.ndarray) -> None:
    if len(field.metadata["axes"]) != value.ndim:
        raise ValueError(f"{field.name} has shape {value.shape}, declared axes are {field.metadata['axes']}")
    if value.dtype.kind == "U":
        value = value.astype(h5py.string_dtype())
    # Compression pays for what is large; the shuffle filter lets it see the exponents of floats beside each other.
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if value.nbytes > 65536 else {}
    dataset = group.create_dataset(field.name, data=value, **packing)
    dataset.attrs["axes"] = ", ".join(field.metadata["axes"])
    dataset.attrs["unit"] = field.metadata["unit"]
    dataset.attrs["description"] = field.metadata["doc"]


def read(path: str | os.PathLike, kind: type[T]) -> T:
    """Read an artefact back.

    Parameters
    ----------
    path : path-like
        A file written by `write`.
    kind : type
        The dataclass that was written.

    Raises
    ------
    ArtefactError
        When the file is missing, truncated, lacks a field that is not optional, or holds another artefact.
    """
    with _open(path) as file:
        try:
            return _read_group(file, kind, path)
        except (OSError, KeyError, RuntimeError) as error:
            raise ArtefactError(_damaged(path, error)) from error


def read_attributes(path: str | os.PathLike) -> dict[str, Any]:
    """Read the attributes of an artefact: numbers, texts and provenance, as they stand in the file."""
    with _open(path) as file:
        return dict(file.attrs)


def _open(path: str | os.PathLike) -> h5py.File:
    if not Path(path).exists():
        raise ArtefactError(f"{path} does not exist: run snakemake for it")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ArtefactError(_damaged(path, error)) from error


def _damaged(path: str | os.PathLike, error: Exception) -> str:
    return f"{path} is truncated or not one of our HDF5 files ({error}): delete it and run snakemake again"


def _read_group(group: h5py.Group, kind: type[T], path: str | os.PathLike) -> T:
    if group.attrs.get("artefact") != kind.__name__:
        found = group.attrs.get("artefact", "something unknown")
        raise ArtefactError(f"{path} holds {found} where {kind.__name__} is expected: delete it and run snakemake again")
    hints = typing.get_type_hints(kind)
    values = {f.name: _read_value(group, f, hints[f.name], path) for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


def _read_value(group: h5py.Group, field: dataclasses.Field, hint: Any, path: str | os.PathLike) -> Any:
    if type(None) in typing.get_args(hint) and field.name not in group and field.name not in group.attrs:
        return None
    if "axes" in field.metadata:
        return _read_dataset(group[field.name])
    if typing.get_origin(hint) is dict:
        member = typing.get_args(hint)[1]
        return {key: _read_group(subgroup, member, path) for key, subgroup in group[field.name].items()}
    value = group.attrs[field.name]
    return value if isinstance(value, str) else _plain(value, hint)


def _plain(value: Any, hint: Any) -> Any:
    """Turn an HDF5 scalar into the Python type that the field declares (the first member of a union)."""
    if isinstance(hint, types.UnionType):
        hint = next(member for member in typing.get_args(hint) if member is not type(None))
    return hint(value)


def _read_dataset(dataset: h5py.Dataset) -> np.ndarray:
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return dataset.asstr()[...].astype(str)
    return dataset[...]


def layout(kind: type) -> list[tuple[str, str, str, str]]:
    """List what an artefact holds: name, axes, unit and description of each field, for documentation."""
    rows = []
    for field in dataclasses.fields(kind):
        axes = field.metadata.get("axes")
        hint = typing.get_type_hints(kind)[field.name]
        if axes is not None:
            rows.append((field.name, ", ".join(axes), field.metadata["unit"], field.metadata["doc"]))
        elif typing.get_origin(hint) is dict:
            member = typing.get_args(hint)[1].__name__
            rows.append((field.name, f"group of {member}", "", field.metadata.get("doc", "")))
        else:
            rows.append((field.name, "attribute", "", field.metadata.get("doc", "")))
    return rows
