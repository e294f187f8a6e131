"""product: one complex matrix product per frequency.

Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
Input     a, b  complex  (Q, rows, columns), contiguous; real numbers just as well
Output    out   complex  (Q, rows of op(a), columns of op(b)), contiguous
Precision "fp32" as the arrays are. On a GPU's tensor cores "tf32" rounds what is multiplied to 10 bits of fraction on
          its way in, "bf16" to 7 bits; both sum in float32. float64 arrays are always multiplied in float64
bf16      cuBLAS has no complex product of such numbers, so one of complex matrices is made of three of real ones:
          a and b are (3, Q, rows, columns) of bfloat16 bits, re, im and re + im, and out alike their products;
          signal takes  re = out[0] - out[1],  im = out[2] - out[0] - out[1]  on its way in
CPU       real numbers, of the same three products in place of one: a and b are (3 Q, rows, columns), each thread takes
          some of them, and NumPy's matmul hands one after the other to BLAS, transposes included
On a GPU cuBLAS is called directly: cupy.matmul would copy transposed operands first and knows nothing of TF32.
Source    bf16: Karatsuba, Ofman 1962; as (a + i b)(c + i d), three products in place of four
"""

import numpy as np

from tinyfft import parallel
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
    inner_a, inner_b = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    assert inner_a == inner_b, (a.shape, transpose_a, b.shape, transpose_b)
    outer = (a.shape[-1 if transpose_a else -2], b.shape[-2 if transpose_b else -1])
    assert out.shape == (*a.shape[:-2], *outer), (out.shape, a.shape, b.shape)
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    if device.kind == "cpu":
        a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
        parallel.run(len(out), lambda part: np.matmul(a[part], b[part], out=out[part]))
    else:
        _cublas(a, b, out, transpose_a, transpose_b, precision)


def _cublas(a: Array, b: Array, out: Array, transpose_a: bool, transpose_b: bool, precision: str) -> None:
    """Rows of ours are columns of cuBLAS: it is asked for out^T = op(b)^T op(a)^T, operands swapped, nothing moved."""
    from cupy.cuda import device
    from cupy_backends.cuda.libs import cublas

    assert all(m.flags.c_contiguous for m in (a, b, out))
    kind, compute, one, zero = _NUMBERS[out.dtype]
    *_, rows, columns = out.shape
    cublas.gemmStridedBatchedEx(
        device.get_cublas_handle(),
        *(cublas.CUBLAS_OP_T if flag else cublas.CUBLAS_OP_N for flag in (transpose_b, transpose_a)),
        *(columns, rows, a.shape[-2 if transpose_a else -1], one.ctypes.data),
        *(b.data.ptr, kind, b.shape[-1], b.shape[-2] * b.shape[-1]),
        *(a.data.ptr, kind, a.shape[-1], a.shape[-2] * a.shape[-1], zero.ctypes.data),
        *(out.data.ptr, kind, columns, rows * columns, out.size // (rows * columns)),
        *(_TF32 if kind == _COMPLEX64 and precision == "tf32" else compute, cublas.CUBLAS_GEMM_DEFAULT),
    )


# cudaDataType_t: CUDA_C_32F, CUDA_C_64F, CUDA_R_16BF; cublasComputeType_t: CUBLAS_COMPUTE_32F, _64F, _32F_FAST_TF32
_COMPLEX64, _COMPLEX128, _BFLOAT16 = 4, 5, 14
_FLOAT32, _FLOAT64, _TF32 = 68, 70, 77


def _scalars(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((), dtype), np.zeros((), dtype)


_NUMBERS = {
    np.dtype("complex64"): (_COMPLEX64, _FLOAT32, *_scalars("complex64")),
    np.dtype("complex128"): (_COMPLEX128, _FLOAT64, *_scalars("complex128")),
    np.dtype("uint16"): (_BFLOAT16, _FLOAT32, *_scalars("float32")),
}
"""How cuBLAS multiplies arrays of each dtype: their numbers, what it computes in, and the factors 1 and 0."""
