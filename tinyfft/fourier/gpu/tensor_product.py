"""Launch tensor_product.cu: complex matrix products on tensor cores, float32 as split terms (split_terms.cuh).

Computes  out[q] = op(a[q]) @ op(b[q]) as product.py defines it
Dtypes    complex64; for "bf16" uint32 in blocks (bf16_blocks.cuh), lines in whole blocks
"""

from functools import cache
from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import Source, make_source

SPLIT_TERMS = {"fp32": 2, "tf32": 1, "bf16": 1}
"""16-bit numbers whose sum is the real or imaginary part of a number, by the product's precision."""

ACCESS_BYTES = 16
TILE_M = TILE_N = 64
WARP_TILE, TILE_K, BLOCKS_PER_SM = 32, 32, 3
THREADS = 32 * (TILE_M // WARP_TILE) * (TILE_N // WARP_TILE)


def multiply(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    """Queue the products on the current stream. The arrays must be contiguous."""
    Q, M, N = out.shape
    K = a.shape[1 if transpose_a else 2]
    kernel = source(precision, transpose_a, transpose_b, is_aligned(a.shape, a.dtype), is_aligned(b.shape, b.dtype))
    blocks = ceil(M / TILE_M) * ceil(N / TILE_N), Q
    shared = shared_bytes(precision, transpose_a, transpose_b)
    launch.run(kernel, "tensor_product", blocks, THREADS, (a, b, out, *map(np.int32, (M, N, K))), device, shared)


@cache
def source(precision: str, transpose_a: bool, transpose_b: bool, aligned_a: bool, aligned_b: bool) -> Source:
    """Return the specialised kernel."""
    sizes = {
        "TILE_M": TILE_M,
        "TILE_N": TILE_N,
        "TILE_K": TILE_K,
        "WARP_TILE": WARP_TILE,
        "BLOCKS_PER_SM": BLOCKS_PER_SM,
    }
    return product_source("tensor_product", precision, transpose_a, transpose_b, aligned_a, aligned_b, **sizes)


def product_source(
    stem: str,
    precision: str,
    transpose_a: bool,
    transpose_b: bool,
    aligned_a: bool,
    aligned_b: bool,
    **sizes: int,
) -> Source:
    """Return a kernel of complex products, with the types and constants that both of them need."""
    bf16 = precision == "bf16"
    types, macros = {"number": "unsigned" if bf16 else "float2"}, {"BF16": bf16, "REAL": False}
    flags = {"TRANSPOSE_A": transpose_a, "TRANSPOSE_B": transpose_b, "ALIGNED_A": aligned_a, "ALIGNED_B": aligned_b}
    return make_source(stem, types, macros, SPLIT_TERMS=SPLIT_TERMS[precision], **flags, **sizes)


def is_aligned(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an operand's rows are whole accesses. Rows of bf16 always are."""
    return shape[-1] * dtype.itemsize % ACCESS_BYTES == 0


def shared_bytes(precision: str, transpose_a: bool, transpose_b: bool) -> int:
    """Return the bytes of both operands' WarpTile (warp_tile.cuh), and of four 4-byte numbers."""
    itemsize = 4 if precision == "bf16" else 8
    total = 16
    for mn, k_major in ((TILE_M, not transpose_a), (TILE_N, transpose_b)):
        lines, length = (mn, TILE_K) if k_major else (TILE_K, mn)
        total += lines * length * itemsize + 2 * SPLIT_TERMS[precision] * lines * (length + 8) * 2
    return total
