"""Arrays from a stranger's pickle: without running its code, and within bounds of memory and time.

NumPy takes part in nothing that the file decides: its arrays and types are stood in for, and an array is made here from the
bytes that the file holds. (NumPy's own functions for pickles hand out uninitialised memory when a file asks for it.)
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import shortened

MOST_STEPS = 1_000_000  # opcodes of a pickle, some twenty for an array; likewise members of its containers
LONGEST_KEY = 200  # characters of a key
MOST_BYTES = 64 * 2**20  # of a file, and of what it unpacks to

_NUMBERS_AND_TEXTS = re.compile(r"(b1|[iufc][1-9]\d?|[SU][1-9]\d{0,3})")  # NumPy's kind and size of what can be read
_Unpickler: Any = pickle._Unpickler  # in Python: the one in C cannot be bounded


class RefusedError(Exception):
    """A file of drawings holds what is not admitted; the message says what."""


def read_pickle(data: bytes) -> Any:
    """Read arrays, numbers and texts in lists, tuples and dictionaries.

    Parameters
    ----------
    data : bytes
        A pickle of any protocol, by Python 2 or 3 and NumPy 1 or 2.

    Returns
    -------
    object
        Where an array was pickled, a `PickledArray`.

    Raises
    ------
    RefusedError
        When it asks for anything else, or for too much. Damaged pickles raise exceptions of any kind.
    """
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()  # latin1: arrays that Python 2 pickled


class PickledArray:
    """An array of a pickle.

    Attributes
    ----------
    values : ndarray
        Read-only when not empty; empty where the pickle never gave its bytes.
    """

    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = np.zeros(0) if values is None else values


class _Dtype:
    """The type of an array: `dtype` is None for those that are neither numbers nor texts."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code if isinstance(code, str) else "?"
        self.dtype = np.dtype(self.code) if _NUMBERS_AND_TEXTS.fullmatch(self.code) else None


def _array(dtype: Any, shape: Any, data: bytes, order: str) -> np.ndarray:
    """Return the array that some bytes hold, to the last of them."""
    if not isinstance(dtype, _Dtype) or dtype.dtype is None:
        code = dtype.code if isinstance(dtype, _Dtype) else "?"
        raise RefusedError(f"it holds an array of type {shortened(code, 20)}, and only arrays of numbers are admitted")
    if (
        not isinstance(shape, tuple)
        or len(shape) > 8
        or not all(type(n) is int and 0 <= n <= len(data) for n in shape)
        or math.prod(shape) * dtype.dtype.itemsize != len(data)
    ):
        raise RefusedError("it holds an array whose shape does not fit its values")
    return np.ndarray(shape, dtype.dtype, data, order="F" if order == "F" else "C")


class _ArraysOnly(_Unpickler):
    """Unpickle arrays and Python's plain containers, and nothing else."""

    def __init__(self, file: io.BytesIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._steps = self._copied = 0
        # NumPy's functions as its arrays name them themselves, whatever module they lie in: 1.x and 2.x differ.
        self._functions = {
            ("numpy", "ndarray"): self._ndarray,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): self._encode,
            **{
                (f"numpy.{core}.{module}", name): function
                for core in ("core", "_core")
                for module, name, function in (
                    ("multiarray", "_reconstruct", self._reconstruct),
                    ("multiarray", "scalar", self._scalar),
                    ("numeric", "_frombuffer", self._frombuffer),
                )
            },
        }

    def find_class(self, module: str, name: str) -> Any:
        """Stand in for what arrays are made of; refuse all else before anything is imported or called."""
        if (module, name) not in self._functions:
            asked = shortened(f"{module}.{name}")
            raise RefusedError(f"it asks for {asked}, and only arrays are admitted from pickles")
        return self._functions[module, name]

    def _ndarray(self, *_: Any) -> Any:
        raise RefusedError("it holds an array without its values")

    def _reconstruct(self, kind: Any, *_: Any) -> PickledArray:
        if kind != self._ndarray:
            raise RefusedError("it holds an array of a kind of its own, and only plain arrays are admitted from pickles")
        return PickledArray()  # empty until `_build`

    def _frombuffer(self, data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> PickledArray:
        values = _array(dtype, shape, self._bytes(data), order)
        return PickledArray(values if axes is None else values.transpose(axes))

    def _scalar(self, dtype: Any, data: Any = None) -> Any:
        """Return the Python number or text of a NumPy scalar; what is neither is left out anyway."""
        if not isinstance(dtype, _Dtype) or dtype.dtype is None:
            return None
        return _array(dtype, (), self._bytes(data), "C").item()

    def _encode(self, text: str, encoding: str) -> bytes:
        """Stand in for `_codecs.encode`, with which pickles before protocol 3 write bytes: always as latin1."""
        if encoding != "latin1":
            raise RefusedError(f"it asks for the encoding {shortened(encoding, 20)!r}, which no array needs")
        return self._bytes(text)

    def _bytes(self, data: Any) -> bytes:
        """Return what Python 2, or a protocol before 3, wrote as a text."""
        if isinstance(data, bytes):
            return data
        if not isinstance(data, str):
            raise RefusedError("it holds an array without its values")
        self._copied += len(data)
        if self._copied > MOST_BYTES:
            raise RefusedError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
        return data.encode("latin1")

    def _bytearray8(self) -> None:
        """Read the bytes that are there; the base class makes room for as many as are claimed."""
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    def _build(self) -> None:
        """Give an array its values, a type its byte order; whatever else has a state is refused."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, PickledArray):
            _, shape, dtype, fortran, data = state
            target.values = _array(dtype, shape, self._bytes(data), "F" if fortran else "C")
        elif isinstance(target, _Dtype):
            if target.dtype is not None and state[1] in ("<", ">"):
                target.dtype = target.dtype.newbyteorder(state[1])
        else:
            raise RefusedError("it changes what is no array, and only arrays are admitted from pickles")

    def _setitem(self) -> None:
        _check_key(self.stack[-2])
        _Unpickler.load_setitem(self)

    def _setitems(self) -> None:
        for key in self.stack[::2]:  # what came since the last mark
            _check_key(key)
        _Unpickler.load_setitems(self)

    def _dict(self) -> None:
        for key in self.stack[::2]:
            _check_key(key)
        _Unpickler.load_dict(self)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise RefusedError(f"it takes more than {MOST_STEPS} steps to read")


def _check_key(key: Any, within: bool = False) -> None:
    """Refuse keys whose hash or text would take long: nested tuples with shared references, huge numbers, long texts."""
    if isinstance(key, tuple) and not within and len(key) <= 8:
        for part in key:
            _check_key(part, within=True)
    elif not (
        key is None
        or isinstance(key, bool | float)
        or (isinstance(key, int) and abs(key) < 2**64)
        or (isinstance(key, str | bytes) and len(key) <= LONGEST_KEY)
    ):
        raise RefusedError(f"it holds a key that is neither a number nor a text of up to {LONGEST_KEY} characters")


def _counted(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def step(unpickler: _ArraysOnly) -> None:
        unpickler._step()
        load(unpickler)

    return step


# What the opcodes of containers, numbers and texts do; others, such as those that make objects, are not admitted.
# fmt: off
_PLAIN = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1",
    "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_LIST", "LIST",
    "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "PUT", "BINPUT", "LONG_BINPUT",
    "MEMOIZE", "GET", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE",
)
# fmt: on
_BOUNDED = {
    "BYTEARRAY8": _ArraysOnly._bytearray8,
    "BUILD": _ArraysOnly._build,
    "SETITEM": _ArraysOnly._setitem,
    "SETITEMS": _ArraysOnly._setitems,
    "DICT": _ArraysOnly._dict,
}
_ArraysOnly.dispatch = {
    getattr(pickle, name)[0]: _counted(_Unpickler.dispatch[getattr(pickle, name)[0]]) for name in _PLAIN
} | {getattr(pickle, name)[0]: _counted(load) for name, load in _BOUNDED.items()}
