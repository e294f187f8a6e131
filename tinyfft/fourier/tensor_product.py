"""tensor_product.cu's launcher: complex products on tensor cores, float32 by its parts (split_terms.cuh).

Computes  out[q] = op(a[q]) @ op(b[q]), as product.py says, in one of its PARTS
Dtypes    complex64; for "bf16" uint32, two bfloat16 each in runs (bf16_blocks.cuh), whole ones in each row in memory
"""

from functools import cache
from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

PARTS = {"fp32": 2, "tf32": 1, "bf16": 1}
"""Numbers of two bytes that stand for a part of a complex number, by the precision of the product."""

GROUP_BYTES = 16  # that are read as one
ROWS = COLUMNS = 64  # of a block's tile
WARP, DEPTH, BLOCKS = 32, 32, 3
THREADS = 32 * (ROWS // WARP) * (COLUMNS // WARP)


def multiply(
    a: Array, b: Array, out: Array, device: Device, *, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    """Queue the products on the current stream; the arrays are contiguous."""
    Q, rows, columns = out.shape
    depth = a.shape[1 if transpose_a else 2]
    kernel = source(precision, transpose_a, transpose_b, grouped(a), grouped(b))
    blocks = ceil(rows / ROWS) * ceil(columns / COLUMNS), Q
    shared = shared_bytes(precision, transpose_a, transpose_b)
    arguments = (a, b, out, *map(np.int32, (rows, columns, depth)))
    gpu.launch(kernel, "tensor_product", blocks, THREADS, arguments, device, shared)


@cache
def source(precision: str, transpose_a: bool, transpose_b: bool, grouped_a: bool, grouped_b: bool) -> Source:
    sizes = {"ROWS": ROWS, "COLUMNS": COLUMNS, "WARP": WARP, "BLOCKS": BLOCKS, "DEPTH": DEPTH}
    return head("tensor_product", precision, transpose_a, transpose_b, grouped_a, grouped_b, **sizes)


def head(
    stem: str,
    precision: str,
    transpose_a: bool,
    transpose_b: bool,
    grouped_a: bool,
    grouped_b: bool,
    **sizes: int,
) -> Source:
    """What both kernels of complex products are compiled with."""
    bf16 = precision == "bf16"
    types, macros = {"number": "unsigned" if bf16 else "float2"}, {"BF16": bf16, "REAL": False}
    flags = {"TRANSPOSE_A": transpose_a, "TRANSPOSE_B": transpose_b, "GROUPED_A": grouped_a, "GROUPED_B": grouped_b}
    return gpu.source(stem, types, macros, PARTS=PARTS[precision], **flags, **sizes)


def grouped(operand: Array) -> bool:
    """Whether its lines are whole groups, as those of bf16 always are."""
    return operand.shape[-1] * operand.itemsize % GROUP_BYTES == 0


def shared_bytes(precision: str, transpose_a: bool, transpose_b: bool) -> int:
    """A slab of each operand, as it is and in parts, lines of these eight numbers longer; and four numbers more."""
    itemsize = 4 if precision == "bf16" else 8
    total = 16
    for outer, inside in ((ROWS, not transpose_a), (COLUMNS, transpose_b)):
        lines, length = (outer, DEPTH) if inside else (DEPTH, outer)
        total += lines * length * itemsize + 2 * PARTS[precision] * lines * (length + 8) * 2
    return total
