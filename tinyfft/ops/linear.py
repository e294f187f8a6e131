"""Products of real matrices, and sums of a matrix's columns: the gradient of a bias.

matmul           out = a @ b
add_matmul       out += scale a @ b
add_column_sums  out[c] += scale sum_r re matrix[r, c]
Shapes  a (m, k), b (k, n), out (m, n) in C order. A GPU copies an operand unless it or its transpose is in C order
        matrix (rows, columns), out (n,) with the first n sums, n <= columns. A GPU copies a matrix not in C order
Dtypes  float32, float64. With `tf32` a GPU multiplies float32 on its tensor cores. add_column_sums also takes a complex
        matrix of out's precision, and uint32: complex in bf16 blocks (bf16_blocks.cuh)
GPU     cuBLAS multiplies; column_sums.cu sums in double precision.
"""

from functools import cache
from math import ceil

import numpy as np

from tinyfft.arena import aligned, current_arena
from tinyfft.backend import Array, Device
from tinyfft.cpu import threads
from tinyfft.cuda import cublas, launch
from tinyfft.cuda.source import Source, make_source

SPLIT_K_MAX_OUT, SPLIT_K_MIN_K, SPLIT_K_MAX_PARTS = 1 << 18, 256, 16
"""A GPU splits the sums of a product of at most SPLIT_K_MAX_OUT numbers (split-K): into at most SPLIT_K_MAX_PARTS parts
of at least SPLIT_K_MIN_K terms each."""
BLOCK_X, BLOCK_Y = 32, 8  # threads of a block of column_sums

_C_TYPES = {
    "float32": "float",
    "float64": "double",
    "complex64": "float2",
    "complex128": "double2",
    "uint32": "unsigned",
}


def matmul(a: Array, b: Array, out: Array, device: Device, tf32: bool = False) -> Array:
    """Write the product to `out`, and return `out`."""
    if device.kind == "cpu":
        threads.matmul(a, b, out)
    elif (parts := _parts(a, out, device)) > 1:
        _split_k(parts, a, b, out, device, tf32)
    else:
        _gemm(a, b, out, device, tf32=tf32)
    return out


def add_matmul(a: Array, b: Array, out: Array, device: Device, scale: float = 1, tf32: bool = False) -> None:
    """Add `scale` times the product to `out`."""
    if device.kind == "cuda":
        _gemm(a, b, out, device, scale=scale, add=True, tf32=tf32)
        return

    def add(out: Array, a: Array) -> None:
        product = device.empty(out.shape, out.dtype)
        threads.matmul(a, b, product)
        if scale != 1:
            product *= scale
        out += product

    device.blockwise(add, out, a)


def add_column_sums(matrix: Array, out: Array, device: Device, scale: float = 1) -> None:
    """Add the sums of the first len(out) columns to `out`."""
    if device.kind == "cuda":
        rows, pitch = matrix.shape
        matrix = device.xp.ascontiguousarray(matrix)
        arguments = (matrix, out, out.dtype.type(scale), *map(np.int32, (rows, len(out), pitch)))
        kernel, blocks = column_sums_source(matrix.dtype, out.dtype), (ceil(len(out) / BLOCK_X), 1)
        launch.run(kernel, "column_sums", blocks, BLOCK_X * BLOCK_Y, arguments, device, BLOCK_X * BLOCK_Y * 8)
        return
    sums = matrix[:, : len(out)].real.sum(axis=0)
    out += sums if scale == 1 else scale * sums


@cache
def column_sums_source(number: np.dtype, real: np.dtype) -> Source:
    """Return the kernel for a matrix of dtype `number` and sums of dtype `real`."""
    types = {"number": _C_TYPES[np.dtype(number).name], "real": _C_TYPES[np.dtype(real).name]}
    return make_source("column_sums", types, BLOCK_X=BLOCK_X, BLOCK_Y=BLOCK_Y)


def _parts(a: Array, out: Array, device: Device) -> int:
    """Return the number of split-K parts: without them a small product of long sums has too few blocks."""
    k, limit = a.shape[1], current_arena(device).limit
    most = min(SPLIT_K_MAX_PARTS, k // SPLIT_K_MIN_K) if out.size <= SPLIT_K_MAX_OUT else 1
    fitting = (n for n in range(most, 1, -1) if k % n == 0 and aligned(n * out.nbytes) <= limit)
    return next(fitting, 1)


def _split_k(parts: int, a: Array, b: Array, out: Array, device: Device, tf32: bool) -> None:
    """Multiply all parts as one batch, then add up their products."""
    (m, k), n = a.shape, b.shape[1]
    a, transpose_a = _c_order(a, device)
    b, transpose_b = _c_order(b, device)
    # k is the axis to split: in memory a matrix's rows or its columns
    a = a.reshape(parts, k // parts, m) if transpose_a else a.reshape(m, parts, k // parts).transpose(1, 0, 2)
    b = b.reshape(n, parts, k // parts).transpose(1, 0, 2) if transpose_b else b.reshape(parts, k // parts, n)
    arena = current_arena(device)
    with arena.frame(aligned(parts * out.nbytes)):
        products = arena.take((parts, m, n), out.dtype)
        cublas.gemm(a, b, products, device, transpose_a=transpose_a, transpose_b=transpose_b, tf32=tf32)
        out.fill(0)
        add_column_sums(products.reshape(parts, m * n), out.reshape(m * n), device)


def _gemm(a: Array, b: Array, out: Array, device: Device, **options: float) -> None:
    """Call cublas.gemm for operands that may be transposed views."""
    a, transpose_a = _c_order(a, device)
    b, transpose_b = _c_order(b, device)
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, **options)


def _c_order(matrix: Array, device: Device) -> tuple[Array, bool]:
    """Return (the matrix or its transpose in C order, whether it is the transpose)."""
    if matrix.T.flags.c_contiguous and not matrix.flags.c_contiguous:
        return matrix.T, True
    return device.xp.ascontiguousarray(matrix), False
