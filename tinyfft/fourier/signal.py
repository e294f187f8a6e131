"""signal: half spectra -> real planes, cropped to what is wanted, with the bias on the way out.

Computes  planes[a, b] = (inverse DFT of hat[:, (a, tile), (phase, b)])[wanted rows, wanted columns] + bias[b]
          with `scale`, planes += scale * that instead: gradients add up, and so do overlapping tiles
          with `rectified`, rectified = max(planes, 0) as well: ReLU's output on the way
Input     hat     complex  (Q, A T, P B), frequency first; `conjugate` if it holds the conjugate spectra; after bf16
          products (3, Q, A T, P B), as product.py writes them
Output    planes  real     (A, B, h, w), rectified alike; rows and columns outside the plan's windows are left alone
Tiles are added in one fixed order, so that the same input gives the same bits.
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/signal.cu, launched by tinyfft/fourier/launch.py
"""

from itertools import product as pairs

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import launch, matrix_dft
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.spectrum import check_arrays


def signal(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    *,
    bias: Array | None = None,
    scale: float | None = None,
    conjugate: bool = False,
    rectified: Array | None = None,
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`, the plan's "x", "w" or "y"."""
    check_arrays(planes, plan, name, hat)
    if arena.device.kind == "cuda":
        arguments = (hat, planes, bias, planes.dtype.type(1 if scale is None else scale), rectified)
        options = {"conjugate": conjugate, "accumulate": scale is not None, "relu": rectified is not None}
        launch.run("signal", plan, name, planes, arena.device, arguments, **options)
    else:
        _by_matrices(hat, plan, name, planes, arena, bias, scale, conjugate, rectified)


def _by_matrices(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    bias: Array | None,
    scale: float | None,
    conjugate: bool,
    rectified: Array | None,
) -> None:
    A, B = planes.shape[:2]
    rows, columns = plan.windows(name)
    at_once = plan.samples_at_once(A, B)
    hat = hat.reshape(plan.Q, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    shape, shifts = (rows.length, columns.length), (rows.shift, columns.shift)
    for ty, tx, ry, rx in pairs(*map(range, hat.shape[2:6])):
        cuts = list(pairs(rows.cuts(ty, ry), columns.cuts(tx, rx)))
        for first in range(0, A, at_once):
            samples = slice(first, first + at_once)
            with arena.frame(0):
                source = hat[:, samples, ty, tx, ry, rx]
                values = matrix_dft.inverse(source, plan.lengths, shape, shifts, conjugate, arena)
                for (plane_rows, line_rows), (plane_columns, line_columns) in cuts:
                    pixels = (samples, slice(None), plane_rows, plane_columns)
                    _write(planes[pixels], values[:, :, line_rows, line_columns], bias, scale)
                    if rectified is not None:
                        np.maximum(planes[pixels], 0, out=rectified[pixels])


def _write(target: Array, values: Array, bias: Array | None, scale: float | None) -> None:
    if bias is not None:
        values += bias[:, None, None]
    if scale is None:
        target[...] = values
    else:
        if scale != 1:
            values *= scale
        target += values
