"""Tensor maps: descriptors for bulk copies of boxes of an array between global and shared memory (TMA, sm_90).

The array has five axes of any sizes and strides, the contiguous axis first. A box has the same order of axes in shared
memory, with 64-byte swizzling (wgmma.cuh).
Source  CUDA Driver API, tensor map object management; PTX ISA, tensor copies
"""

import ctypes
from functools import cache, lru_cache

from tinyfft.backend import Array

_UINT16, _INTERLEAVE_NONE, _SWIZZLE_64B, _L2_PROMOTION_128B, _OOB_FILL_ZEROS = 1, 0, 2, 2, 0  # enums of cuda.h


class TensorMap(ctypes.Structure):
    """CUtensorMap."""

    _fields_ = [("opaque", ctypes.c_uint64 * 16)]


def boxes(array: Array, sizes: tuple[int, ...], strides: tuple[int, ...], box: tuple[int, ...]) -> TensorMap:
    """Return the tensor map of an array of 16-bit numbers.

    sizes    of the axes
    strides  of all axes but the first, in bytes, multiples of 16
    box      the sizes of a box
    Raises RuntimeError if the driver rejects them.
    """
    return _encoded(array.data.ptr, sizes, strides, box)


@lru_cache(maxsize=1024)
def _encoded(address: int, sizes: tuple[int, ...], strides: tuple[int, ...], box: tuple[int, ...]) -> TensorMap:
    memory = ctypes.create_string_buffer(ctypes.sizeof(TensorMap) + 64)
    aligned = TensorMap.from_buffer(memory, -ctypes.addressof(memory) % 64)
    ones = (1,) * len(sizes)
    status = _driver().cuTensorMapEncodeTiled(
        ctypes.byref(aligned),
        _UINT16,
        len(sizes),
        ctypes.c_void_p(address),
        (ctypes.c_uint64 * len(sizes))(*sizes),
        (ctypes.c_uint64 * len(strides))(*strides),
        (ctypes.c_uint32 * len(box))(*box),
        (ctypes.c_uint32 * len(ones))(*ones),
        _INTERLEAVE_NONE,
        _SWIZZLE_64B,
        _L2_PROMOTION_128B,
        _OOB_FILL_ZEROS,
    )
    if status:
        raise RuntimeError(f"cuTensorMapEncodeTiled: error {status} for sizes {sizes}, strides {strides}, box {box}")
    return TensorMap.from_buffer_copy(aligned)


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")
