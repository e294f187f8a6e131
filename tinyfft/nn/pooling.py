"""Pooling: the maximum or the mean of each window of a plane.

    MaxPool      updateOutput     y[s,c,i,j] = max over the window of x
                 updateGradInput  dx at the window's maximum += dy; of equal maxima only the first in row order counts
    AveragePool  updateOutput     y[s,c,i,j] = (sum over the window of x) / (kH kW)
                 updateGradInput  dx everywhere in the window += dy / (kH kW)

The window of (i, j) covers rows i sH - pH to i sH - pH + kH - 1, and columns likewise. Padding is never a maximum, and
counts as zeros in a mean. Windows may overlap or leave gaps.
Shapes  input (S, C, H, W), output (S, C, oH, oW); oH = floor((H + 2 pH - kH) / sH) + 1, oW likewise
Dtypes  float32, float64. Raises ValueError for an input of another shape or dtype, a size below 1, padding of more than
        half the kernel, or a kernel larger than the padded plane.
ReLU    In a Sequential a MaxPool fuses the backward pass of a ReLU before it: both modules' gradInput is one array.
Source  same results as torch.nn.MaxPool2d and AvgPool2d, compared in the tests. ops/pooling.py has the arithmetic
"""

from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis
from tinyfft.nn.activation import ReLU
from tinyfft.nn.arguments import Pair, pair
from tinyfft.nn.module import Module
from tinyfft.ops import pooling


class _Pool(Module):
    """Arguments, checks and sizes of both kinds."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        """kernel_size  rows and columns of a window: an integer or a pair (rows, columns)
        stride       rows and columns from one window to the next; None: kernel_size
        padding      rows added above and below, columns added left and right, each at most half of kernel_size
        """
        super().__init__()
        self.kernel_size = pair(self, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair(self, "stride", stride, 1)
        self.padding = pair(self, "padding", padding, 0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: padding is {self.padding}, expected at most half of "
                f"kernel_size = {self.kernel_size}"
            )

    def __repr__(self) -> str:
        (kH, kW), (sH, sW) = self.kernel_size, self.stride
        text = f"nn.{type(self).__name__}({kH}x{kW}"
        text += f", stride {sH}x{sW}" if self.stride != self.kernel_size else ""
        return text + (f", padding {self.padding})" if self.padding != (0, 0) else ")")

    def _windows(self, input: Array, gradOutput: Array | None = None) -> tuple[Axis, Axis]:
        """Return the axes of rows and of columns, which say where windows lie, after all checks."""
        self._check_array(input)
        name = type(self).__name__
        if input.ndim != 4:
            raise ValueError(f"{name}: input has shape {input.shape}, expected (S, C, H, W)")
        sizes = zip(input.shape[2:], self.kernel_size, self.stride, self.padding, self.padding, strict=True)
        rows, columns = (Axis(*axis_sizes) for axis_sizes in sizes)
        if min(rows.out, columns.out) < 1:
            raise ValueError(
                f"{name}: input has shape {input.shape}, expected planes of at least kernel_size = {self.kernel_size} "
                f"with padding = {self.padding} on each side"
            )
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)
        return rows, columns

    def _output_buffer(self, input: Array, windows: tuple[Axis, Axis]) -> Array:
        return self._buffer("output", (*input.shape[:2], *(window.out for window in windows)), input.dtype)


class MaxPool(_Pool):
    capturable = True

    def updateOutput(self, input: Array) -> Array:
        windows = self._windows(input)
        output = self._output_buffer(input, windows)
        pooling.max_pool(input, output, windows, self.device, self._buffer)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        return self._write_gradInput(input, gradOutput)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Return gradInput; with a fused `relu`, whose output is `input`, return ReLU's gradInput instead."""
        if relu is None:
            return super().backward(input, gradOutput, scale)
        relu.gradInput = self._write_gradInput(input, gradOutput, relu=True)
        return relu.gradInput

    def _write_gradInput(self, input: Array, gradOutput: Array, relu: bool = False) -> Array:
        windows = self._windows(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        arrays = (input, self.output, gradOutput, gradInput)
        pooling.max_pool_gradient(*arrays, windows, self.device, self._buffer, relu)
        return gradInput


class AveragePool(_Pool):
    def updateOutput(self, input: Array) -> Array:
        windows = self._windows(input)
        output = self._output_buffer(input, windows)
        pooling.average_pool(input, output, windows, self.device)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        windows = self._windows(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        pooling.average_pool_gradient(gradOutput, gradInput, windows, self.device)
        return gradInput
