"""Read the pickles of CIFAR-10 without trusting them.

A pickle is a program: it can name any installed class or function, and call it. This reader knows only the three names
that Python 2 used to write an array of bytes. It replaces them with harmless stand-ins, so that NumPy never acts on
the contents of the file. Containers, byte strings and numbers need no name. Any other name is refused.

Raises DataError for a refused name, with that name, and for bytes that are not a whole pickle.
Source  numpy.org, reference of numpy.ndarray.__setstate__ (the state of an array)
"""

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from datasets.dataset import DataError

# The unpickler raises these for damaged bytes.
_DAMAGED = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError),
    *(OverflowError, MemoryError, struct.error),
)


class PickledArray:
    """Stand-in for numpy.ndarray. `values` is the array, uint8, after __setstate__."""

    def __init__(self) -> None:
        self.values: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, column_major, raw = state
        if not isinstance(dtype, _PickledType) or not isinstance(raw, bytes) or column_major:
            raise DataError("an array is not uint8 in row order")
        if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) != len(raw):
            raise DataError(f"an array of shape {shape!r} holds {len(raw)} bytes")
        self.values = np.frombuffer(raw, dtype=np.uint8).reshape(shape)


class _PickledType:
    """Stand-in for numpy.dtype. It is always uint8, so that its state can be ignored."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        # Bound methods and a string: a pickle can also set attributes, and these objects have none that can be set.
        admitted = {
            ("numpy.core.multiarray", "_reconstruct"): self._make_array,
            ("numpy", "dtype"): self._make_type,
            ("numpy", "ndarray"): "numpy.ndarray",
        }
        if (module, name) not in admitted:
            raise DataError(f"it refers to {module}.{name}, which these files never hold; refused")
        return admitted[module, name]

    def _make_array(self, *_arguments: Any) -> PickledArray:
        return PickledArray()

    def _make_type(self, code: Any, *_flags: Any) -> _PickledType:
        if code not in (b"u1", "u1"):
            raise DataError(f"an array has the dtype {code!r}, expected b'u1'")
        return _PickledType()


def unpickle(data: bytes, source: str) -> Any:
    """Return the object in `data`, with each array as a PickledArray and the strings of Python 2 as bytes.

    source  the name of the file in messages
    """
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    except _DAMAGED as error:
        raise DataError(f"{source}: not a whole pickle ({error})") from error
