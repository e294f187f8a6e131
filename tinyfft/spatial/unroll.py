"""Pictures unrolled along x, so that each row of a convolution's output is one matrix product.

    padded[h, c, s, w]     = x[s, c, h, w - before]                zero where that lies outside of x
    columns[h, c, v, s, j] = padded[h, c, s, stride j + v]

What one output row reads are kH rows of the picture, one after the other in `columns`: one matrix (kH C kW, n oW) as it
lies. So nothing is copied for the kernel's rows, and those in the padding above or below are left out; columns unrolled
along both axes take kH times the copying and memory, and multiply that padding.
Shapes  x (n, C, H, W), padded (H, C, n, stride (oW - 1) + kW), columns (H, C, kW, n, oW). Axes as in fourier/axis.py
"""

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis


def padded_size(axis: Axis) -> int:
    """Pixels of a padded row: all that any output reads."""
    return axis.stride * (axis.out - 1) + axis.kernel


def unroll(x: Array, padded: Array, columns: Array, axis: Axis) -> None:
    """Write padded and columns."""
    pixels, places = _inside(axis)
    padded[..., : places.start].fill(0)
    padded[..., places] = x[..., pixels].transpose(2, 1, 0, 3)
    padded[..., places.stop :].fill(0)
    *of_rows, of_samples, of_pixels = padded.strides
    strides = (*of_rows, of_pixels, of_samples, axis.stride * of_pixels)
    columns[...] = np.lib.stride_tricks.as_strided(padded, columns.shape, strides)


def roll(columns: Array, padded: Array, x: Array, axis: Axis) -> None:
    """Write to x the sums of the columns that read each pixel: the transpose of `unroll`."""
    pixels, places = _inside(axis)
    padded.fill(0)
    for v in range(axis.kernel):
        padded[..., v : v + axis.stride * (axis.out - 1) + 1 : axis.stride] += columns[:, :, v]
    x[..., pixels] = padded[..., places].transpose(2, 1, 0, 3)
    x[..., pixels.stop :].fill(0)


def read_by(axis: Axis, output: int) -> tuple[slice, slice]:
    """(taps, inputs): what one output is summed from; both are empty if it reads only padding."""
    offset = axis.stride * output - axis.before
    first = max(0, -offset)
    last = max(first, min(axis.kernel, axis.size - offset))
    return slice(first, last), slice(first + offset, last + offset)


def readers_of(axis: Axis, input: int) -> tuple[slice, slice]:
    """(places in `backwards(axis)`, outputs): the taps by which one input is read, and where to; both may be empty."""
    row = input + axis.before
    first = max(0, -((axis.kernel - 1 - row) // axis.stride))
    last = max(first, min(axis.out, row // axis.stride + 1))
    place = backwards(axis).index(row - axis.stride * first) if first < last else 0
    return slice(place, place + last - first), slice(first, last)


def backwards(axis: Axis) -> list[int]:
    """The taps in the order in which later and later outputs read an input: from the last, in steps of the stride."""
    return [tap for rest in range(axis.stride) for tap in reversed(range(rest, axis.kernel, axis.stride))]


def _inside(axis: Axis) -> tuple[slice, slice]:
    """(pixels, where they lie in a padded row): those that it holds; a stride may leave the last ones out."""
    size = padded_size(axis)
    start, stop = min(axis.before, size), min(axis.before + axis.size, size)
    return slice(stop - start), slice(start, stop)
