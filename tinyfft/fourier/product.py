"""product: one complex matrix product per frequency.

Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
Input     a, b  complex  (Q, rows, columns), contiguous
Output    out   complex  (Q, rows of op(a), columns of op(b)), contiguous
Precision "fp32" as the arrays are. On a GPU's tensor cores "tf32" rounds what is multiplied to 10 bits of fraction on
          its way in and sums in float32; "bf16" lets cuBLAS go down to 7 bits (measured: its complex products stop at
          10, as tf32). float64 arrays are always multiplied in float64
NumPy's matmul hands each frequency to BLAS, transposes included. On a GPU cuBLAS is called directly: cupy.matmul
would copy transposed operands first and knows nothing of TF32.
"""

import numpy as np

from tinyfft.backend import Array, Device

PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "tf32", "bf16")}
"""What each kind of device can compute."""


def product(
    a: Array,
    b: Array,
    out: Array,
    device: Device,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    precision: str = "fp32",
) -> None:
    """Write the products of all frequencies into `out`."""
    inner_a, inner_b = a.shape[1 if transpose_a else 2], b.shape[2 if transpose_b else 1]
    assert inner_a == inner_b, (a.shape, transpose_a, b.shape, transpose_b)
    assert out.shape == (len(a), a.shape[2 if transpose_a else 1], b.shape[1 if transpose_b else 2]), out.shape
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    if device.kind == "cpu":
        a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
        np.matmul(a, b, out=out)
    else:
        _cublas(a, b, out, transpose_a, transpose_b, precision)


def _cublas(a: Array, b: Array, out: Array, transpose_a: bool, transpose_b: bool, precision: str) -> None:
    """Rows of ours are columns of cuBLAS: it is asked for out^T = op(b)^T op(a)^T, operands swapped, nothing moved."""
    from cupy.cuda import device, runtime
    from cupy_backends.cuda.libs import cublas

    assert all(m.flags.c_contiguous for m in (a, b, out))
    kind = runtime.CUDA_C_32F if out.dtype == np.complex64 else runtime.CUDA_C_64F
    compute = _COMPUTE[precision] if out.dtype == np.complex64 else _COMPUTE_64F
    one, zero = np.ones((), out.dtype), np.zeros((), out.dtype)
    Q, rows, columns = out.shape
    cublas.gemmStridedBatchedEx(
        device.get_cublas_handle(),
        *(cublas.CUBLAS_OP_T if flag else cublas.CUBLAS_OP_N for flag in (transpose_b, transpose_a)),
        *(columns, rows, a.shape[1 if transpose_a else 2], one.ctypes.data),
        *(b.data.ptr, kind, b.shape[2], b.shape[1] * b.shape[2]),
        *(a.data.ptr, kind, a.shape[2], a.shape[1] * a.shape[2], zero.ctypes.data),
        *(out.data.ptr, kind, columns, rows * columns, Q, compute, cublas.CUBLAS_GEMM_DEFAULT),
    )


# cublasComputeType_t: CUBLAS_COMPUTE_32F, _32F_FAST_TF32, _32F_FAST_16BF and _64F
_COMPUTE = {"fp32": 68, "tf32": 77, "bf16": 75}
_COMPUTE_64F = 70
