"""Add a matrix's column sums: out[c] += scale sum_r re matrix[r, c], the gradient of a bias.

Shapes  matrix (rows, columns), copied on a GPU if it is not in C order; out (n,), n <= columns: the first n sums
Dtypes  out float32 or float64; matrix the same or complex of the same precision, or uint32: complex in bf16 blocks
        (bf16_blocks.cuh)
On a GPU column_sums.cu sums in double precision.
"""

from functools import cache
from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import Source, make_source

BLOCK_X, BLOCK_Y = 32, 8  # threads of a block
_NUMBERS = {
    "float32": "float",
    "float64": "double",
    "complex64": "float2",
    "complex128": "double2",
    "uint32": "unsigned",
}
"""The C types of dtypes."""


def add_column_sums(matrix: Array, out: Array, device: Device, scale: float = 1) -> None:
    """Add the sums of the first len(out) columns to out."""
    if device.kind == "cuda":
        rows, pitch = matrix.shape
        matrix = device.xp.ascontiguousarray(matrix)
        arguments = (matrix, out, out.dtype.type(scale), *map(np.int32, (rows, len(out), pitch)))
        kernel, blocks = source(matrix.dtype, out.dtype), (ceil(len(out) / BLOCK_X), 1)
        launch.run(kernel, "column_sums", blocks, BLOCK_X * BLOCK_Y, arguments, device, BLOCK_X * BLOCK_Y * 8)
        return
    sums = matrix[:, : len(out)].real.sum(axis=0)
    out += sums if scale == 1 else scale * sums


def source(number: np.dtype, real: np.dtype) -> Source:
    """Return the kernel for a matrix and sums of these dtypes."""
    return _source(number, real, BLOCK_X, BLOCK_Y)


@cache
def _source(number: np.dtype, real: np.dtype, block_x: int, block_y: int) -> Source:
    types = {"number": _NUMBERS[np.dtype(number).name], "real": _NUMBERS[np.dtype(real).name]}
    return make_source("column_sums", types, BLOCK_X=block_x, BLOCK_Y=block_y)
