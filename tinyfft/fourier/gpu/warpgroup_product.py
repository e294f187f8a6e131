"""Launch warpgroup_product.cu: the same products as tensor_product.py, on GPUs of compute capability 9.0."""

from functools import cache, lru_cache
from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch, tensor_map
from tinyfft.cuda.source import Source
from tinyfft.cuda.tensor_map import TensorMap
from tinyfft.fourier.gpu.tensor_product import SPLIT_TERMS, is_aligned, product_source
from tinyfft.fourier.plan import BF16_BLOCK

ARCHITECTURE = "sm_90a"
TILE_M, TILE_N = 128, {1: 128, 2: 64}  # TILE_N by the number of split terms
THREADS = {1: 384, 2: 512}  # 256 of them are consumers
FLOAT_STAGES = {"TILE_K": 16, "STAGES": 4, "PREFETCH": 3}
BF16_STAGES = {"TILE_K": 32, "STAGES": 4}
SHARED_BYTES = 226 << 10


def multiply(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    """Queue the products on the current stream. The arrays must be contiguous."""
    Q, M, N = out.shape
    K, terms = a.shape[1 if transpose_a else 2], SPLIT_TERMS[precision]
    kernel = source(precision, transpose_a, transpose_b, is_aligned(a.shape, a.dtype), is_aligned(b.shape, b.dtype))
    tiles = Q * ceil(M / TILE_M) * ceil(N / TILE_N[terms])
    blocks = min(tiles, multiprocessors(device)), 1
    if precision == "bf16":
        a, b = _tile_map(a, TILE_M, not transpose_a), _tile_map(b, TILE_N[terms], transpose_b)
    arguments = (a, b, out, *map(np.int32, (M, N, K, Q)))
    launch.run(kernel, "warpgroup_product", blocks, THREADS[terms], arguments, device, SHARED_BYTES)


def _tile_map(operand: Array, mn: int, k_major: bool) -> TensorMap:
    """Return the tensor map whose boxes are K-tiles of an operand: all real parts, then all imaginary parts."""
    Q, lines, length = operand.shape
    tile_lines, tile_length = (mn, BF16_STAGES["TILE_K"]) if k_major else (BF16_STAGES["TILE_K"], mn)
    sizes = (BF16_BLOCK, lines, length // BF16_BLOCK, 2, Q)
    strides = (4 * length, 4 * BF16_BLOCK, 2 * BF16_BLOCK, 4 * lines * length)
    return tensor_map.boxes(operand, sizes, strides, (BF16_BLOCK, tile_lines, tile_length // BF16_BLOCK, 2, 1))


@cache
def source(precision: str, transpose_a: bool, transpose_b: bool, aligned_a: bool, aligned_b: bool) -> Source:
    """Return the specialised kernel."""
    terms = SPLIT_TERMS[precision]
    sizes = {"TILE_M": TILE_M, "TILE_N": TILE_N[terms], "THREADS": THREADS[terms], "SHARED_BYTES": SHARED_BYTES}
    sizes |= BF16_STAGES if precision == "bf16" else FLOAT_STAGES
    kernel = product_source("warpgroup_product", precision, transpose_a, transpose_b, aligned_a, aligned_b, **sizes)
    return kernel._replace(architecture=ARCHITECTURE)


@lru_cache(maxsize=64)
def multiprocessors(device: Device) -> int:
    """Return the number of the device's multiprocessors."""
    return device.xp.cuda.Device(device.index).attributes["MultiProcessorCount"]
