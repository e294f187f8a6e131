"""A GPU's kernel for products of spectra, chosen once for each problem.

Our kernels for tensor cores work by warps (tensor_product.py) and, on GPUs of compute capability 9.0, by warpgroups
(warpgroup_product.py); cuBLAS (cublas.py) is the third. The fastest is measured at a problem's first product on a
machine (autotune.py).
"""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from tinyfft import autotune, backend
from tinyfft.backend import Array, Device
from tinyfft.cuda import cublas, launch
from tinyfft.cuda.source import Source
from tinyfft.fourier.gpu import tensor_product, warpgroup_product
from tinyfft.fourier.plan import BF16_BLOCK

MIN_TENSOR_CORE_MACS = 1 << 12
"""Tensor cores are tried from this many multiplications per frequency."""

HOPPER = 90
"""The architecture that has warpgroup products."""

_chosen: dict[tuple, Callable[..., None]] = {}
"""The kernels of the problems that this process has met."""


def multiply(
    a: Array,
    b: Array,
    out: Array,
    device: Device,
    transpose_a: bool,
    transpose_b: bool,
    precision: str,
    deterministic: bool,
) -> None:
    """Queue out[q] = op(a[q]) @ op(b[q]) for all q, as product.py says."""
    shapes, dtypes = (a.shape, b.shape, out.shape), (a.dtype, b.dtype, out.dtype)
    problem = (device, shapes, dtypes, transpose_a, transpose_b, precision, deterministic)
    how = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
    kernel = _chosen.get(problem)
    if kernel is None:
        kernel = _choose(a, b, out, device, deterministic, how)
        if not backend.is_capturing():
            _chosen[problem] = kernel
    kernel(a, b, out, device, **how)


def kernels(
    a_shape: tuple[int, ...],
    b_shape: tuple[int, ...],
    dtype: np.dtype,
    device: Device,
    *,
    transpose_a: bool,
    transpose_b: bool,
    precision: str,
) -> list[Source]:
    """Return the kernels of our own that `multiply` may choose for operands of these shapes."""
    macs = prod(a_shape[1:]) * b_shape[-2 if transpose_b else -1]
    aligned = (tensor_product.is_aligned(shape, dtype) for shape in (a_shape, b_shape))
    how = (precision, transpose_a, transpose_b, *aligned)
    sources = {"warps": tensor_product.source, "warpgroups": warpgroup_product.source}
    return [sources[name](*how) for name in _candidates(dtype, macs, device) if name in sources]


def _choose(a: Array, b: Array, out: Array, device: Device, deterministic: bool, how: dict) -> Callable[..., None]:
    whole_blocks = all(m.shape[-1] % BF16_BLOCK == 0 for m in (a, b, out))
    assert out.dtype != np.uint32 or whole_blocks, (a.shape, b.shape, out.shape)
    kernels = _candidates(out.dtype, a[0].size * out.shape[-1], device)
    name = next(iter(kernels))
    if len(kernels) > 1 and not deterministic:
        candidates = {name: partial(kernel, a, b, out, device, **how) for name, kernel in kernels.items()}
        name = autotune.fastest(device, f"product, {out.dtype}, {a.shape}, {b.shape}, {how}", candidates)
    return kernels[name]


def _candidates(dtype: np.dtype, macs: int, device: Device) -> dict[str, Callable[..., None]]:
    """Return what can multiply such numbers, the likely fastest first; `macs` are multiplications per frequency."""
    kernels = {} if dtype == np.uint32 else {"cublas": _by_cublas}
    architecture = launch.architecture(device)
    enough = dtype == np.complex64 and macs >= MIN_TENSOR_CORE_MACS and architecture >= launch.TENSOR_CORES
    if dtype == np.uint32 or enough:
        kernels = {"warps": tensor_product.multiply, **kernels}
        if architecture == HOPPER:
            kernels = {"warpgroups": warpgroup_product.multiply, **kernels}
    return kernels


def _by_cublas(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, tf32=precision == "tf32")
