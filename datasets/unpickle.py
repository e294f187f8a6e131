"""Reading the pickles of CIFAR-10 without trusting them.

A pickle is a program: it may name any class or function of the machine and call it. This reader knows three names,
those with which Python 2 wrote an array of bytes, and gives harmless stand-ins for them: no code of NumPy runs on
what the file says. Containers, byte strings and numbers need no name. Any other name is refused.

Raises DataError with the name refused, or when the bytes are no whole pickle.
Source  numpy.org, reference of numpy.ndarray.__setstate__ (what the state of an array consists of)
"""

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from datasets.dataset import DataError

# What damaged bytes make the unpickler raise, besides our own errors.
_BROKEN = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError),
    *(OverflowError, MemoryError, struct.error),
)


class PickledArray:
    """Stands in for numpy.ndarray. `values` is the array, uint8, once the file has given its state."""

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
    """Stands in for numpy.dtype. Only uint8 gets as far as this, and its state says nothing more."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        # Bound methods and a string: a pickle may also set attributes, and these have none that can be set.
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
    """The object in `data`, where arrays are PickledArray and the strings of Python 2 are bytes.

    source  the name of the file, for messages
    """
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    except _BROKEN as error:
        raise DataError(f"{source}: not a whole pickle ({error})") from error
