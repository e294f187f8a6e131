"""signal: half spectra -> real planes, cropped to what is wanted, with the bias on the way out.

Computes  planes[a, b] = (inverse DFT of hat[:, (a, tile), (phase, b)])[wanted rows, wanted columns] + bias[b]
          with `scale`, planes += scale * that instead: gradients add up, and so do overlapping tiles
          with `relu`, planes = max(that, 0): ReLU's output on the way
Input     hat     complex  (Q, A T, P B), frequency first; `conjugate` if it holds the conjugate spectra; after bf16
          products as spectrum writes them; on the CPU (3 Q, A T, P B), as product.py does, where the bias is added to
          hat's own zero frequency
Output    planes  real     (A, B, h, w); rows and columns outside the plan's windows are left alone
Tiles are added in one fixed order, so that the same input gives the same bits.
On the CPU a cacheful of planes is transformed at a time, as matrix products; on a GPU one kernel does all of it.
Kernel    kernels/fourier/signal.cu, launched by tinyfft/fourier/launch.py
"""

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import cachefuls, launch, matrix_dft
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.axis import Window
from tinyfft.fourier.matrix_dft import Room
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
    relu: bool = False,
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`, the plan's "x", "w" or "y"."""
    check_arrays(planes, plan, name, hat)
    if arena.device.kind == "cuda":
        arguments = (hat, planes, bias, planes.dtype.type(1 if scale is None else scale))
        options = {"conjugate": conjugate, "accumulate": scale is not None, "relu": relu}
        launch.run("signal", plan, name, planes, arena.device, arguments, **options)
    else:
        _by_matrices(hat, plan, name, planes, arena, bias, scale, conjugate, relu)


def _by_matrices(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    bias: Array | None,
    scale: float | None,
    conjugate: bool,
    relu: bool,
) -> None:
    rows, columns = windows = plan.windows(name)
    if bias is not None:
        constant = hat[0].reshape(-1, len(bias))  # the zero frequency
        constant += plan.lengths[0] * plan.lengths[1] * bias
    (planes,) = cachefuls.in_lines(plan, name, planes)
    A, B = planes.shape[:2]
    hat = hat.reshape(-1, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    cells = cachefuls.cells(windows)

    def transform(samples: slice, room: Room) -> None:
        for cell in cells:
            room.clear()
            source, target = hat[:, samples, *cell.index], planes[samples, :, *cell.pixels]
            if not target.size:
                continue
            if (numbers := cachefuls.joined(source, 2)) is None:
                numbers = room.take(len(hat), target.shape[0] * B)
                numbers.reshape(source.shape)[...] = source
            if (values := cachefuls.joined(target, 1) if scale is None else None) is None:
                values = room.take(target.shape[0] * B, *target.shape[2:])
            points = tuple(_shifted(*of_axis) for of_axis in zip(cell.points, windows, strict=True))
            matrix_dft.inverse(numbers, points, plan.frequencies, conjugate, room, values)
            _write(target, values.reshape(target.shape), scale)
            if relu:
                np.maximum(target, 0, out=target)

    cachefuls.each(planes, plan, name, arena, transform)


def _shifted(points: range, window: Window) -> range:
    return range(points.start + window.shift, points.stop + window.shift)


def _write(target: Array, values: Array, scale: float | None) -> None:
    if scale is not None:
        if scale != 1:
            values *= scale
        target += values
    elif not np.may_share_memory(target, values):
        target[...] = values
