"""max_pool.cu on a GPU: the sizes it is compiled with, and the launches of its kernels.

max_pool           output (S, C, oH, oW) from input (S, C, H, W)
max_pool_gradient  gradInput (S, C, H, W) from input, output and gradOutput (S, C, oH, oW); a kernel of its own where
                   windows lie apart, which reads each pixel once
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.fourier.axis import Axis
from tinyfft.gpu import Source

THREADS = 256
LARGEST_INT = 2**31 - 1
LARGEST_CELL = 16
"""Pixels of a window and what lies between it and the next ones that a thread can hold."""


@dataclass(frozen=True)
class Specialisation:
    """The kernels for one size of planes and windows; `wide` where an index needs 64 bits, which are slower.

    rectified  whether the gradient is that of the input of a ReLU before the pooling
    """

    rows: Axis
    columns: Axis
    itemsize: int
    wide: bool = False
    rectified: bool = False

    @property
    def apart(self) -> bool:
        """Whether no pixel is in two windows and no window reaches beyond its plane; and cells are small."""
        axes = (self.rows, self.columns)
        small = self.rows.stride * self.columns.stride <= LARGEST_CELL
        return small and all(axis.before == axis.after == 0 and axis.kernel <= axis.stride for axis in axes)

    @property
    def cells(self) -> int:
        """Of a plane: windows with what lies between them and the next ones, or the plane's end."""
        return ceil(self.rows.size / self.rows.stride) * ceil(self.columns.size / self.columns.stride)

    def source(self) -> Source:
        """With the types and sizes."""
        sizes = {"THREADS": THREADS}
        for H, axis in (("H", self.rows), ("W", self.columns)):
            own = {"": axis.size, "k": axis.kernel, "s": axis.stride, "p": axis.before, "o": axis.out}
            sizes |= {prefix + H: value for prefix, value in own.items()}
        real = gpu.REAL[self.itemsize]
        lines = [f"typedef {real} real;", f"typedef {real}2 real2;"]
        lines += [f"typedef {'long long' if self.wide else 'int'} integer;"]
        lines += [f"constexpr integer {name} = {value};" for name, value in sizes.items()]
        lines += [f"constexpr bool RECTIFIED = {str(self.rectified).lower()};"]
        return Source("max_pool", "\n".join(lines))


def run(name: str, windows: tuple[Axis, Axis], device: Device, rectified: bool = False, **arrays: Array) -> None:
    """Launch kernel `name` on the current stream; `arrays` in the order of its arguments, the last is written.

    Raises TypeError for an array that is not the device's, and ValueError for one that is not contiguous: a kernel
    knows no strides.
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
    wide = max(array.size for array in arrays.values()) + THREADS > LARGEST_INT
    kernel, count = Specialisation(*windows, written.itemsize, wide, rectified), written.size
    if name == "max_pool_gradient" and kernel.apart:
        name, count = "max_pool_gradient_apart", written.shape[0] * written.shape[1] * kernel.cells
        del arrays["output"]
    blocks = max(1, ceil(count / THREADS))  # a grid may not be empty, as a minibatch may be
    gpu.launch(kernel.source(), name, (blocks, 1), THREADS, (*arrays.values(), np.int64(count)), device)
