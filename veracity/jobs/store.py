"""Artefacts: frozen dataclasses of arrays, written to and read from HDF5 with one layout.

A field that is an array becomes a dataset with the attributes ``axes``, ``unit`` and ``description``; a number or a text
becomes an attribute of the file; an artefact becomes a group, and a dictionary of artefacts a group with one subgroup for each
key. Provenance (settings, seed, versions, digests of the inputs) is stored beside them as attributes. Identical content gives
identical bytes.

Lines of text stand before the HDF5 part, in its user block: the attributes once more, and digests of them and of that part.
What was damaged or changed since it was written is refused when it is read. Datasets of numbers carry HDF5's own checksum too
(fletcher32), for readers without this package.
"""

import dataclasses
import hashlib
import json
import os
import re
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import h5py
import numpy as np

from ..errors import ArtefactError
from .files import replacing
from .structure import TEXTS, MisfitError, check, is_group, kind_of, parts, plain_type

T = TypeVar("T")

SEAL = "veracity artefact 1, HDF5 after {:9} bytes of text:"
_FIRST_LINE = re.compile(rb"veracity artefact 1, HDF5 after +(\d+) bytes of text:\n")
SMALLEST_BLOCK = 512  # HDF5 looks for its beginning after this many bytes and after each doubling


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
    """
    # By way of memory: where the disk is full, HDF5 itself fails at closing the file and then takes the process with it.
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        _write_group(file, artefact)
        for key, value in (provenance or {}).items():
            file.attrs[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        check(file, type(artefact))
        file.flush()
        content = file.id.get_file_image()
        seal = _sealed(dict(file.attrs), content)
    with replacing(path) as temporary, temporary.open("wb") as out:
        out.write(seal)
        out.write(content)


def _sealed(attributes: Mapping[str, Any], content: bytes) -> bytes:
    """Return the text that stands before the content of a file."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}
    said = {"attributes": plain, "n_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return _block(json.dumps(said, sort_keys=True).encode())


def _block(said: bytes) -> bytes:
    text = said + b"\n" + hashlib.sha256(said).hexdigest().encode() + b"\n"
    size = SMALLEST_BLOCK
    while size < len(SEAL.format(0)) + 1 + len(text) + 1:  # a line break after the first line, and one at the end
        size *= 2
    return (SEAL.format(size).encode() + b"\n" + text).ljust(size - 1) + b"\n"


def _write_group(group: h5py.Group, artefact: Any) -> None:
    group.attrs["artefact"] = type(artefact).__name__
    for field in dataclasses.fields(artefact):
        value = getattr(artefact, field.name)
        if value is None:
            continue
        if dataclasses.is_dataclass(value):
            _write_group(_described_group(group, field), value)
        elif isinstance(value, Mapping):
            subgroup = _described_group(group, field)
            for key, member in value.items():
                _write_group(subgroup.create_group(key), member)
        elif "axes" in field.metadata:
            _write_dataset(group, field, np.asarray(value))
        else:
            group.attrs[field.name] = value


def _described_group(group: h5py.Group, field: dataclasses.Field) -> h5py.Group:
    subgroup = group.create_group(field.name)
    subgroup.attrs["description"] = field.metadata.get("doc", "")
    return subgroup


def _write_dataset(group: h5py.Group, field: dataclasses.Field, value: np.ndarray) -> None:
    if value.dtype.kind == "U" or (field.metadata["unit"] in TEXTS and not value.size):  # to NumPy, no texts are floats
        value = value.astype(h5py.string_dtype())
    # Compression pays for what is large; the shuffle filter lets it see the exponents of floats beside each other.
    is_large = value.nbytes > 65536
    packing: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if is_large else {}
    if value.size and value.dtype.kind in "biuf":  # HDF5 sums up numbers only, and in chunks only
        packing |= {"fletcher32": True, "chunks": True if is_large else value.shape}
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
        When the file is missing, damaged or was changed, is not what the dataclass declares, or holds another artefact.
    """
    with _told(path):
        with Path(path).open("rb") as sealed:
            if _read_seal(sealed)["sha256"] != hashlib.file_digest(sealed, "sha256").hexdigest():
                raise MisfitError("its content is not what was written")
        with h5py.File(path, "r") as file:
            check(file, kind)
            return _read_group(file, kind)


def read_attributes(path: str | os.PathLike) -> dict[str, Any]:
    """Read the attributes of an artefact: numbers, texts and provenance.

    It takes no longer for a large file: arrays are neither read nor checked.

    Raises
    ------
    ArtefactError
        When the file is missing, none of ours, truncated, or its attributes were damaged or changed.
    """
    with _told(path), Path(path).open("rb") as file:
        return _read_seal(file)["attributes"]


@contextmanager
def _told(path: str | os.PathLike) -> Iterator[None]:
    """Tell in one sentence why an artefact cannot be read."""
    if not Path(path).is_file():
        what = "is no file: move it away" if Path(path).exists() else "does not exist: run snakemake for it"
        raise ArtefactError(f"{path} {what}")
    try:
        yield
    except PermissionError:
        raise ArtefactError(f"{path} cannot be read without permission: change its rights and run snakemake again") from None
    # What HDF5 and NumPy say of a strange file is of many kinds, and means nothing to who did not write it.
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        why = str(error) if isinstance(error, MisfitError) else "HDF5 cannot read it"
        raise ArtefactError(
            f"{path} is truncated, damaged or not one of our HDF5 files ({why}): delete it and run snakemake again"
        ) from error


def _read_seal(file: BinaryIO) -> dict[str, Any]:
    """Read and check the text before the content of a file, and leave the file at that."""
    head = file.read(SMALLEST_BLOCK)
    first_line = _FIRST_LINE.match(head)
    if first_line is None:
        raise MisfitError("it has no seal, as those of earlier versions")
    size, there = int(first_line[1]), os.fstat(file.fileno()).st_size
    head += file.read(max(min(size, there) - len(head), 0))
    text = head[first_line.end() :].partition(b"\n")[0]
    if head != _block(text):
        raise MisfitError("its attributes are not what was written")
    said = json.loads(text)
    if there != size + said["n_bytes"]:
        raise MisfitError("it is shorter or longer than what was written")
    return said


def _read_group(group: h5py.Group, kind: type[T]) -> T:
    hints = typing.get_type_hints(kind)
    values = {f.name: _read_value(group, f, hints[f.name]) for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


def _read_value(group: h5py.Group, field: dataclasses.Field, hint: Any) -> Any:
    if field.name not in group and field.name not in group.attrs:
        return None  # `check` has seen that it may be absent
    if "axes" in field.metadata:
        return _read_dataset(group[field.name])
    if is_group(hint):
        return {key: _read_group(subgroup, typing.get_args(hint)[1]) for key, subgroup in group[field.name].items()}
    if kinds := parts(hint):
        return _read_group(group[field.name], kind_of(group[field.name], *kinds))
    return plain_type(hint)(group.attrs[field.name])


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
        elif kinds := [typing.get_args(hint)[1]] if is_group(hint) else parts(hint):
            named = " or ".join(kind.__name__ for kind in kinds)
            rows.append((field.name, f"group of {named}", "", field.metadata.get("doc", "")))
        else:
            rows.append((field.name, "attribute", "", field.metadata.get("doc", "")))
    return rows
