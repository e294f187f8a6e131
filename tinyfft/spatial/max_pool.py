"""Specialise max_pool.cu for sizes, and launch its kernels.

max_pool           output (S, C, oH, oW) from input (S, C, H, W)
max_pool_gradient  gradInput (S, C, H, W) from input, output and gradOutput (S, C, oH, oW); where windows lie apart by
                   another kernel, which reads each pixel once
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source
from tinyfft.fourier.axis import Axis

THREADS = 256
INT_MAX = 2**31 - 1
MAX_CELL_PIXELS = 16  # stride x stride pixels, which a thread of max_pool_gradient_apart holds in registers


@dataclass(frozen=True)
class PoolKernel:
    """The kernels for one size of planes and windows.

    wide_index   whether indices have 64 bits, which are slower
    behind_relu  whether the gradient goes on to the input of a ReLU before the pooling
    """

    rows: Axis
    columns: Axis
    itemsize: int
    wide_index: bool = False
    behind_relu: bool = False

    @property
    def apart(self) -> bool:
        """Whether windows neither overlap nor reach beyond their plane, and cells are small."""
        axes = (self.rows, self.columns)
        small = self.rows.stride * self.columns.stride <= MAX_CELL_PIXELS
        return small and all(axis.before == axis.after == 0 and axis.kernel <= axis.stride for axis in axes)

    @property
    def cells(self) -> int:
        """Cells of stride x stride pixels that cover a plane."""
        return ceil(self.rows.size / self.rows.stride) * ceil(self.columns.size / self.columns.stride)

    def source(self) -> Source:
        """Return the source with its types and constants."""
        sizes = {"THREADS": THREADS}
        for H, axis in (("H", self.rows), ("W", self.columns)):
            own = {"": axis.size, "k": axis.kernel, "s": axis.stride, "p": axis.before, "o": axis.out}
            sizes |= {prefix + H: value for prefix, value in own.items()}
        real = REAL[self.itemsize]
        lines = [f"typedef {real} real;", f"typedef {real}2 real2;"]
        lines += [f"typedef {'long long' if self.wide_index else 'int'} index_t;"]
        lines += [f"constexpr index_t {name} = {value};" for name, value in sizes.items()]
        lines += [f"constexpr bool BEHIND_RELU = {str(self.behind_relu).lower()};"]
        return Source("max_pool", "\n".join(lines))


def run(name: str, windows: tuple[Axis, Axis], device: Device, behind_relu: bool = False, **arrays: Array) -> None:
    """Launch kernel `name` on the current stream. `arrays` are its arguments in order; it writes the last one.

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
    kernel, count = PoolKernel(*windows, written.itemsize, wide_index, behind_relu), written.size
    if name == "max_pool_gradient" and kernel.apart:
        name, count = "max_pool_gradient_apart", written.shape[0] * written.shape[1] * kernel.cells
        del arrays["output"]
    blocks = max(1, ceil(count / THREADS))  # a minibatch may be empty, a grid may not
    launch.run(kernel.source(), name, (blocks, 1), THREADS, (*arrays.values(), np.int64(count)), device)
