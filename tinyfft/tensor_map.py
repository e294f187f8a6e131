"""Tensor maps: what a box of an array on a GPU is, in the form in which copies of boxes ask for it (sm_90).

The array has five axes, of any sizes and strides, the one along numbers side by side first. In shared memory a box has
them in that order too, swizzled as kernels/warpgroup.cuh says.
Source  CUDA Driver API, tensor map object management; PTX ISA, tensor copies
"""

import ctypes
from functools import cache, lru_cache

from tinyfft.backend import Array

_TWO_BYTES, _NO_INTERLEAVING, _SWIZZLED_64, _LINES_OF_128, _ZEROS = 1, 0, 2, 2, 0  # names of the driver's


class TensorMap(ctypes.Structure):
    _fields_ = [("opaque", ctypes.c_uint64 * 16)]


def boxes(array: Array, sizes: tuple[int, ...], strides: tuple[int, ...], box: tuple[int, ...]) -> TensorMap:
    """Of the array's memory, numbers of two bytes: the axes' sizes, all but the first one's strides in bytes, multiples
    of 16, and the sizes of a box.

    Raises RuntimeError if the driver takes them for impossible.
    """
    return _encoded(array.data.ptr, sizes, strides, box)


@lru_cache(maxsize=1024)
def _encoded(address: int, sizes: tuple[int, ...], strides: tuple[int, ...], box: tuple[int, ...]) -> TensorMap:
    memory = ctypes.create_string_buffer(ctypes.sizeof(TensorMap) + 64)
    aligned = TensorMap.from_buffer(memory, -ctypes.addressof(memory) % 64)
    ones = (1,) * len(sizes)
    status = _driver().cuTensorMapEncodeTiled(
        ctypes.byref(aligned),
        _TWO_BYTES,
        len(sizes),
        ctypes.c_void_p(address),
        (ctypes.c_uint64 * len(sizes))(*sizes),
        (ctypes.c_uint64 * len(strides))(*strides),
        (ctypes.c_uint32 * len(box))(*box),
        (ctypes.c_uint32 * len(ones))(*ones),
        _NO_INTERLEAVING,
        _SWIZZLED_64,
        _LINES_OF_128,
        _ZEROS,
    )
    if status:
        raise RuntimeError(f"cuTensorMapEncodeTiled: error {status} for sizes {sizes}, strides {strides}, box {box}")
    return TensorMap.from_buffer_copy(aligned)


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")
