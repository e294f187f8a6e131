"""spectrum: real planes -> half spectra, zeros added on the way in.

Computes  out[q, (a, tile), (phase, b)] = DFT of the window of plane (a, b), at frequency q; conjugated on request
          with `rectified`, ReLU's output, of masked = planes where rectified > 0, else 0: ReLU's gradInput on the way;
          `masked` may be the planes
Input     planes  real     (A, B, h, w); rectified alike
Output    out     complex  (Q, A T, P B), frequency first; masked as the planes
          for bf16 products blocks of two bfloat16 each (bf16_blocks.cuh); maps that fill up the last block are zero
          on the CPU (3 Q, A T, P B): the real parts, the imaginary ones and their sums, in the order of matrix_dft.py
Windows   axis.Window says which rows and columns are a line's points; all others are zero
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/fourier/spectrum.cu, launched by tinyfft/fourier/launch.py
"""

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import cachefuls, launch, matrix_dft
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.matrix_dft import Room
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
    rows, columns = windows = plan.windows(name)
    planes, rectified, masked = cachefuls.in_lines(plan, name, planes, rectified, masked)
    A, B = planes.shape[:2]
    out = out.reshape(-1, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    cells = cachefuls.cells(windows)

    def transform(samples: slice, room: Room) -> None:
        for cell in cells:
            room.clear()
            target, pixels = out[:, samples, *cell.index], (samples, slice(None), *cell.pixels)
            if rectified is not None:
                _mask(planes[pixels], rectified[pixels], masked[pixels], room)
            source = (planes if rectified is None else masked)[pixels]
            if not source.size:
                target.fill(0)
                continue
            if (lines := cachefuls.joined(source, 1)) is None:
                lines = room.take(source.shape[0] * B, *source.shape[2:])
                lines.reshape(source.shape)[...] = source
            if (direct := cachefuls.joined(target, 2)) is not None:
                matrix_dft.forward(lines, cell.points, plan.frequencies, conjugate, room, direct)
            else:
                numbers = room.take(len(out), len(lines))
                matrix_dft.forward(lines, cell.points, plan.frequencies, conjugate, room, numbers)
                target[...] = numbers.reshape(target.shape)

    cachefuls.each(planes, plan, name, arena, transform)


def _mask(gradient: Array, rectified: Array, masked: Array, room: Room) -> None:
    ones = room.take(*gradient.shape)
    np.greater(rectified, 0, out=ones)  # as nn/activation.py does, and why
    np.multiply(gradient, ones, out=masked)


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
    """The sum of the pixels of each window, (A T, P B): what a spectrum holds as its zero frequency.

    Its real part, where a number has two.
    """
    return hat[0]  # of the CPU's three planes the first one holds the real parts
