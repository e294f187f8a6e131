"""add_column_sums: out[c] += scale sum_r matrix[r, c]: the gradient of a bias.

Shapes  matrix (rows, columns), copied on a GPU if it is not in C order; out (columns,), or fewer, of the first ones
Dtypes  out float32 or float64; matrix the same, or its complex kind, of which the real parts are summed, or uint32:
        runs of complex numbers of two bfloat16 (kernels/runs.cuh)
On a GPU one kernel, kernels/column_sums.cu; its sums are in double precision
"""

from functools import cache
from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

COLUMNS, ROWS = 32, 8  # of threads in a block
_NUMBERS = {
    "float32": "float",
    "float64": "double",
    "complex64": "float2",
    "complex128": "double2",
    "uint32": "unsigned",
}
"""The C types of dtypes."""


def add_column_sums(matrix: Array, out: Array, device: Device, scale: float = 1) -> None:
    """Add to out, whose dtype must fit the matrix's, and which may be no longer than its rows."""
    if device.kind == "cuda":
        rows, pitch = matrix.shape
        matrix = device.xp.ascontiguousarray(matrix)
        arguments = (matrix, out, out.dtype.type(scale), *map(np.int32, (rows, len(out), pitch)))
        kernel, blocks = source(matrix.dtype, out.dtype), (ceil(len(out) / COLUMNS), 1)
        gpu.launch(kernel, "column_sums", blocks, COLUMNS * ROWS, arguments, device, COLUMNS * ROWS * 8)
        return
    sums = matrix[:, : len(out)].real.sum(axis=0)
    out += sums if scale == 1 else scale * sums


@cache
def source(number: np.dtype, real: np.dtype) -> Source:
    """Return the kernel for matrices and sums of these dtypes."""
    types = {"number": _NUMBERS[np.dtype(number).name], "real": _NUMBERS[np.dtype(real).name]}
    return gpu.source("column_sums", types, COLUMNS=COLUMNS, ROWS=ROWS)
