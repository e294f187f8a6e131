"""product: one complex matrix product per frequency.

Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
Input     a, b  complex  (Q, rows, columns), contiguous
Output    out   complex  (Q, rows of op(a), columns of op(b)), contiguous
CPU       A complex number is three reals, re, im and re + im: arrays are (3 Q, rows, columns), and three real products
          replace a complex one (cpu/matrix_dft.py). Each thread takes some of them; BLAS transposes at no cost.
GPU       gpu/products.py chooses the kernel.
Precision "fp32" as the arrays are; on tensor cores each number is two terms of 11 bits, and keeps fewer than 22
          if it is below 2^-16 of the largest one nearby (split_terms.cuh). "tf32" rounds operands to 10 bits of
          fraction. With "bf16" a number is two bfloat16 of 7 bits, held as uint32 (bf16_blocks.cuh). All of them sum in
          float32; float64 arrays are multiplied in float64.
Source    CPU: Karatsuba, Ofman 1962; as (a + i b)(c + i d), three products instead of four
"""

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cpu import threads
from tinyfft.fourier.gpu import products

PRECISIONS = ("fp32", "tf32", "bf16")


def precisions(device: Device) -> tuple[str, ...]:
    """Return the precisions of products that a device supports."""
    return PRECISIONS if device.kind == "cuda" else ("fp32",)


def product(
    a: Array,
    b: Array,
    out: Array,
    device: Device,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    precision: str = "fp32",
    deterministic: bool = False,
) -> None:
    """Write the products of all frequencies into `out`.

    deterministic  whether a GPU chooses a kernel without timing, for the same bits in every process
    """
    inner_a, inner_b = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    assert inner_a == inner_b, (a.shape, transpose_a, b.shape, transpose_b)
    assert out.shape[-2:] == (a.shape[-1 if transpose_a else -2], b.shape[-2 if transpose_b else -1]), out.shape
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    if device.kind == "cuda":
        products.multiply(a, b, out, device, transpose_a, transpose_b, precision, deterministic)
        return
    left = a.swapaxes(1, 2) if transpose_a else a
    right = b.swapaxes(1, 2) if transpose_b else b
    threads.run(len(out), lambda part: np.matmul(left[part], right[part], out=out[part]))
