"""Max and average pooling and their gradients, as nn/pooling.py defines them.

max_pool, average_pool                    write output (S, C, oH, oW)
max_pool_gradient, average_pool_gradient  write gradInput (S, C, H, W)
Windows  (rows, columns), an Axis each: size, kernel, stride, padding
Buffer   buffer(name, shape, dtype) returns scratch memory, which it keeps
The CPU works on a block of samples at a time, in kH kW passes over strided views, one for each position in the window.
A GPU averages in the same passes over all samples; for max pooling it runs one kernel of max_pool.cu, which requires C
order: an input or a gradOutput in another order is first copied, which reads it once instead of kH kW times.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source
from tinyfft.fourier.axis import Axis

Windows = tuple[Axis, Axis]
Region = tuple[slice, ...]

THREADS = 256
INT_MAX = 2**31 - 1
MAX_CELL_PIXELS = 16  # pixels of a cell, which a thread of max_pool_gradient_disjoint holds in registers


def max_pool(input: Array, output: Array, windows: Windows, device: Device, buffer: Buffer) -> None:
    """Write the maximum of each window, NaN if a value is NaN."""
    if device.kind == "cuda":
        _launch("max_pool", windows, device, input=_c_order("_input", input, buffer), output=output)
    else:
        device.blockwise(lambda x, y: _reduce(x, y, windows, np.maximum, -np.inf), input, output)


def max_pool_gradient(
    input: Array,
    output: Array,
    gradOutput: Array,
    gradInput: Array,
    windows: Windows,
    device: Device,
    buffer: Buffer,
    relu: bool = False,
) -> None:
    """Write, for each pixel, the sum of gradOutput over the windows whose first maximum, by rows, is this pixel.

    relu  whether a ReLU before the pooling is fused: `input` is its output, gradInput the gradient of its input, zero
          where `input` is zero
    """
    if device.kind == "cuda":
        input, gradOutput = _c_order("_input", input, buffer), _c_order("_gradOutput", gradOutput, buffer)
        arrays = {"input": input, "output": output, "gradOutput": gradOutput, "gradInput": gradInput}
        _launch("max_pool_gradient", windows, device, relu, **arrays)
        return

    def work(x: Array, y: Array, gy: Array, gx: Array) -> None:
        _max_gradient(x, y, gy, gx, windows, device)
        if relu:
            np.multiply(gx, np.greater(x, 0), out=gx)  # NumPy's masked copies are slower than a product

    device.blockwise(work, input, output, gradOutput, gradInput)


def average_pool(input: Array, output: Array, windows: Windows, device: Device) -> None:
    """Write the mean of each window; its padding counts as zeros."""

    def average(x: Array, y: Array) -> None:
        _reduce(x, y, windows, device.xp.add, 0.0)
        y *= 1 / (windows[0].kernel * windows[1].kernel)

    device.blockwise(average, input, output)


def average_pool_gradient(gradOutput: Array, gradInput: Array, windows: Windows, device: Device) -> None:
    """Write, for each pixel, the sum of gradOutput / (kH kW) over the windows that contain it."""

    def spread(gy: Array, gx: Array) -> None:
        share = device.empty(gy.shape, gy.dtype)
        device.xp.multiply(gy, 1 / (windows[0].kernel * windows[1].kernel), out=share)
        gx.fill(0)
        for pixels, outputs in _positions(windows):
            target = gx[pixels]
            if _overlap(windows):
                target += share[outputs]
            else:
                target[...] = share[outputs]

    device.blockwise(spread, gradOutput, gradInput)


@dataclass(frozen=True)
class PoolKernel:
    """max_pool.cu for one size of planes and windows.

    wide_index  whether indices have 64 bits, which are slower
    relu        whether the gradient passes through a fused ReLU before the pooling
    """

    rows: Axis
    columns: Axis
    itemsize: int
    wide_index: bool = False
    relu: bool = False

    @property
    def disjoint(self) -> bool:
        """Whether windows neither overlap nor extend beyond their plane, and cells are small."""
        axes = (self.rows, self.columns)
        small = self.rows.stride * self.columns.stride <= MAX_CELL_PIXELS
        return small and all(axis.before == axis.after == 0 and axis.kernel <= axis.stride for axis in axes)

    @property
    def cells(self) -> int:
        """The number of cells of stride x stride pixels that cover a plane."""
        return ceil(self.rows.size / self.rows.stride) * ceil(self.columns.size / self.columns.stride)

    def source(self) -> Source:
        """Return the source with its types and constants."""
        sizes = {"THREADS": THREADS}
        for H, axis in (("H", self.rows), ("W", self.columns)):
            numbers = {"": axis.size, "k": axis.kernel, "s": axis.stride, "p": axis.before, "o": axis.out}
            sizes |= {prefix + H: value for prefix, value in numbers.items()}
        real = REAL[self.itemsize]
        lines = [f"typedef {real} real;", f"typedef {real}2 real2;"]
        lines += [f"typedef {'long long' if self.wide_index else 'int'} index_t;"]
        lines += [f"constexpr index_t {name} = {value};" for name, value in sizes.items()]
        lines += [f"constexpr bool FUSED_RELU = {str(self.relu).lower()};"]
        return Source("max_pool", "\n".join(lines))


def _launch(name: str, windows: Windows, device: Device, relu: bool = False, **arrays: Array) -> None:
    """Launch kernel `name`. `arrays` are its arguments in order; it writes the last one.

    Raises TypeError for an array of another device's type, and ValueError for an array that is not contiguous.
    """
    written = list(arrays.values())[-1]
    sizes = [tuple(window.size for window in windows), tuple(window.out for window in windows)]
    for argument, array in arrays.items():
        if not isinstance(array, device.xp.ndarray):
            expected = f"{device.xp.__name__}.ndarray"
            raise TypeError(f"{name}: {argument} is a {type(array).__name__}, expected a {expected} on {device}")
        if not array.flags.c_contiguous:
            raise ValueError(f"{name}: {argument} of shape {array.shape} has strides {array.strides}, expected C order")
        assert array.shape[2:] in sizes, (argument, array.shape, windows)
        assert array.dtype == written.dtype, (argument, array.dtype, written.dtype)
    wide_index = max(array.size for array in arrays.values()) + THREADS > INT_MAX
    kernel, count = PoolKernel(*windows, written.itemsize, wide_index, relu), written.size
    if name == "max_pool_gradient" and kernel.disjoint:
        name, count = "max_pool_gradient_disjoint", written.shape[0] * written.shape[1] * kernel.cells
        del arrays["output"]
    blocks = max(1, ceil(count / THREADS))  # a minibatch may be empty, a grid may not
    launch.run(kernel.source(), name, (blocks, 1), THREADS, (*arrays.values(), np.int64(count)), device)


def _c_order(name: str, array: Array, buffer: Buffer) -> Array:
    """Return the array, or a copy in C order."""
    if array.flags.c_contiguous:
        return array
    copy = buffer(name, array.shape, array.dtype)
    copy[...] = array
    return copy


def _reduce(input: Array, output: Array, windows: Windows, combine: Callable, start: float) -> None:
    """Write each window's values, combined two by two; with padding the first one is combined with `start`."""
    positions = _positions(windows)
    if any(window.before for window in windows):
        output.fill(start)
    else:
        output[...] = input[next(positions)[0]]
    for pixels, outputs in positions:
        target = output[outputs]
        combine(target, input[pixels], out=target)


def _max_gradient(
    input: Array, output: Array, gradOutput: Array, gradInput: Array, windows: Windows, device: Device
) -> None:
    gradInput.fill(0)
    is_max = device.empty(gradOutput.shape, "bool")
    searching = device.empty(gradOutput.shape, "bool")  # for the maximum of a window
    searching.fill(True)
    overlapping = _overlap(windows)
    product = device.empty(gradOutput.shape, gradOutput.dtype) if overlapping else None
    for pixels, outputs in _positions(windows):
        first_max, still_searching = is_max[outputs], searching[outputs]
        gradient, target = gradOutput[outputs], gradInput[pixels]
        np.equal(output[outputs], input[pixels], out=first_max)
        np.logical_and(first_max, still_searching, out=first_max)
        np.logical_xor(still_searching, first_max, out=still_searching)
        if overlapping:
            target += np.multiply(gradient, first_max, out=product[outputs])
        else:
            np.multiply(gradient, first_max, out=target)


def _overlap(windows: Windows) -> bool:
    return any(window.stride < window.kernel for window in windows)


def _positions(windows: Windows) -> Iterator[tuple[Region, Region]]:
    """Yield, for each position in the window by rows, the pixels at this position and the outputs of their windows."""
    rows, columns = (list(_axis_positions(window)) for window in windows)
    for in_rows, out_rows in rows:
        for in_columns, out_columns in columns:
            yield (..., in_rows, in_columns), (..., out_rows, out_columns)


def _axis_positions(window: Axis) -> Iterator[tuple[slice, slice]]:
    """Yield (pixels, outputs) for each position i in a window, without padding."""
    s, p = window.stride, window.before
    for i in range(window.kernel):
        first = max(0, -((i - p) // s))  # the first window whose position i is not in the padding before the plane
        end = min(window.out, (window.size - 1 + p - i) // s + 1)  # behind the last one that is not in the padding
        if first < end:
            yield slice(first * s + i - p, (end - 1) * s + i - p + 1, s), slice(first, end)
