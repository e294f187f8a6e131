"""signal: half spectra -> real planes, cropped to what is wanted, with the bias on the way out.

Computes  planes[a, b] = (inverse DFT of hat[:, (a, tile), (phase, b)])[wanted rows, wanted columns] + bias[b]
          with `scale`, planes += scale * that instead: gradients add up, and so do overlapping tiles
Input     hat     complex  (Q, A T, P B), frequency first; `conjugate` if it holds the conjugate spectra
Output    planes  real     (A, B, h, w); rows and columns outside the plan's windows are left alone
Tiles are added in one fixed order, so that the same input gives the same bits.
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/signal.cu, launched as tinyfft/fourier/kernel.py says
"""

from itertools import product as pairs

from tinyfft.backend import Array
from tinyfft.fourier import kernel, matrix_dft
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
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`, the plan's "x", "w" or "y"."""
    check_arrays(planes, plan, name, hat)
    if arena.device.kind == "cuda":
        arguments = (hat, planes, bias, planes.dtype.type(1 if scale is None else scale))
        options = {"conjugate": conjugate, "add": scale is not None}
        kernel.run("signal", plan, name, planes, arena.device, arguments, **options)
    else:
        _by_matrices(hat, plan, name, planes, arena, bias, scale, conjugate)


def _by_matrices(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    bias: Array | None,
    scale: float | None,
    conjugate: bool,
) -> None:
    A, B = planes.shape[:2]
    rows, columns = plan.windows(name)
    at_once = plan.samples_at_once(A, B)
    hat = hat.reshape(plan.Q, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    shape, shifts = (rows.length, columns.length), (rows.shift, columns.shift)
    for ty, tx, ry, rx in pairs(*map(range, hat.shape[2:6])):
        cuts = list(pairs(rows.cuts(ty, ry), columns.cuts(tx, rx)))
        for first in range(0, A, at_once):
            block = planes[first : first + at_once]
            source = hat[:, first : first + at_once, ty, tx, ry, rx]
            with arena.frame(0):
                values = matrix_dft.inverse(source, plan.lengths, shape, shifts, conjugate, arena)
                for (plane_rows, line_rows), (plane_columns, line_columns) in cuts:
                    _write(block[:, :, plane_rows, plane_columns], values[:, :, line_rows, line_columns], bias, scale)


def _write(target: Array, values: Array, bias: Array | None, scale: float | None) -> None:
    if bias is not None:
        values += bias[:, None, None]
    if scale is None:
        target[...] = values
    else:
        if scale != 1:
            values *= scale
        target += values
