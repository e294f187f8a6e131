"""warpgroup_product.cu's launcher: tensor_product's work, by what GPUs of compute capability 9.0 alone have."""

from functools import cache, lru_cache
from math import ceil

import numpy as np

from tinyfft import gpu, tensor_map
from tinyfft.backend import Array, Device
from tinyfft.fourier.plan import BF16_BLOCK
from tinyfft.fourier.tensor_product import PARTS, grouped, head
from tinyfft.gpu import Source
from tinyfft.tensor_map import TensorMap

ARCHITECTURE = "sm_90a"
ROWS, COLUMNS = 128, {1: 128, 2: 64}  # of a block's tile, by the number of parts
THREADS = {1: 384, 2: 512}  # of which 256 multiply
DEPTH, STAGES, AHEAD = 16, 4, 3
BF16 = {"DEPTH": 32, "STAGES": 4}
SHARED_BYTES = 226 << 10


def multiply(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    """Queue the products on the current stream; the arrays are contiguous."""
    Q, rows, columns = out.shape
    depth = a.shape[1 if transpose_a else 2]
    kernel, parts = source(precision, transpose_a, transpose_b, grouped(a), grouped(b)), PARTS[precision]
    tiles = Q * ceil(rows / ROWS) * ceil(columns / COLUMNS[parts])
    blocks = min(tiles, multiprocessors(device)), 1
    if precision == "bf16":
        a, b = _slabs(a, ROWS, not transpose_a), _slabs(b, COLUMNS[parts], transpose_b)
    arguments = (a, b, out, *map(np.int32, (rows, columns, depth, Q)))
    gpu.launch(kernel, "warpgroup_product", blocks, THREADS[parts], arguments, device, SHARED_BYTES)


def _slabs(operand: Array, outer: int, depth_inside: bool) -> TensorMap:
    """Those of copied_slabs.cuh: of so many lines and runs, first the real parts, then the imaginary ones."""
    Q, lines, length = operand.shape
    down, across = (outer, BF16["DEPTH"]) if depth_inside else (BF16["DEPTH"], outer)
    sizes = (BF16_BLOCK, lines, length // BF16_BLOCK, 2, Q)
    strides = (4 * length, 4 * BF16_BLOCK, 2 * BF16_BLOCK, 4 * lines * length)
    return tensor_map.boxes(operand, sizes, strides, (BF16_BLOCK, down, across // BF16_BLOCK, 2, 1))


@cache
def source(precision: str, transpose_a: bool, transpose_b: bool, grouped_a: bool, grouped_b: bool) -> Source:
    parts = PARTS[precision]
    sizes = {"ROWS": ROWS, "COLUMNS": COLUMNS[parts], "THREADS": THREADS[parts]}
    slabs = BF16 if precision == "bf16" else {"DEPTH": DEPTH, "STAGES": STAGES, "AHEAD": AHEAD}
    sizes |= slabs | {"SHARED_BYTES": SHARED_BYTES}
    made = head("warpgroup_product", precision, transpose_a, transpose_b, grouped_a, grouped_b, **sizes)
    return made._replace(architecture=ARCHITECTURE)


@lru_cache(maxsize=64)
def multiprocessors(device: Device) -> int:
    return device.xp.cuda.Device(device.index).attributes["MultiProcessorCount"]
