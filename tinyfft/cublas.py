"""cuBLAS through its C interface: cupy.matmul copies transposed operands, lacks TF32 and refuses graph capture.

Computes  out[q] = scale op(a[q]) @ op(b[q]) for all q, or adds it to out[q]; op is the identity or the transpose
Input     a, b  (q, rows, columns) or (rows, columns): float32, float64, complex64, complex128; the
                numbers of a row contiguous; more axes in C order
Output    out   (..., rows of op(a), columns of op(b)), of the same dtype and in C order
Sums are in float32 or float64; with `tf32` float32 operands are rounded to 10 bits of fraction.
Each device and stream has a handle of its own: a handle that changes its stream loses its workspace, and captured work
must not share one with other streams. Raises RuntimeError with cuBLAS's status if it refuses.
"""

import ctypes
import sys
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

from tinyfft.backend import Array, Device

WORKSPACE_BYTES = 8 << 20
"""Memory with which a handle splits long sums into parts that run at the same time."""

# cudaDataType_t CUDA_R_32F, R_64F, C_32F, C_64F; cublasComputeType_t CUBLAS_COMPUTE_32F, _64F
_NUMBERS = {"f": (0, 68), "d": (1, 70), "F": (4, 68), "D": (5, 70)}
_FAST_TF32 = 77
_DEFAULT_ALGORITHM = -1


def gemm(
    a: Array,
    b: Array,
    out: Array,
    device: Device,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    scale: float = 1,
    add: bool = False,
    tf32: bool = False,
) -> None:
    """Queue the products on the current stream."""
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    assert out.flags.c_contiguous, out.strides
    *_, rows, columns = out.shape
    inner = a.shape[-2 if transpose_a else -1]
    if not out.size:
        return
    kind, compute = _NUMBERS[out.dtype.char]
    factors = _factors(scale, add, out.dtype)
    handle, _ = _handle(device, device.xp.cuda.get_current_stream().ptr)
    # cuBLAS is column-major: it computes out^T = op(b)^T op(a)^T, so the operands are swapped and nothing is moved
    status = _library(device).cublasGemmStridedBatchedEx(
        handle,
        *(int(transpose_b), int(transpose_a)),
        *(columns, rows, inner, factors.ctypes.data),
        *_operand(b, kind),
        *_operand(a, kind),
        factors.ctypes.data + factors.itemsize,
        *_operand(out, kind),
        *(prod(out.shape[:-2]), _FAST_TF32 if tf32 and compute == 68 else compute, _DEFAULT_ALGORITHM),
    )
    _check("cublasGemmStridedBatchedEx", status)


@lru_cache(maxsize=64)
def _factors(scale: float, add: bool, dtype: np.dtype) -> np.ndarray:
    return np.array([scale, add], dtype)


def _operand(m: Array, kind: int) -> tuple[int, int, int, int]:
    """Return an operand for cuBLAS: address, data type, and the distance of rows and of matrices, in numbers."""
    rows, columns = m.shape[-2:]
    if m.flags.c_contiguous:
        return m.data.ptr, kind, max(1, columns), rows * columns
    assert m.ndim <= 3, m.shape
    assert m.strides[-1] == m.itemsize, m.strides
    between = m.strides[0] // m.itemsize if m.ndim == 3 else 0
    return m.data.ptr, kind, m.strides[-2] // m.itemsize, between


@cache
def _library(device: Device) -> Any:
    """Return the library that CuPy has already loaded."""
    device.xp.cuda.device.get_cublas_handle()
    major = device.xp.cuda.runtime.runtimeGetVersion() // 1000
    library = ctypes.CDLL(f"cublas64_{major}.dll" if sys.platform == "win32" else f"libcublas.so.{major}")
    number, pointer, stride = ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong
    matrix = (pointer, number, number, stride)
    sizes = (number,) * 5
    library.cublasGemmStridedBatchedEx.argtypes = (
        *(pointer, *sizes, pointer, *matrix, *matrix, pointer, *matrix),
        *(number, number, number),
    )
    library.cublasSetStream_v2.argtypes = (pointer, pointer)
    library.cublasSetWorkspace_v2.argtypes = (pointer, pointer, ctypes.c_size_t)
    return library


@cache
def _handle(device: Device, stream: int) -> tuple[ctypes.c_void_p, Array]:
    """Return (a handle of this stream, its workspace)."""
    library, handle = _library(device), ctypes.c_void_p()
    workspace = device.empty((WORKSPACE_BYTES,), np.uint8)
    _check("cublasCreate", library.cublasCreate_v2(ctypes.byref(handle)))
    _check("cublasSetStream", library.cublasSetStream_v2(handle, stream))
    _check("cublasSetWorkspace", library.cublasSetWorkspace_v2(handle, workspace.data.ptr, WORKSPACE_BYTES))
    return handle, workspace


def _check(name: str, status: int) -> None:
    if status:
        raise RuntimeError(f"{name} failed with status {status} (cublasStatus_t)")
