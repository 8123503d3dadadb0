"""Arrays from a stranger's pickle, without running its code: NumPy's classes and functions are stood in for.

No function that a file names is called, so a file cannot have one of NumPy's own make arrays of memory that it does not hold.
"""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from ...errors import shortened

MOST_STEPS = 50_000  # opcodes of a pickle, some thirty for an array


class RefusedError(Exception):
    """A file of drawings holds what is not admitted; the message says what."""


class _Dtype:
    """What a pickle gives for the type of an array."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iufc]\d{1,2}|[SU]\d{1,4}", code):
            raise RefusedError(f"it holds an array of type {shortened(code, 20)}, and only arrays of numbers are admitted")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class PickledArray:
    """What a pickle gives for an array: `values` makes the array, of the bytes that the file holds."""

    def __init__(self, data: Any = b"", dtype: Any = None, shape: Any = (0,), order: str = "C", axes: Any = None) -> None:
        self.data, self.dtype, self.shape, self.order, self.axes = data, dtype, shape, order, axes

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, is_fortran, self.data = state
        self.order = "F" if is_fortran else "C"

    def values(self) -> np.ndarray:
        """Return the array; what is given for it may raise any exception."""
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data  # str: of Python 2
        array = np.frombuffer(data, self.dtype.dtype).reshape(self.shape, order="F" if self.order == "F" else "C")
        return array if self.axes is None else array.transpose(self.axes)


class _ArraysOnly(pickle.Unpickler):
    """Unpickle arrays and Python's plain containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Stand in for what arrays are made of, and refuse all else before anything is imported or called."""
        module = module.replace("numpy.core", "numpy._core")  # of NumPy 1
        stand_ins = {
            ("numpy", "ndarray"): PickledArray,
            ("numpy", "dtype"): _Dtype,
            ("numpy._core.multiarray", "_reconstruct"): lambda *_: PickledArray(),
            ("numpy._core.multiarray", "scalar"): lambda dtype, data: PickledArray(data, dtype, ()).values().item(),
            ("numpy._core.numeric", "_frombuffer"): PickledArray,
            ("_codecs", "encode"): lambda text, _: text,  # with it, pickles before protocol 3 write bytes as latin1
        }
        if (module, name) not in stand_ins:
            raise RefusedError(f"it asks for {shortened(f'{module}.{name}')}, and only arrays are admitted from pickles")
        return stand_ins[module, name]


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
    for n_steps, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if n_steps == MOST_STEPS or ("PUT" in opcode.name and (argument or 0) > MOST_STEPS):  # room is made for as many
            raise RefusedError(f"it takes more than {MOST_STEPS} steps to read")
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()  # latin1: arrays that Python 2 pickled
