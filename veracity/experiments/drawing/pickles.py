"""Arrays from untrusted pickles, read with stand-ins for the classes and functions of NumPy, so that no code is executed.

No function named in the file is called. A file therefore cannot make NumPy allocate an array larger than its data.
"""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from ...errors import shortened

MAX_STEPS = 50_000  # largest number of opcodes of a pickle; an array takes about 30


class RefusedError(Exception):
    """Error for a file of drawings with unsupported or unsafe content, which the message describes."""


class _Dtype:
    """Stand-in for the dtype of a pickled array."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iufc]\d{1,2}|[SU]\d{1,4}", code):
            raise RefusedError(f"array of type {shortened(code, 20)}, only arrays of numbers are supported")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class PickledArray:
    """Stand-in for a pickled array; `values` returns the array."""

    def __init__(self, data: Any = b"", dtype: Any = None, shape: Any = (0,), order: str = "C", axes: Any = None) -> None:
        self.data, self.dtype, self.shape, self.order, self.axes = data, dtype, shape, order, axes

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, is_fortran, self.data = state
        self.order = "F" if is_fortran else "C"

    def values(self) -> np.ndarray:
        """Return the array; damaged data may raise any exception."""
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data  # str if pickled by Python 2
        array = np.frombuffer(data, self.dtype.dtype).reshape(self.shape, order="F" if self.order == "F" else "C")
        return array if self.axes is None else array.transpose(self.axes)


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that accepts only arrays and built-in containers."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for a part of an array; raise RefusedError for all other names without importing them."""
        module = module.replace("numpy.core", "numpy._core")  # name in NumPy 1
        stand_ins = {
            ("numpy", "ndarray"): PickledArray,
            ("numpy", "dtype"): _Dtype,
            ("numpy._core.multiarray", "_reconstruct"): lambda *_: PickledArray(),
            ("numpy._core.multiarray", "scalar"): lambda dtype, data: PickledArray(data, dtype, ()).values().item(),
            ("numpy._core.numeric", "_frombuffer"): PickledArray,
            ("_codecs", "encode"): lambda text, _: text,  # pickles before protocol 3 contain bytes as latin1 text
        }
        if (module, name) not in stand_ins:
            raise RefusedError(f"contains {shortened(f'{module}.{name}')}, only arrays are supported in pickles")
        return stand_ins[module, name]


def read_pickle(data: bytes) -> Any:
    """Read arrays, numbers and strings in lists, tuples and dictionaries from a pickle of any protocol and version.

    The result contains a `PickledArray` for each array. RefusedError is raised if the pickle contains anything else or has too
    many opcodes. Damaged pickles may raise any exception.
    """
    for n_steps, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if n_steps == MAX_STEPS or ("PUT" in opcode.name and (argument or 0) > MAX_STEPS):  # PUT allocates a memo of this size
            raise RefusedError(f"more than {MAX_STEPS} pickle opcodes")
    return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()  # latin1 for arrays pickled by Python 2
