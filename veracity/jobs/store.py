"""Artefacts: frozen dataclasses of arrays, written to and read from HDF5 with one layout.

A field that is an array becomes a dataset with the attributes ``axes``, ``unit`` and ``description``; a number or a text
becomes an attribute of the file; an artefact becomes a group, and a dictionary of artefacts a group with one subgroup for each
key. Provenance (settings, seed, versions, digests of the inputs) is stored beside them as attributes. Identical content gives
identical bytes.

The first 512 bytes (HDF5's user block) hold the SHA-256 digest of all others, which is compared whenever a file is read.
Datasets also carry HDF5's own checksum (fletcher32), for readers without this package.
"""

import dataclasses
import hashlib
import io
import json
import os
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from ..errors import ArtefactError, shortened
from .files import replacing
from .structure import TEXTS, MisfitError, check, parts, plain_type

T = TypeVar("T")

SEAL = "veracity artefact 2, SHA-256 of all that follows these 512 bytes:\n{}\n"
SEAL_BYTES = 512  # the smallest user block of HDF5


def array(*axes: str, unit: str, doc: str, of: type = float, optional: bool = False) -> Any:
    """Declare a dataclass field that holds an array.

    Parameters
    ----------
    *axes : str
        What each axis counts, as ``"excerpt", "frame", "mel"``. In one artefact, axes of one name have one length; those with a
        choice (``"sample | frame"``) have any.
    unit : str
        Unit of the values; ``"1"`` for pure numbers, ``"name"`` or ``"label"`` for texts.
    doc : str
        One line for readers of the file.
    of : {float, int, bool}
        What the numbers are; a file with others is refused. Where floats are declared, whole numbers and truths pass.
    optional : bool
        Whether the field may be None; it is then left out of the file.
    """
    metadata = {"axes": axes, "unit": unit, "doc": doc, "of": of}
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

    Raises
    ------
    ValueError
        When the artefact is not what its dataclass declares.
    ArtefactError
        When the file cannot be written, as `veracity.jobs.files.replacing` describes.
    """
    check(artefact)
    # By way of memory: where the disk is full, HDF5 itself fails at closing the file and then takes the process with it.
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=SEAL_BYTES) as file:
        _write_group(file, artefact)
        for key, value in (provenance or {}).items():
            file.attrs[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    content = memory.getbuffer()
    content[:SEAL_BYTES] = _seal(content[SEAL_BYTES:])
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _seal(content: memoryview) -> bytes:
    return SEAL.format(hashlib.sha256(content).hexdigest()).encode().ljust(SEAL_BYTES)


def _write_group(group: h5py.Group, artefact: Any) -> None:
    group.attrs["artefact"] = type(artefact).__name__
    for field in dataclasses.fields(artefact):
        value = getattr(artefact, field.name)
        if dataclasses.is_dataclass(value):
            _write_group(_described_group(group, field), value)
        elif isinstance(value, Mapping):
            subgroup = _described_group(group, field)
            for key, member in value.items():
                _write_group(subgroup.create_group(key), member)
        elif value is not None and "axes" in field.metadata:
            _write_dataset(group, field, np.asarray(value))
        elif value is not None:
            group.attrs[field.name] = value


def _described_group(group: h5py.Group, field: dataclasses.Field) -> h5py.Group:
    subgroup = group.create_group(field.name)
    subgroup.attrs["description"] = field.metadata.get("doc", "")
    return subgroup


def _write_dataset(group: h5py.Group, field: dataclasses.Field, value: np.ndarray) -> None:
    if value.dtype.kind == "U" or (field.metadata["unit"] in TEXTS and not value.size):  # to NumPy, no texts are floats
        value = value.astype(h5py.string_dtype())
    # The shuffle filter lets compression see the exponents of floats beside each other.
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if value.nbytes > 65536 else {}
    has_checksum = value.size > 0 and value.dtype.kind != "O"  # HDF5 has none for texts
    dataset = group.create_dataset(field.name, data=value, fletcher32=has_checksum, **packing)
    dataset.attrs.update(_described(field))


def _described(field: dataclasses.Field) -> dict[str, str]:
    metadata = field.metadata
    return {"axes": ", ".join(metadata["axes"]), "unit": metadata["unit"], "description": metadata["doc"]}


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
        When the file is missing, damaged or was changed, is not what the dataclass declares, or holds another artefact.
    """
    with _opened(path) as file:
        return _read_group(file, kind)


def read_attributes(path: str | os.PathLike) -> dict[str, Any]:
    """Read the attributes of an artefact: numbers, texts and provenance.

    Raises
    ------
    ArtefactError
        When the file is missing, damaged or was changed.
    """
    with _opened(path) as file:
        return dict(file.attrs)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Open an artefact whose content is what was written, and explain in one sentence why it cannot be read."""
    if not Path(path).is_file():
        raise ArtefactError(f"{path}: does not exist or is not a file. Run snakemake for it.")
    try:
        content = Path(path).read_bytes()
        if content[:SEAL_BYTES] != _seal(memoryview(content)[SEAL_BYTES:]):
            raise MisfitError("its digest does not fit its content")
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}). Check the file and its permissions.") from None
    except MisfitError as error:
        raise ArtefactError(
            f"{path}: is truncated, damaged or not an artefact of this version ({error}). Delete it and run snakemake again."
        ) from None


def _read_group(group: h5py.Group, *kinds: type[T]) -> T:
    said = group.attrs.get("artefact")
    kind = next((kind for kind in kinds if kind.__name__ == said), None)
    if kind is None:
        raise MisfitError(f"it holds {shortened(said)} where {' or '.join(kind.__name__ for kind in kinds)} is expected")
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)  # type: ignore[arg-type]
    if unknown := sorted(set(group) - {field.name for field in fields}):
        raise MisfitError(f"{unknown[0]} is unknown")
    artefact = kind(**{field.name: _read_value(group, field, hints[field.name]) for field in fields})
    check(artefact)
    return artefact


def _read_value(group: h5py.Group, field: dataclasses.Field, hint: Any) -> Any:
    if "axes" not in field.metadata and field.name in group.attrs:
        return plain_type(hint)(group.attrs[field.name])
    if field.name not in group:
        return None  # `check` refuses it where it must be there
    member = group[field.name]
    if kinds := parts(hint):
        return _read_group(member, *kinds)
    if isinstance(member, h5py.Group):
        return {key: _read_group(subgroup, typing.get_args(hint)[1]) for key, subgroup in member.items()}
    if dict(member.attrs) != _described(field):
        raise MisfitError(f"{field.name} has other axes or another unit than declared")
    return member.asstr()[...].astype(str) if h5py.check_string_dtype(member.dtype) else member[...]


def layout(kind: type) -> list[tuple[str, str, str, str]]:
    """List what an artefact holds: name, axes, unit and description of each field, for documentation."""
    rows = []
    for field in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[field.name]
        kinds = [typing.get_args(hint)[1]] if typing.get_origin(hint) is dict else parts(hint)
        form = f"group of {' or '.join(kind.__name__ for kind in kinds)}" if kinds else "attribute"
        axes = ", ".join(field.metadata.get("axes", ())) or form
        rows.append((field.name, axes, field.metadata.get("unit", ""), field.metadata.get("doc", "")))
    return rows
