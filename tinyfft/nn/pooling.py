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
Source  semantics as torch.nn.MaxPool2d and AvgPool2d, compared in the tests
"""

from collections.abc import Iterator

from tinyfft.backend import Array
from tinyfft.nn.arguments import Pair, pair
from tinyfft.nn.module import Module

Region = tuple[slice, ...]


class _Pool(Module):
    """What both have in common. Time goes into kH kW passes over strided views, one for each place in the window."""

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
        self._overlapping = any(s < k for s, k in zip(self.stride, self.kernel_size, strict=True))

    def __repr__(self) -> str:
        (kH, kW), (sH, sW) = self.kernel_size, self.stride
        text = f"nn.{type(self).__name__}({kH}x{kW}"
        text += f", stride {sH}x{sW}" if self.stride != self.kernel_size else ""
        return text + (f", padding {self.padding})" if self.padding != (0, 0) else ")")

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        self._check_array(input)
        name = type(self).__name__
        if input.ndim != 4:
            raise ValueError(f"{name}: input has shape {input.shape}, expected (S, C, H, W)")
        if min(self._output_shape(input)) < 1:
            raise ValueError(
                f"{name}: input has shape {input.shape}, expected planes of at least kernel_size = {self.kernel_size} "
                f"with padding = {self.padding} on each side"
            )
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)

    def _output_shape(self, input: Array) -> tuple[int, int]:
        """(oH, oW)."""
        sizes = zip(input.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        return tuple((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)

    def _places(self, input: Array) -> Iterator[tuple[Region, Region]]:
        """For each place in the window, by rows: the pixels it meets in the input, and the outputs they belong to."""
        rows, columns = (
            list(_places_on_axis(*sizes))
            for sizes in zip(
                input.shape[2:], self.kernel_size, self.stride, self.padding, self._output_shape(input), strict=True
            )
        )
        for in_rows, out_rows in rows:
            for in_columns, out_columns in columns:
                yield (..., in_rows, in_columns), (..., out_rows, out_columns)

    def _combine(self, input: Array, ufunc: str, start: float) -> Array:
        """self.output = the window's values, combined two by two; `start` is where a window with padding begins."""
        self._check(input)
        output = self._buffer("output", input.shape[:2] + self._output_shape(input), input.dtype)
        combine = getattr(self.xp, ufunc)
        places = self._places(input)
        if self.padding == (0, 0):
            output[...] = input[next(places)[0]]
        else:
            output.fill(start)
        for pixels, outputs in places:
            part = output[outputs]
            combine(part, input[pixels], out=part)
        return output

    def _zero_gradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        gradInput.fill(0)
        return gradInput


class MaxPool(_Pool):
    def updateOutput(self, input: Array) -> Array:
        return self._combine(input, "maximum", -self.xp.inf)

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        gradInput = self._zero_gradInput(input, gradOutput)
        found = self._buffer("_found", gradOutput.shape, "bool")
        free = self._buffer("_free", gradOutput.shape, "bool")  # windows whose largest value has not come yet
        free.fill(True)
        product = self._buffer("_product", gradOutput.shape, gradOutput.dtype) if self._overlapping else None
        for pixels, outputs in self._places(input):
            here, still_free = found[outputs], free[outputs]
            gradient, target = gradOutput[outputs], gradInput[pixels]
            self.xp.equal(self.output[outputs], input[pixels], out=here)
            self.xp.logical_and(here, still_free, out=here)
            self.xp.logical_xor(still_free, here, out=still_free)
            if self._overlapping:
                target += self.xp.multiply(gradient, here, out=product[outputs])
            else:
                self.xp.multiply(gradient, here, out=target)
        return gradInput


class AveragePool(_Pool):
    def updateOutput(self, input: Array) -> Array:
        output = self._combine(input, "add", 0.0)
        output *= 1 / (self.kernel_size[0] * self.kernel_size[1])
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        gradInput = self._zero_gradInput(input, gradOutput)
        share = self._buffer("_share", gradOutput.shape, gradOutput.dtype)
        self.xp.multiply(gradOutput, 1 / (self.kernel_size[0] * self.kernel_size[1]), out=share)
        for pixels, outputs in self._places(input):
            target = gradInput[pixels]
            if self._overlapping:
                target += share[outputs]
            else:
                target[...] = share[outputs]
        return gradInput


def _places_on_axis(size: int, k: int, s: int, p: int, o: int) -> Iterator[tuple[slice, slice]]:
    """For each place i in a window of k: which pixels it meets, and for which outputs; none in the padding."""
    for i in range(k):
        first = max(0, -((i - p) // s))  # the first window whose place i is not in the padding before the plane
        end = min(o, (size - 1 + p - i) // s + 1)  # and the end of those where it is not in the padding behind
        if first < end:
            yield slice(first * s + i - p, (end - 1) * s + i - p + 1, s), slice(first, end)
