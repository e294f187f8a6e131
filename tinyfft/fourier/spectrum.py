"""spectrum: real planes -> half spectra, zeros added on the way in.

Computes  out[q, (a, tile), (phase, b)] = DFT of the window of plane (a, b), at frequency q; conjugated on request
          with `rectified`, ReLU's output, of masked = planes where rectified > 0, else 0: ReLU's gradInput on the way
Input     planes  real     (A, B, h, w); rectified alike
Output    out     complex  (Q, A T, P B), frequency first; masked as the planes
          for bf16 products (3, Q, A T, P B): bfloat16 bits of the real parts, the imaginary parts and their sums
Windows   axis.Window says which rows and columns are a line's points; all others are zero
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/spectrum.cu, launched by tinyfft/fourier/launch.py
"""

from itertools import product as pairs

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import launch, matrix_dft
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.plan import Plan


def spectrum(
    planes: Array,
    plan: Plan,
    name: str,
    out: Array,
    arena: Arena,
    *,
    conjugate: bool = False,
    rectified: Array | None = None,
    masked: Array | None = None,
) -> None:
    """Write the half spectra of `planes`, the plan's "x", "w" or "y", into `out`."""
    check_arrays(planes, plan, name, out)
    if arena.device.kind == "cuda":
        arguments = (planes, out, rectified, masked)
        options = {"conjugate": conjugate, "relu": rectified is not None}
        launch.run("spectrum", plan, name, planes, arena.device, arguments, **options)
    else:
        _by_matrices(planes, plan, name, out, arena, conjugate, rectified, masked)


def _by_matrices(
    planes: Array,
    plan: Plan,
    name: str,
    out: Array,
    arena: Arena,
    conjugate: bool,
    rectified: Array | None,
    masked: Array | None,
) -> None:
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
                samples = slice(first, min(A, first + at_once))
                block = lines[: samples.stop - first]
                for (plane_rows, line_rows), (plane_columns, line_columns) in cuts:
                    pixels = (samples, slice(None), plane_rows, plane_columns)
                    if rectified is not None:
                        _mask(planes[pixels], rectified[pixels], masked[pixels])
                    block[:, :, line_rows, line_columns] = (planes if rectified is None else masked)[pixels]
                matrix_dft.forward(block, plan.lengths, out[:, samples, ty, tx, ry, rx], conjugate, arena)


def _mask(gradient: Array, rectified: Array, masked: Array) -> None:
    np.greater(rectified, 0, out=masked)  # as nn/activation.py does, and why
    masked *= gradient


def check_arrays(planes: Array, plan: Plan, name: str, hat: Array) -> None:
    """Our own invariants, shared with `signal`: planes and spectra fit the plan and each other."""
    assert hat.shape == plan.spectrum_shape(name), (hat.shape, plan.spectrum_shape(name))
    assert hat.dtype == plan.spectrum_dtype, (hat.dtype, plan.spectrum_dtype)
    rows, columns = plan.windows(name)
    assert planes.shape[2] >= rows.size, (planes.shape, rows)
    assert planes.shape[3] >= columns.size, (planes.shape, columns)
    assert planes.itemsize == plan.itemsize, (planes.dtype, plan.itemsize)
    assert type(hat) is type(planes), (type(hat), type(planes))
    assert hat.flags.c_contiguous, hat.strides


def window_sums(hat: Array) -> Array:
    """The sum of the pixels of each window, real (A T, P B): what a spectrum holds as its zero frequency."""
    if hat.ndim == 3:
        return hat[0].real
    return (hat[0, 0].astype("uint32") << 16).view("float32")  # bfloat16 is float32's upper half
