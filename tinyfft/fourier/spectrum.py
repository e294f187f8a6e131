"""spectrum: real planes -> half spectra, zeros added on the way in.

Computes  out[q, (a, tile), (phase, b)] = DFT of the window of plane (a, b), at frequency q; conjugated on request
Input     planes  real     (A, B, h, w)
Output    out     complex  (Q, A T, P B), frequency first
Windows   axis.Window says which rows and columns are a line's points; all others are zero
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/spectrum.cu, launched as tinyfft/fourier/kernel.py says
"""

from itertools import product as pairs

from tinyfft.backend import Array
from tinyfft.fourier import kernel, matrix_dft
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.plan import Plan


def spectrum(planes: Array, plan: Plan, name: str, out: Array, arena: Arena, conjugate: bool = False) -> None:
    """Write the half spectra of `planes`, the plan's "x", "w" or "y", into `out`."""
    check_arrays(planes, plan, name, out)
    if arena.device.kind == "cuda":
        kernel.run("spectrum", plan, name, planes, arena.device, (planes, out), conjugate=conjugate)
    else:
        _by_matrices(planes, plan, name, out, arena, conjugate)


def _by_matrices(planes: Array, plan: Plan, name: str, out: Array, arena: Arena, conjugate: bool) -> None:
    A, B = planes.shape[:2]
    rows, columns = plan.windows(name)
    at_once = plan.samples_at_once(A, B)
    out = out.reshape(plan.Q, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    with arena.frame(0):
        lines = arena.take((at_once, B, rows.length, columns.length), planes.dtype)
        for ty, tx, ry, rx in pairs(*map(range, out.shape[2:6])):
            lines.fill(0)
            cuts = list(pairs(rows.cuts(ty, ry), columns.cuts(tx, rx)))
            for first in range(0, A, at_once):
                block = planes[first : first + at_once]
                for (plane_rows, line_rows), (plane_columns, line_columns) in cuts:
                    lines[: len(block), :, line_rows, line_columns] = block[:, :, plane_rows, plane_columns]
                target = out[:, first : first + at_once, ty, tx, ry, rx]
                matrix_dft.forward(lines[: len(block)], plan.lengths, target, conjugate, arena)


def check_arrays(planes: Array, plan: Plan, name: str, hat: Array) -> None:
    """Our own invariants, shared with `signal`: planes and spectra fit the plan and each other."""
    heights = tuple(window.size for window in plan.windows(name))
    assert hat.shape == plan.spectrum_shape(name), (hat.shape, plan.spectrum_shape(name))
    assert all(have >= read for have, read in zip(planes.shape[2:], heights, strict=True)), (planes.shape, heights)
    assert hat.dtype.itemsize == 2 * planes.dtype.itemsize, (hat.dtype, planes.dtype)
    assert type(hat) is type(planes), (type(hat), type(planes))
    assert hat.flags.c_contiguous, hat.strides
