"""im2col along x: one matrix product then gives one row of a convolution's output.

    padded[h, c, s, w]     = x[s, c, h, w - before]                zero outside x
    columns[h, c, v, s, j] = padded[h, c, s, stride j + v]

One output row reads kH consecutive rows of the images. In `columns` they are one matrix (kH C kW, n oW) without a copy,
and rows in the padding above or below the images are left out. im2col along both axes would copy and store kH times as
much, and multiply this padding.
Shapes  x (n, C, H, W), padded (H, C, n, stride (oW - 1) + kW), columns (H, C, kW, n, oW)
"""

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis


def padded_size(axis: Axis) -> int:
    """Return the pixels of a padded row: from the first to the last that an output reads."""
    return axis.stride * (axis.out - 1) + axis.kernel


def im2col(x: Array, padded: Array, columns: Array, axis: Axis) -> None:
    """Write padded and columns."""
    pixels, places = _inside(axis)
    padded[..., : places.start].fill(0)
    padded[..., places] = x[..., pixels].transpose(2, 1, 0, 3)
    padded[..., places.stop :].fill(0)
    h, c, s, w = padded.strides
    columns[...] = np.lib.stride_tricks.as_strided(padded, columns.shape, (h, c, w, s, axis.stride * w))


def col2im(columns: Array, padded: Array, x: Array, axis: Axis) -> None:
    """Write to each pixel of x the sum of its copies in `columns`: the transpose of im2col."""
    pixels, places = _inside(axis)
    padded.fill(0)
    for v in range(axis.kernel):
        padded[..., v : v + axis.stride * (axis.out - 1) + 1 : axis.stride] += columns[:, :, v]
    x[..., pixels] = padded[..., places].transpose(2, 1, 0, 3)
    x[..., pixels.stop :].fill(0)


def taps_of_output(axis: Axis, output: int) -> tuple[slice, slice]:
    """Return (taps, inputs) that an output sums over, without padding; both may be empty."""
    offset = axis.stride * output - axis.before
    first = max(0, -offset)
    last = max(first, min(axis.kernel, axis.size - offset))
    return slice(first, last), slice(first + offset, last + offset)


def taps_of_input(axis: Axis, input: int) -> tuple[slice, slice]:
    """Return (places in `tap_order`, outputs): the taps that read an input, and their outputs; both may be empty."""
    row = input + axis.before
    first = max(0, -((axis.kernel - 1 - row) // axis.stride))
    last = max(first, min(axis.out, row // axis.stride + 1))
    place = tap_order(axis).index(row - axis.stride * first) if first < last else 0
    return slice(place, place + last - first), slice(first, last)


def tap_order(axis: Axis) -> list[int]:
    """Return the taps in the order in which successive outputs read an input: descending in steps of the stride."""
    return [tap for rest in range(axis.stride) for tap in reversed(range(rest, axis.kernel, axis.stride))]


def _inside(axis: Axis) -> tuple[slice, slice]:
    """Return (pixels, their places in a padded row); a stride may leave the last pixels out."""
    size = padded_size(axis)
    start, stop = min(axis.before, size), min(axis.before + axis.size, size)
    return slice(stop - start), slice(start, stop)
