"""Pooling: the largest or the mean value of each window of a plane.

    MaxPool      updateOutput     y[s,c,i,j] = max over the window of x
                 updateGradInput  dx at a window's largest value += dy; of equal ones the first takes it all, by rows
    AveragePool  updateOutput     y[s,c,i,j] = (sum over the window of x) / (kH kW)
                 updateGradInput  dx everywhere in the window += dy / (kH kW)

The window of (i, j) covers rows i sH - pH to i sH - pH + kH - 1 and columns likewise. Padding never is a maximum, and
counts as zeros in a mean. Windows may overlap or leave gaps.
Shapes  input (S, C, H, W), output (S, C, oH, oW); oH = floor((H + 2 pH - kH) / sH) + 1, oW likewise.
        kernel_size, stride and padding are a number or a pair (rows, columns); stride None is the kernel's size.
Dtypes  float32, float64. Raises ValueError when a size is below 1, padding is beyond half the kernel, the kernel is
        larger than the padded plane, or the input has another shape or dtype.
ReLU    before a MaxPool in a Sequential: `backward` makes its gradInput at once, in an array that is both modules'
Source  semantics as torch.nn.MaxPool2d and AvgPool2d, compared in the tests. ops/pooling.py computes it
"""

from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis
from tinyfft.nn.activation import ReLU
from tinyfft.nn.arguments import Pair, pair
from tinyfft.nn.module import Module
from tinyfft.ops import pooling


class _Pool(Module):
    """What both have in common: arguments, checks and sizes."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
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
        """How windows lie on the rows and on the columns, after all checks."""
        self._check_array(input)
        name = type(self).__name__
        if input.ndim != 4:
            raise ValueError(f"{name}: input has shape {input.shape}, expected (S, C, H, W)")
        sizes = zip(input.shape[2:], self.kernel_size, self.stride, self.padding, self.padding, strict=True)
        rows, columns = (Axis(*own) for own in sizes)
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
        return self._pass_back(input, gradOutput)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """updateGradInput; with `relu`, the module before, whose output is the input, its gradInput at once."""
        if relu is None:
            return super().backward(input, gradOutput, scale)
        relu.gradInput = self._pass_back(input, gradOutput, rectified=True)
        return relu.gradInput

    def _pass_back(self, input: Array, gradOutput: Array, rectified: bool = False) -> Array:
        windows = self._windows(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        arrays = (input, self.output, gradOutput, gradInput)
        pooling.max_pool_gradient(*arrays, windows, self.device, self._buffer, rectified)
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
