"""Pooling on planes: what slides over them, forwards and backwards, as nn/pooling.py defines it.

max_pool, average_pool                    write output (S, C, oH, oW)
max_pool_gradient, average_pool_gradient  write gradInput (S, C, H, W)
Windows  (rows, columns), an Axis each: size, kernel, stride, padding
Buffer   called with a name, a shape and a dtype, it gives scratch memory and keeps it
On the CPU each goes in kH kW passes over strided views, one for each place in the window, some samples at a time. On a
GPU so do means, all samples at once, while the largest values take one kernel (max_pool.py). It knows no strides: an
input or gradOutput that is not contiguous is first copied in C order, which reads it once where passes over strided
views would read it kH kW times.
"""

from collections.abc import Callable, Iterator

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.fourier.axis import Axis
from tinyfft.spatial import max_pool as kernel

Windows = tuple[Axis, Axis]
Region = tuple[slice, ...]


def max_pool(input: Array, output: Array, windows: Windows, device: Device, buffer: Buffer) -> None:
    """output = the largest value of each window; NaN if one is."""
    if device.kind == "cuda":
        kernel.run("max_pool", windows, device, input=_in_order("_input", input, buffer), output=output)
    else:
        device.blockwise(lambda x, y: _combine(x, y, windows, np.maximum, -np.inf), input, output)


def max_pool_gradient(
    input: Array,
    output: Array,
    gradOutput: Array,
    gradInput: Array,
    windows: Windows,
    device: Device,
    buffer: Buffer,
    rectified: bool = False,
) -> None:
    """gradInput = the sum of gradOutput over the windows of which a pixel is the first largest value, by rows.

    With `rectified`, the input being ReLU's output, zero where that is: the gradient of ReLU's input.
    """
    if device.kind == "cuda":
        input, gradOutput = _in_order("_input", input, buffer), _in_order("_gradOutput", gradOutput, buffer)
        arrays = {"input": input, "output": output, "gradOutput": gradOutput, "gradInput": gradInput}
        kernel.run("max_pool_gradient", windows, device, rectified, **arrays)
        return

    def work(x: Array, y: Array, gy: Array, gx: Array) -> None:
        _max_gradient(x, y, gy, gx, windows, device)
        if rectified:
            np.multiply(gx, np.greater(x, 0), out=gx)  # as nn/activation.py does, and why

    device.blockwise(work, input, output, gradOutput, gradInput)


def average_pool(input: Array, output: Array, windows: Windows, device: Device) -> None:
    """output = the mean of each window, its padding being zeros."""

    def average(x: Array, y: Array) -> None:
        _combine(x, y, windows, device.xp.add, 0.0)
        y *= 1 / (windows[0].kernel * windows[1].kernel)

    device.blockwise(average, input, output)


def average_pool_gradient(gradOutput: Array, gradInput: Array, windows: Windows, device: Device) -> None:
    """gradInput = the sum of gradOutput / (kH kW) over the windows that hold a pixel."""

    def spread(gy: Array, gx: Array) -> None:
        share = device.empty(gy.shape, gy.dtype)
        device.xp.multiply(gy, 1 / (windows[0].kernel * windows[1].kernel), out=share)
        gx.fill(0)
        for pixels, outputs in _places(windows):
            target = gx[pixels]
            if _overlap(windows):
                target += share[outputs]
            else:
                target[...] = share[outputs]

    device.blockwise(spread, gradOutput, gradInput)


def _in_order(name: str, array: Array, buffer: Buffer) -> Array:
    """The array, or a copy in C order."""
    if array.flags.c_contiguous:
        return array
    copy = buffer(name, array.shape, array.dtype)
    copy[...] = array
    return copy


def _combine(input: Array, output: Array, windows: Windows, combine: Callable, start: float) -> None:
    """output = the window's values, combined two by two; `start` is where a window with padding begins."""
    places = _places(windows)
    if any(window.before for window in windows):
        output.fill(start)
    else:
        output[...] = input[next(places)[0]]
    for pixels, outputs in places:
        part = output[outputs]
        combine(part, input[pixels], out=part)


def _max_gradient(
    input: Array, output: Array, gradOutput: Array, gradInput: Array, windows: Windows, device: Device
) -> None:
    gradInput.fill(0)
    found = device.empty(gradOutput.shape, "bool")
    free = device.empty(gradOutput.shape, "bool")  # windows whose largest value has not come yet
    free.fill(True)
    overlapping = _overlap(windows)
    product = device.empty(gradOutput.shape, gradOutput.dtype) if overlapping else None
    for pixels, outputs in _places(windows):
        here, still_free = found[outputs], free[outputs]
        gradient, target = gradOutput[outputs], gradInput[pixels]
        np.equal(output[outputs], input[pixels], out=here)
        np.logical_and(here, still_free, out=here)
        np.logical_xor(still_free, here, out=still_free)
        if overlapping:
            target += np.multiply(gradient, here, out=product[outputs])
        else:
            np.multiply(gradient, here, out=target)


def _overlap(windows: Windows) -> bool:
    return any(window.stride < window.kernel for window in windows)


def _places(windows: Windows) -> Iterator[tuple[Region, Region]]:
    """For each place in the window, by rows: the pixels it meets in the input, and the outputs they belong to."""
    rows, columns = (list(_places_on_axis(window)) for window in windows)
    for in_rows, out_rows in rows:
        for in_columns, out_columns in columns:
            yield (..., in_rows, in_columns), (..., out_rows, out_columns)


def _places_on_axis(window: Axis) -> Iterator[tuple[slice, slice]]:
    """For each place i in a window: which pixels it meets, and for which outputs; none in the padding."""
    s, p = window.stride, window.before
    for i in range(window.kernel):
        first = max(0, -((i - p) // s))  # the first window whose place i is not in the padding before the plane
        end = min(window.out, (window.size - 1 + p - i) // s + 1)  # and the end of those not in the padding behind
        if first < end:
            yield slice(first * s + i - p, (end - 1) * s + i - p + 1, s), slice(first, end)
