"""product: one complex matrix product per frequency.

Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
Input     a, b  complex  (Q, rows, columns), contiguous
Output    out   complex  (Q, rows of op(a), columns of op(b)), contiguous
Precision "fp32" as the arrays are, on tensor cores 22 bits of each number: fewer of one that is below 2^-16 of the
          largest nearby in its matrix (split_terms.cuh). There "tf32" rounds what is multiplied to 10 bits of
          fraction on its way in, and with "bf16" numbers are two bfloat16, of 7 bits, in blocks (bf16_blocks.cuh),
          which are held as uint32; all sum in float32. float64 arrays are always multiplied in float64
CPU       real numbers, three products in place of a complex one: a and b are (3 Q, rows, columns), re, im and re + im,
          each thread takes some of them, and NumPy's matmul hands one after the other to BLAS, transposes included
On a GPU  our kernels for tensor cores (tensor_product.py, by warps; where the GPU has them by warpgroups too,
          warpgroup_product.py), or cuBLAS (cublas.py): for each shape the one that takes least time, measured at its
          first product on this machine (choices.py)
Source    CPU: Karatsuba, Ofman 1962; as (a + i b)(c + i d), three products in place of four
"""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from tinyfft import choices, cublas, gpu, parallel
from tinyfft.backend import Array, Device
from tinyfft.fourier import tensor_product, warpgroup_product
from tinyfft.fourier.plan import BF16_BLOCK

PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "tf32", "bf16")}
"""What each kind of device can compute."""

ENOUGH = 1 << 12
"""Multiplications of a frequency, from which on tensor cores may take less time than cuBLAS."""

_WARPGROUPS = 90  # the architecture that has them


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

    deterministic  without a clock's choice: on tensor cores where they can, for the same bits in every process
    """
    inner_a, inner_b = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    assert inner_a == inner_b, (a.shape, transpose_a, b.shape, transpose_b)
    outer = (a.shape[-1 if transpose_a else -2], b.shape[-2 if transpose_b else -1])
    assert out.shape == (*a.shape[:-2], *outer), (out.shape, a.shape, b.shape)
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    shapes = a.shape, b.shape, out.shape
    assert out.dtype != np.uint32 or all(shape[-1] % BF16_BLOCK == 0 for shape in shapes), shapes
    if device.kind == "cpu":
        a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
        parallel.run(len(out), lambda part: np.matmul(a[part], b[part], out=out[part]))
        return
    how = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
    ways = {
        name: partial(way, a, b, out, device, **how)
        for name, way in _ways(out.dtype.name, inner_a * outer[0] * outer[1] >= ENOUGH, device).items()
    }
    name = next(reversed(ways))
    if len(ways) > 1 and not deterministic:
        name = choices.fastest(device, f"product, {out.dtype}, {a.shape}, {b.shape}, {how}", ways)
    ways[name]()


@lru_cache(maxsize=64)
def _ways(dtype: str, enough: bool, device: Device) -> dict[str, Callable[..., None]]:
    """How a GPU can multiply such numbers, what most likely takes least time last."""
    ways = {} if dtype == "uint32" else {"cublas": _by_cublas}
    architecture = gpu.architecture(device)
    if dtype == "uint32" or (dtype == "complex64" and enough and architecture >= gpu.TENSOR_CORES):
        ways["warps"] = tensor_product.multiply
        if architecture == _WARPGROUPS:
            ways["warpgroups"] = warpgroup_product.multiply
    return ways


def _by_cublas(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, tf32=precision == "tf32")
