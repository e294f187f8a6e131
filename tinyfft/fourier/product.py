"""product: one complex matrix product per frequency.

Computes  out[q] = op(a[q]) @ op(b[q]) for all q, op the identity or the transpose
Input     a, b  complex  (Q, rows, columns), contiguous
Output    out   complex  (Q, rows of op(a), columns of op(b)), contiguous
Precision "fp32" as the arrays are, on tensor cores 22 bits of each number: fewer of one that is below 2^-16 of the
          largest nearby in its matrix (kernels/parts.cuh). There "tf32" rounds what is multiplied to 10 bits of
          fraction on its way in, and with "bf16" numbers are two bfloat16, of 7 bits, in runs (kernels/runs.cuh),
          which are held as uint32; all sum in float32. float64 arrays are always multiplied in float64
CPU       real numbers, three products in place of a complex one: a and b are (3 Q, rows, columns), re, im and re + im,
          each thread takes some of them, and NumPy's matmul hands one after the other to BLAS, transposes included
On a GPU  our kernels for tensor cores (tensor_product.py, by warps; where the GPU has them by warpgroups too,
          warpgroup_product.py), or cuBLAS (cublas.py): for each shape the fastest, measured once on a machine
          (autotune.py)
Source    CPU: Karatsuba, Ofman 1962; as (a + i b)(c + i d), three products in place of four
"""

from collections.abc import Callable
from functools import lru_cache, partial
from math import prod

import numpy as np

from tinyfft import autotune, cublas, gpu, parallel
from tinyfft.backend import Array, Device
from tinyfft.fourier import tensor_product, warpgroup_product
from tinyfft.fourier.plan import RUN

PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "tf32", "bf16")}
"""What each kind of device can compute."""

MIN_TENSOR_CORE_MACS = 1 << 12
"""Tensor cores are tried from this many multiplications per frequency."""

_HOPPER = 90  # the architecture that has warpgroup products


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

    deterministic  whether to choose without timing, on tensor cores if possible, for the same bits in every process
    """
    inner_a, inner_b = a.shape[-2 if transpose_a else -1], b.shape[-1 if transpose_b else -2]
    assert inner_a == inner_b, (a.shape, transpose_a, b.shape, transpose_b)
    outer = (a.shape[-1 if transpose_a else -2], b.shape[-2 if transpose_b else -1])
    assert out.shape == (*a.shape[:-2], *outer), (out.shape, a.shape, b.shape)
    assert a.dtype == b.dtype == out.dtype, (a.dtype, b.dtype, out.dtype)
    assert out.dtype != np.uint32 or all(m.shape[-1] % RUN == 0 for m in (a, b, out)), (a.shape, b.shape, out.shape)
    if device.kind == "cpu":
        a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
        parallel.run(len(out), lambda part: np.matmul(a[part], b[part], out=out[part]))
        return
    how = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
    kernels = _kernels(out.dtype.name, inner_a * outer[0] * outer[1] >= MIN_TENSOR_CORE_MACS, device)
    candidates = {name: partial(kernel, a, b, out, device, **how) for name, kernel in kernels.items()}
    name = next(iter(candidates))
    if len(candidates) > 1 and not deterministic:
        name = autotune.fastest(device, f"product, {out.dtype}, {a.shape}, {b.shape}, {how}", candidates)
    candidates[name]()


def compilers(
    a_shape: tuple[int, ...],
    b_shape: tuple[int, ...],
    dtype: np.dtype,
    device: Device,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    precision: str = "fp32",
) -> list[Callable[[], object]]:
    """Return functions that each compile a GPU kernel that `product` may choose for operands of these shapes."""
    macs = prod(a_shape[1:]) * b_shape[-2 if transpose_b else -1]
    whole_groups = (shape[-1] * dtype.itemsize % tensor_product.GROUP_BYTES == 0 for shape in (a_shape, b_shape))
    how = (precision, transpose_a, transpose_b, *whole_groups)
    modules = {tensor_product.multiply: tensor_product, warpgroup_product.multiply: warpgroup_product}
    kernels = _kernels(dtype.name, macs >= MIN_TENSOR_CORE_MACS, device).values()
    return [partial(gpu.compile_source, modules[k].source(*how), device) for k in kernels if k in modules]


@lru_cache(maxsize=64)
def _kernels(dtype: str, enough: bool, device: Device) -> dict[str, Callable[..., None]]:
    """Return what can multiply such numbers on a GPU, the likely fastest first."""
    kernels = {} if dtype == "uint32" else {"cublas": _by_cublas}
    architecture = gpu.architecture(device)
    if dtype == "uint32" or (dtype == "complex64" and enough and architecture >= gpu.TENSOR_CORES):
        kernels = {"warps": tensor_product.multiply, **kernels}
        if architecture == _HOPPER:
            kernels = {"warpgroups": warpgroup_product.multiply, **kernels}
    return kernels


def _by_cublas(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, tf32=precision == "tf32")
