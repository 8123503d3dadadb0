"""Artefacts in HDF5 files: they are read as written, or rejected with a helpful message."""

import dataclasses
import hashlib
import json
import os
import runpy
import subprocess
import time
import typing
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veracity.attacks.excerpts import Excerpts
from veracity.detector.predictions import Predictions, SongPrediction
from veracity.errors import ArtefactError
from veracity.experiments.flips import AllSets
from veracity.jobs import store, structure
from veracity.jobs.provenance import describe
from veracity.jobs.tensors import load_tensors, save_tensors
from veracity.songs.spectra import Spectrogram

KINDS = list(runpy.run_path(str(Path(__file__).resolve().parents[1] / "docs" / "artefacts.py"))["FILES"])


@dataclass(frozen=True, kw_only=True)
class Long:
    """A part of an artefact."""

    more: np.ndarray = store.array("row", unit="1", doc="numbers along an axis of the whole")


@dataclass(frozen=True, kw_only=True)
class Short:
    """Alternative to the part of an artefact."""

    why: str = store.note("a text")


@dataclass(frozen=True, kw_only=True)
class Everything:
    """Artefact with one field of each kind."""

    text: str = store.note("a text")
    count: int = store.note("a count")
    ratio: float = store.note("a ratio")
    yes: bool = store.note("a truth")
    perhaps: float | None = store.note("a number or nothing")
    names: np.ndarray = store.array("item", unit="name", doc="texts")
    matrix: np.ndarray = store.array("row", "column", unit="m", doc="numbers")
    flags: np.ndarray = store.array("row", unit="1", doc="truths")
    whole: np.ndarray = store.array("part", unit="1", doc="whole numbers", of=int)
    truths: np.ndarray = store.array("part", unit="1", doc="truths that are declared", of=bool)
    extra: np.ndarray | None = store.array("row", unit="s", doc="may be absent", optional=True)
    part: Long | Short = store.note("one of two parts")


def everything(**changes):
    values = {
        "text": "Bucle Paranoideal, é",
        "count": 3,
        "ratio": 0.1,
        "yes": True,
        "perhaps": None,
        "names": np.array(["sing", "nosing", "ß"]),
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "flags": np.array([True, False]),
        "whole": np.array([-1, 2]),
        "truths": np.array([False, True]),
        "part": Long(more=np.ones(len(changes.get("flags", "ab")))),
    }
    return Everything(**{**values, **changes})


def spectrogram(n_frames=300, seed=0):
    rng = np.random.default_rng(seed)
    return Spectrogram(
        song="05-dance",
        split="test",
        label_overhang_seconds=-0.5,
        magnitude=rng.random((n_frames, 513), dtype=np.float32),
        log_mel=rng.normal(size=(n_frames, 80)).astype(np.float32),
        is_sing=rng.random(n_frames) < 0.5,
    )


def predictions():
    songs = {
        name: SongPrediction(split="valid", logit=np.full(n, n / 3), p_sing_smooth=np.ones(n), is_sing=np.ones(n, dtype=bool))
        for name, n in [("zebra", 3), ("aux-cieux", 5)]
    }
    return Predictions(detector="seed0", threshold=0.39, threshold_source="given", songs=songs)


def assert_same(one, other):
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, strict=a.dtype.kind != "U")
        elif dataclasses.is_dataclass(a):
            assert_same(a, b)
        elif isinstance(a, dict):
            assert a.keys() == b.keys()
            for key in a:
                assert_same(a[key], b[key])
        else:
            assert type(a) is type(b), field.name
            np.testing.assert_equal(a, b, field.name)  # NaN is NaN


def filled(kind, rng):
    """Return an artefact of a kind with some value in each of its fields."""
    values = {}
    for name, axes, unit, _ in store.layout(kind):
        if axes == "attribute":
            hint = structure.plain_type(typing.get_type_hints(kind)[name])
            values[name] = {str: "some text", int: 7, float: 0.25, bool: False}[hint]
        elif axes.startswith("group of"):
            hint = typing.get_type_hints(kind)[name]
            first = next(iter(structure.parts(hint)), None)
            values[name] = filled(first, rng) if first else {"a-song": filled(typing.get_args(hint)[1], rng)}
        else:
            of = str if unit in structure.TEXTS else kind.__dataclass_fields__[name].metadata["of"]
            values[name] = (2 * rng.random((2,) * len(axes.split(", ")))).astype(of)
    return kind(**values)


# --- There and back


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_artefact_comes_back_as_it_was(tmp_path, kind):
    artefact = filled(kind, np.random.default_rng(0))
    store.write(tmp_path / "a.h5", artefact, describe(settings={"k": [1, 2]}, seed=3))
    assert_same(store.read(tmp_path / "a.h5", kind), artefact)


def test_a_large_array_comes_back_bit_for_bit(tmp_path):
    artefact = spectrogram()
    assert artefact.magnitude.nbytes > 65536
    store.write(tmp_path / "a.h5", artefact)
    assert_same(store.read(tmp_path / "a.h5", Spectrogram), artefact)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["magnitude"].compression == "gzip"
        assert file["is_sing"].compression is None


@pytest.mark.parametrize("extra", [None, np.array([1.5, np.nan])])
def test_every_sort_of_field_comes_back_with_its_type(tmp_path, extra):
    changes = {} if extra is None else {"extra": extra, "perhaps": 2.5, "part": Short(why="none")}
    artefact = everything(**changes)
    store.write(tmp_path / "a.h5", artefact)
    assert_same(store.read(tmp_path / "a.h5", Everything), artefact)


def test_empty_arrays_come_back(tmp_path):
    artefact = everything(names=np.array([], dtype=str), matrix=np.empty((0, 3)), flags=np.empty(0, dtype=bool))
    store.write(tmp_path / "a.h5", artefact)
    back = store.read(tmp_path / "a.h5", Everything)
    assert_same(back, artefact)
    assert back.names.dtype.kind == "U"


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["float64", "float32", "int64", "uint8", "int8", "bool"]).flatmap(
        lambda dtype: arrays(dtype, st.tuples(st.integers(0, 4), st.integers(0, 4)))
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
)
def test_any_numbers_and_text_come_back(tmp_path_factory, matrix, text):
    path = tmp_path_factory.mktemp("any") / "a.h5"
    artefact = everything(matrix=matrix, text=text, flags=np.ones(len(matrix), dtype=bool))
    store.write(path, artefact)
    assert_same(store.read(path, Everything), artefact)


def test_groups_come_back_under_their_names(tmp_path):
    store.write(tmp_path / "a.h5", predictions())
    back = store.read(tmp_path / "a.h5", Predictions)
    assert_same(back, predictions())
    assert len(back.songs["zebra"].logit) == 3
    assert isinstance(back.threshold, float)


# --- reading without this package


def test_arrays_carry_axes_unit_and_description(tmp_path):
    store.write(tmp_path / "a.h5", spectrogram(3))
    with h5py.File(tmp_path / "a.h5") as file:
        attributes = dict(file["magnitude"].attrs)
        assert file.attrs["artefact"] == "Spectrogram"
        assert file.attrs["song"] == "05-dance"
    assert attributes == {
        "axes": "frame, bin",
        "unit": "linear magnitude",
        "description": "short-time Fourier magnitudes, float16",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_array_of_every_artefact_says_what_it_holds(tmp_path, kind):
    store.write(tmp_path / "a.h5", filled(kind, np.random.default_rng(0)))
    found = []
    with h5py.File(tmp_path / "a.h5") as file:
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        for dataset in found:
            assert set(dataset.attrs) == {"axes", "unit", "description"}
            assert all(dataset.attrs.values())
            assert len(dataset.attrs["axes"].split(", ")) == dataset.ndim
    assert found


def test_provenance_is_stored_beside_the_numbers(tmp_path):
    store.write(tmp_path / "a.h5", spectrogram(2), {"settings": '{"a": 1}', "seed": 5, "nested": {"b": [1, 2], "a": None}})
    attributes = store.read_attributes(tmp_path / "a.h5")
    assert attributes["settings"] == '{"a": 1}'
    assert json.loads(attributes["seed"]) == 5
    assert attributes["nested"] == '{"a": null, "b": [1, 2]}'
    assert attributes["split"] == "test"


def test_layout_lists_every_field():
    rows = {name: rest for name, *rest in store.layout(Predictions)}
    assert rows["threshold"] == ["attribute", "", "the decision is sing if P(sing) > threshold"]
    assert rows["songs"] == ["group of SongPrediction", "", "one group per song"]
    assert ("best", "excerpt, k", "1", "whether any set of 1, 2, ... segments flips the label") in store.layout(AllSets)
    assert [row[0] for row in store.layout(Everything)] == [field.name for field in dataclasses.fields(Everything)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_layout_of_every_artefact_explains_itself(kind):
    for name, axes, unit, doc in store.layout(kind):
        assert doc, name
        assert unit or axes == "attribute" or axes.startswith("group of"), name


# --- Bytes


def test_equal_content_gives_equal_bytes_under_any_name_and_at_any_time(tmp_path):
    store.write(tmp_path / "a.h5", predictions(), describe(settings={"x": 1, "a": 2}, seed=0))
    time.sleep(1.1)  # HDF5 would write seconds
    store.write(tmp_path / "elsewhere" / "b.h5", predictions(), describe(settings={"a": 2, "x": 1}, seed=0))
    store.write(tmp_path / "c.h5", predictions(), describe(settings={"a": 3, "x": 1}, seed=0))
    first = (tmp_path / "a.h5").read_bytes()
    assert first == (tmp_path / "elsewhere" / "b.h5").read_bytes()
    assert first != (tmp_path / "c.h5").read_bytes()


def test_writing_again_replaces_the_file_with_the_same_bytes(tmp_path):
    path = tmp_path / "a.h5"
    store.write(path, spectrogram())
    first = path.read_bytes()
    store.write(path, spectrogram(seed=1))
    assert path.read_bytes() != first
    store.write(path, spectrogram())
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


# --- Whole or not at all


def test_axes_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match=r"matrix must have the axes \('row', 'column'\), got shape \(3,\)"):
        store.write(tmp_path / "a.h5", everything(matrix=np.zeros(3)))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_midway_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.h5"
    store.write(path, everything())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="extra has values of type object"):
        store.write(path, everything(extra=np.array([object(), object()])))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_provenance_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        store.write(tmp_path / "a.h5", everything(), {("no", "text"): 1})
    assert list(tmp_path.iterdir()) == []


# --- unreadable files


def assert_refused(path, kind, *words):
    with pytest.raises(ArtefactError) as caught:
        store.read(path, kind)
    message = str(caught.value)
    assert str(path) in message
    assert "snakemake" in message
    for word in words:
        assert word in message


def test_a_missing_file(tmp_path):
    assert_refused(tmp_path / "none.h5", Spectrogram, "does not exist")
    with pytest.raises(ArtefactError, match=r"none\.h5: does not exist"):
        store.read_attributes(tmp_path / "none.h5")


@pytest.mark.parametrize("keep", [0, 7, 100, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, -1])
def test_a_truncated_file_is_named_wherever_it_was_cut(tmp_path, keep):
    path = tmp_path / "song.h5"
    store.write(path, spectrogram(200))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    assert_refused(path, Spectrogram, "truncated")
    with pytest.raises(ArtefactError, match=r"song\.h5: is truncated"):
        store.read_attributes(path)


def test_a_damaged_block_is_told_as_damage(tmp_path):
    path = tmp_path / "song.h5"
    store.write(path, spectrogram())
    with h5py.File(path) as file:
        chunk = file["magnitude"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + 200] = bytes(200)
    path.write_bytes(data)
    assert_refused(path, Spectrogram, "Delete it and run snakemake again.")


def test_a_file_of_another_format(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("not HDF5")
    assert_refused(path, Spectrogram, "not an artefact of this version")


def test_another_artefact(tmp_path):
    path = tmp_path / "a.h5"
    store.write(path, predictions())
    assert_refused(path, Excerpts, "expected Excerpts, got Predictions")


def test_a_strange_hdf5_file(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
    assert_refused(path, Spectrogram, "not an artefact of this version (digest does not match the content)")


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole + b"\0",
        lambda whole: whole[1:],
        lambda whole: whole[512:],  # plain HDF5
        lambda whole: whole.replace(b"\n", b"\r\n"),  # like a transfer in text mode
        lambda whole: b"veracity artefact 1, HDF5 after       512 bytes of text:\n" + whole[57:],
    ],
)
def test_a_file_that_was_extended_shifted_or_mangled_is_refused(tmp_path, change):
    path = tmp_path / "a.h5"
    store.write(path, predictions())
    path.write_bytes(change(path.read_bytes()))
    assert_refused(path, Predictions, "not an artefact of this version")


# --- Damage and changes


@pytest.mark.parametrize("n_inputs", [0, 3, 5000])
def test_the_seal_is_what_a_reader_without_this_package_can_check(tmp_path, n_inputs):
    path = tmp_path / "a.h5"
    inputs = json.dumps({f"song {i}": "0123456789abcdef" for i in range(n_inputs)})
    store.write(path, everything(ratio=np.nan), {"inputs": inputs})
    whole = path.read_bytes()
    with h5py.File(path) as file:
        assert file.userblock_size == 512
        assert file.attrs["inputs"] == inputs
        assert file["matrix"].shape == (2, 3)
    first, digest, rest = whole[:512].decode().split("\n")
    assert first.startswith("veracity artefact 2, SHA-256")
    assert hashlib.sha256(whole[512:]).hexdigest() == digest
    assert not rest.strip()
    assert store.read_attributes(path)["inputs"] == inputs
    assert np.isnan(store.read_attributes(path)["ratio"])


def test_no_flipped_byte_passes(tmp_path):
    """At every offset of a small artefact, and at random ones of a large one."""
    path, rng = tmp_path / "a.h5", np.random.default_rng(0)
    for artefact, n_places in ((predictions().songs["zebra"], None), (spectrogram(40), 200)):
        store.write(path, artefact, {"seed": 0})
        whole = path.read_bytes()
        places = range(len(whole)) if n_places is None else rng.integers(len(whole), size=n_places).tolist()
        with path.open("r+b", buffering=0) as file:
            for place in places:
                os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << int(rng.integers(8))]), place)
                with pytest.raises(ArtefactError, match=r"a\.h5: is truncated, damaged"):
                    store.read_attributes(path) if place % 8 else store.read(path, type(artefact))
                os.pwrite(file.fileno(), whole[place : place + 1], place)
        assert_same(store.read(path, type(artefact)), artefact)


def test_readers_without_this_package_are_told_of_damage_too(tmp_path):
    path = tmp_path / "a.h5"
    store.write(path, everything())
    with h5py.File(path) as file:
        assert all(file[name].fletcher32 for name in ("matrix", "flags"))
    number = np.float32(4.0).tobytes()
    path.write_bytes(path.read_bytes().replace(number, np.float32(5.0).tobytes()))
    with h5py.File(path) as file, pytest.raises(OSError, match="filter returned failure"):
        file["matrix"][...]


@pytest.mark.parametrize(
    "change", [lambda file: file.attrs.modify("threshold", 0.5), lambda file: file.__delitem__("songs/zebra")]
)
def test_a_file_that_was_changed_by_hand_is_refused(tmp_path, change):
    path = tmp_path / "a.h5"
    store.write(path, predictions())
    with h5py.File(path, "r+") as file:
        change(file)
    assert_refused(path, Predictions, "digest does not match the content")


# --- intact files that do not match the dataclass


def declared(**fields):
    """Return a dataclass of this name, as another version of this package may declare it."""
    base = {field.name: (field.type, dataclasses.field(metadata=field.metadata)) for field in dataclasses.fields(Everything)}
    made = [(name, *field) for name, field in {**base, **fields}.items() if field is not None]
    return dataclasses.make_dataclass("Everything", made, kw_only=True, frozen=True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"more": (np.ndarray, store.array("row", unit="1", doc="more"))}, "more is missing"),
        ({"more": (float, store.note("more"))}, "more is missing"),
        ({"matrix": None}, "unknown field matrix"),
        (
            {"matrix": (np.ndarray, store.array("row", "column", unit="km", doc="numbers"))},
            "attributes of matrix do not match",
        ),
        (
            {"matrix": (np.ndarray, store.array("column", "row", unit="m", doc="numbers"))},
            "attributes of matrix do not match",
        ),
        (
            {"matrix": (np.ndarray, store.array("row", "column", unit="m", doc="numbers", of=int))},
            "matrix has values of type float32",
        ),
    ],
)
def test_a_file_of_another_declaration_is_refused(tmp_path, fields, words):
    store.write(tmp_path / "a.h5", everything())
    assert_same_fields(store.read(tmp_path / "a.h5", declared()), everything())
    assert_refused(tmp_path / "a.h5", declared(**fields), words)


def assert_same_fields(one, other):
    assert_same(Everything(**{field.name: getattr(one, field.name) for field in dataclasses.fields(one)}), other)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"matrix": np.zeros((2, 3), complex)}, "matrix has values of type complex128"),
        ({"matrix": np.full((2, 3), "x")}, "matrix has values of type <U1"),
        ({"matrix": np.zeros((4, 3))}, "along row"),
        ({"whole": np.array([0.5, 1])}, "whole has values of type float64"),
        ({"truths": np.array([1, 2])}, "truths has values of type int64"),
        ({"names": np.zeros(3)}, "names has values of type float64"),
        ({"count": 1.5}, "count must be of type int, got 1.5"),
        ({"ratio": "0.5"}, "ratio must be of type float, got '0.5'"),
        ({"ratio": True}, "ratio must be of type float, got True"),
        ({"ratio": [1.0, 2.0]}, "ratio must be of type float"),
        ({"ratio": None}, "ratio is missing"),
        ({"yes": 1}, "yes must be of type bool, got 1"),
        ({"text": 3}, "text must be of type str, got 3"),
        ({"part": None}, "part is missing"),
        ({"part": Long(more=np.zeros(3))}, "more must have the length 2 along row, got 3"),
    ],
)
def test_what_is_not_as_declared_is_not_written(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        store.write(tmp_path / "a.h5", everything(**changes))
    assert list(tmp_path.iterdir()) == []


def test_axes_with_a_choice_may_differ(tmp_path):
    @dataclass(frozen=True)
    class Choice:
        one: np.ndarray = store.array("sample | frame", unit="1", doc="one")
        other: np.ndarray = store.array("sample | frame", unit="1", doc="other")

    store.write(tmp_path / "a.h5", Choice(np.zeros(2), np.zeros(3)))
    assert len(store.read(tmp_path / "a.h5", Choice).other) == 3


def test_no_texts_are_written_as_texts(tmp_path):
    store.write(tmp_path / "a.h5", everything(names=np.array([])))
    assert store.read(tmp_path / "a.h5", Everything).names.dtype.kind == "U"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path)])
def test_what_is_no_file_is_refused(tmp_path, make):
    path = tmp_path / "a.h5"
    make(path)
    for read in (store.read_attributes, lambda path: store.read(path, Everything)):
        with pytest.raises(ArtefactError, match=r"a\.h5: does not exist or is not a file"):
            read(path)


# --- Full disks


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a separate disk of 600 kB."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", tmp_path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_loses_nothing_and_says_so(small_disk):
    path = small_disk / "song.h5"
    magnitude = np.random.default_rng(0).random((1000, 513), dtype=np.float32)  # 2 MB
    common = {"song": "song", "split": "test", "label_overhang_seconds": 0.0}
    song = Spectrogram(**common, magnitude=magnitude[:20], log_mel=np.zeros((20, 80)), is_sing=np.zeros(20, bool))
    store.write(path, song)
    before = path.read_bytes()
    with pytest.raises(ArtefactError, match=r"song\.h5: cannot be written \(No space left on device\)"):
        store.write(path, replace(song, magnitude=magnitude, log_mel=np.zeros((1000, 80)), is_sing=np.zeros(1000, bool)))
    assert path.read_bytes() == before
    assert [p.name for p in small_disk.iterdir()] == ["song.h5"]


def test_a_full_disk_loses_no_tensors_and_says_so(small_disk):
    path = small_disk / "seed0.pt"
    save_tensors(path, {"weights": torch.ones(10)})
    with pytest.raises(ArtefactError, match=r"seed0\.pt: cannot be written \(No space left on device\)"):
        save_tensors(path, {"weights": torch.ones(1_000_000)})
    assert load_tensors(path)["weights"].sum() == 10
    assert [p.name for p in small_disk.iterdir()] == ["seed0.pt"]
