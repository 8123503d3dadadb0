"""Artefacts: frozen dataclasses that are written to and read from HDF5 files with one layout.

Arrays become datasets with the attributes ``axes``, ``unit`` and ``description``. Numbers and texts become attributes of the
file. A nested artefact becomes a group, and a dictionary of artefacts becomes a group with one subgroup for each key.
Provenance (settings, seed, versions, digests of the inputs) is stored as further attributes. Identical content gives identical
bytes.

The first 512 bytes (HDF5's user block) contain the SHA-256 digest of all other bytes. It is verified whenever a file is read.
Datasets also have the checksum of HDF5 (fletcher32) for readers without this package.
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
SEAL_BYTES = 512  # smallest user block of HDF5


def array(*axes: str, unit: str, doc: str, of: type = float, optional: bool = False) -> Any:
    """Declare a dataclass field that contains an array.

    Parameters
    ----------
    *axes : str
        Names of the axes, such as ``"excerpt", "frame", "mel"``. Axes with the same name in one artefact have the same length.
        Names with alternatives (``"sample | frame"``) allow any length.
    unit : str
        Unit of the values: ``"1"`` for dimensionless numbers, ``"name"`` or ``"label"`` for texts.
    doc : str
        Description of the field in one line, stored in the file.
    of : {float, int, bool, complex}
        Type of the values, float by default. Values of other types are rejected, except that integers and booleans are accepted
        as floats, and real numbers as complex ones.
    optional : bool
        Whether the field may be None, False by default. Such a field is omitted from the file.
    """
    metadata = {"axes": axes, "unit": unit, "doc": doc, "of": of}
    return dataclasses.field(metadata=metadata, default=None) if optional else dataclasses.field(metadata=metadata)


def note(doc: str, **kwargs: Any) -> Any:
    """Declare a dataclass field that contains a number, a text or a group; `kwargs` are those of `dataclasses.field`."""
    return dataclasses.field(metadata={"doc": doc}, **kwargs)


def write(path: str | os.PathLike, artefact: Any, provenance: Mapping[str, Any] | None = None) -> None:
    """Write an artefact atomically.

    Parameters
    ----------
    path : path-like
        HDF5 file.
    artefact : dataclass instance
        Artefact, whose fields are declared by `array` and `note`.
    provenance : mapping, optional
        Provenance of the artefact; see `veracity.jobs.provenance.describe`. Values other than texts are stored as JSON.

    Raises
    ------
    ValueError
        If the artefact does not match the declarations of its dataclass.
    ArtefactError
        If the file cannot be written; see `veracity.jobs.files.replacing`.
    """
    check(artefact)
    # The file is first created in memory, because HDF5 can crash the process when it closes a file on a full disk.
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
        if dataclasses.is_dataclass(value) or isinstance(value, Mapping):
            subgroup = group.create_group(field.name)
            subgroup.attrs["description"] = field.metadata.get("doc", "")
            if dataclasses.is_dataclass(value):
                _write_group(subgroup, value)
            else:
                for key, member in value.items():
                    _write_group(subgroup.create_group(key), member)
        elif value is not None and "axes" in field.metadata:
            _write_dataset(group, field, np.asarray(value))
        elif value is not None:
            group.attrs[field.name] = value


def _write_dataset(group: h5py.Group, field: dataclasses.Field, value: np.ndarray) -> None:
    if value.dtype.kind == "U" or (field.metadata["unit"] in TEXTS and not value.size):  # np.asarray([]) has dtype float
        value = value.astype(h5py.string_dtype())
    # The shuffle filter improves compression, because it groups the exponents of floats.
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if value.nbytes > 65536 else {}
    has_checksum = value.size > 0 and value.dtype.kind != "O"  # HDF5 does not support checksums of texts
    dataset = group.create_dataset(field.name, data=value, fletcher32=has_checksum, **packing)
    dataset.attrs.update(_described(field))


def _described(field: dataclasses.Field) -> dict[str, str]:
    metadata = field.metadata
    return {"axes": ", ".join(metadata["axes"]), "unit": metadata["unit"], "description": metadata["doc"]}


def read(path: str | os.PathLike, kind: type[T]) -> T:
    """Read an artefact of a dataclass; raise ArtefactError if the file is missing, damaged, modified or of another class."""
    with _opened(path) as file:
        artefact = _read_group(file, kind)
        check(artefact)
        return artefact


def read_attributes(path: str | os.PathLike) -> dict[str, Any]:
    """Return the numbers, texts and provenance of an artefact; raise ArtefactError as `read` does."""
    with _opened(path) as file:
        return dict(file.attrs)


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Open an artefact after verifying its digest; raise ArtefactError if it cannot be read."""
    if not Path(path).is_file():
        raise ArtefactError(f"{path}: does not exist or is not a file. Run snakemake to create it.")
    try:
        content = Path(path).read_bytes()
        if content[:SEAL_BYTES] != _seal(memoryview(content)[SEAL_BYTES:]):
            raise MisfitError("digest does not match the content")
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}). Check the file and its permissions.") from None
    except MisfitError as error:
        raise ArtefactError(
            f"{path}: is truncated, damaged or not an artefact of this version ({error}). Delete it and run snakemake again."
        ) from None


def _read_group(group: h5py.Group, *kinds: type[T]) -> T:
    written = group.attrs.get("artefact")
    kind = next((kind for kind in kinds if kind.__name__ == written), None)
    if kind is None:
        raise MisfitError(f"expected {' or '.join(kind.__name__ for kind in kinds)}, got {shortened(written)}")
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)  # type: ignore[arg-type]
    if unknown := sorted(set(group) - {field.name for field in fields}):
        raise MisfitError(f"unknown field {unknown[0]}")
    return kind(**{field.name: _read_value(group, field, hints[field.name]) for field in fields})


def _read_value(group: h5py.Group, field: dataclasses.Field, hint: Any) -> Any:
    if "axes" not in field.metadata and field.name in group.attrs:
        return plain_type(hint)(group.attrs[field.name])
    if field.name not in group:
        return None  # `check` raises if the field is required
    member = group[field.name]
    if kinds := parts(hint):
        return _read_group(member, *kinds)
    if isinstance(member, h5py.Group):
        return {key: _read_group(subgroup, typing.get_args(hint)[1]) for key, subgroup in member.items()}
    if dict(member.attrs) != _described(field):
        raise MisfitError(f"attributes of {field.name} do not match the declaration")
    return member.asstr()[...].astype(str) if h5py.check_string_dtype(member.dtype) else member[...]


def layout(kind: type) -> list[tuple[str, str, str, str]]:
    """Return name, axes, unit and description of each field of an artefact, for the documentation."""
    rows = []
    for field in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[field.name]
        kinds = [typing.get_args(hint)[1]] if typing.get_origin(hint) is dict else parts(hint)
        form = f"group of {' or '.join(kind.__name__ for kind in kinds)}" if kinds else "attribute"
        axes = ", ".join(field.metadata.get("axes", ())) or form
        rows.append((field.name, axes, field.metadata.get("unit", ""), field.metadata.get("doc", "")))
    return rows
