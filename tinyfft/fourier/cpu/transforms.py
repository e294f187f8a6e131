"""spectrum and signal on the CPU: matrix products over blocks of planes (blocks.py, matrix_dft.py).

Shapes and layout are stated in tinyfft/fourier/spectrum.py and signal.py; a spectrum is (3 Q, A T, P B).
"""

import numpy as np

from tinyfft.arena import Arena
from tinyfft.backend import Array
from tinyfft.fourier.axis import Window
from tinyfft.fourier.cpu import blocks, matrix_dft
from tinyfft.fourier.cpu.matrix_dft import Scratch
from tinyfft.fourier.plan import Plan


def spectrum(
    planes: Array,
    plan: Plan,
    name: str,
    out: Array,
    arena: Arena,
    conjugate: bool,
    relu_output: Array | None,
    masked: Array | None,
) -> None:
    """Write the half spectra of `planes`, first masked by a ReLU's output, into `out`."""
    rows, columns = windows = plan.windows(name)
    planes, relu_output, masked = blocks.as_single_maps(plan, name, planes, relu_output, masked)
    A, B = planes.shape[:2]
    out = out.reshape(-1, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    tiles = blocks.tiles(windows)

    def transform(samples: slice, scratch: Scratch) -> None:
        for tile in tiles:
            scratch.clear()
            target, pixels = out[:, samples, *tile.index], (samples, slice(None), *tile.pixels)
            if relu_output is not None:
                _mask(planes[pixels], relu_output[pixels], masked[pixels], scratch)
            source = (planes if relu_output is None else masked)[pixels]
            if not source.size:
                target.fill(0)
                continue
            if (lines := blocks.merge_axes(source, 1)) is None:
                lines = scratch.take(source.shape[0] * B, *source.shape[2:])
                lines.reshape(source.shape)[...] = source
            if (direct := blocks.merge_axes(target, 2)) is not None:
                matrix_dft.forward(lines, tile.points, plan.frequencies, conjugate, scratch, direct)
            else:
                numbers = scratch.take(len(out), len(lines))
                matrix_dft.forward(lines, tile.points, plan.frequencies, conjugate, scratch, numbers)
                target[...] = numbers.reshape(target.shape)

    blocks.for_each_block(planes, plan, name, arena, transform)


def signal(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    conjugate: bool,
    bias: Array | None,
    scale: float | None,
    relu: bool,
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`; a bias is added to hat's zero frequency."""
    rows, columns = windows = plan.windows(name)
    if bias is not None:
        zero_frequency = hat[0].reshape(-1, len(bias))
        zero_frequency += plan.lengths[0] * plan.lengths[1] * bias
    (planes,) = blocks.as_single_maps(plan, name, planes)
    A, B = planes.shape[:2]
    hat = hat.reshape(-1, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    tiles = blocks.tiles(windows)

    def transform(samples: slice, scratch: Scratch) -> None:
        for tile in tiles:
            scratch.clear()
            source, target = hat[:, samples, *tile.index], planes[samples, :, *tile.pixels]
            if not target.size:
                continue
            if (numbers := blocks.merge_axes(source, 2)) is None:
                numbers = scratch.take(len(hat), target.shape[0] * B)
                numbers.reshape(source.shape)[...] = source
            if (values := blocks.merge_axes(target, 1) if scale is None else None) is None:
                values = scratch.take(target.shape[0] * B, *target.shape[2:])
            points = tuple(_shifted(*of_axis) for of_axis in zip(tile.points, windows, strict=True))
            matrix_dft.inverse(numbers, points, plan.frequencies, conjugate, scratch, values)
            _write(target, values.reshape(target.shape), scale)
            if relu:
                np.maximum(target, 0, out=target)

    blocks.for_each_block(planes, plan, name, arena, transform)


def _mask(gradient: Array, relu_output: Array, masked: Array, scratch: Scratch) -> None:
    ones = scratch.take(*gradient.shape)
    np.greater(relu_output, 0, out=ones)
    np.multiply(gradient, ones, out=masked)  # a product: NumPy copies under a mask seven times slower


def _shifted(points: range, window: Window) -> range:
    return range(points.start + window.shift, points.stop + window.shift)


def _write(target: Array, values: Array, scale: float | None) -> None:
    if scale is not None:
        if scale != 1:
            values *= scale
        target += values
    elif not np.may_share_memory(target, values):
        target[...] = values
