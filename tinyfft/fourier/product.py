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
On a GPU cuBLAS does it (cublas.py).
Source    bf16: Karatsuba, Ofman 1962; as (a + i b)(c + i d), three products in place of four
"""

import numpy as np

from tinyfft import cublas, parallel
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
        transposed = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        cublas.gemm(a, b, out, device, **transposed, tf32=precision == "tf32")
