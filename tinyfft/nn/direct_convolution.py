"""Convolution by unrolling the input and one matrix product: the baseline that the paper compares with.

    columns[(c, u, v), (s, i, j)] = x[s, c, stride i + u - padding, stride j + v - padding]
    updateOutput       y       = weight @ columns(x) + bias
    updateGradInput    gx      = columns^T(weight^T @ gy)     columns^T adds each entry to the pixel it was read from
    accGradParameters  gweight = gy @ columns(x)^T

Shapes, dtypes, errors  as in convolution_layer.py. The minibatch goes in blocks whose columns stay small
Source  Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006;
        torch/nn, lib/THNN/generic/SpatialConvolutionMM.c
"""

from collections.abc import Iterator
from itertools import product as pairs
from math import prod

from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import Plan
from tinyfft.nn.convolution_layer import ConvolutionLayer

COLUMN_BYTES = 1 << 24
"""Memory for the unrolled input, at least: a CPU needs no more for one large matrix product, a GPU takes its block."""


class DirectConvolution(ConvolutionLayer):
    def updateOutput(self, input: Array) -> Array:
        plan = self._check_input(input)
        self.algorithms["updateOutput"] = "direct"
        F, oH, oW = plan.F, plan.y.axis.out, plan.x.axis.out
        output = self._buffer("output", (plan.S, F, oH, oW), self.dtype)
        for samples, columns in self._blocks(plan):
            _unroll(input[samples], columns, plan)
            n = columns.shape[3]
            rows = self._scratch("_row_scratch", (F, n, oH, oW))
            self.xp.matmul(self.weight.reshape(F, -1), columns.reshape(-1, n * oH * oW), out=rows.reshape(F, -1))
            if self.bias is None:
                output[samples] = rows.swapaxes(0, 1)
            else:
                self.xp.add(rows.swapaxes(0, 1), self.bias[:, None, None], out=output[samples])
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        plan = self._check_backward(input, gradOutput)
        self.algorithms["updateGradInput"] = "direct"
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        gradInput.fill(0)
        for samples, columns in self._blocks(plan):
            rows = self._rows(gradOutput[samples])
            self.xp.matmul(self.weight.reshape(plan.F, -1).T, rows, out=columns.reshape(-1, rows.shape[1]))
            _roll(columns, gradInput[samples], plan)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        plan = self._check_backward(input, gradOutput)
        self.algorithms["accGradParameters"] = "direct"
        product = self._buffer("_weight_scratch", (plan.F, self.weight[0].size), self.dtype)
        for samples, columns in self._blocks(plan):
            _unroll(input[samples], columns, plan)
            rows = self._rows(gradOutput[samples])
            self.xp.matmul(rows, columns.reshape(-1, rows.shape[1]).T, out=product)
            if scale != 1:
                product *= scale
            self.gradWeight += product.reshape(self.weight.shape)
        if self.bias is not None:
            self.gradBias += scale * gradOutput.sum(axis=(0, 2, 3))

    def _blocks(self, plan: Plan) -> Iterator[tuple[slice, Array]]:
        """(samples, columns (C, kH, kW, n, oH, oW)) for as many samples at a time as the memory allows."""
        oH, oW = plan.y.axis.out, plan.x.axis.out
        per_sample = self.weight[0].size * oH * oW * self.dtype.itemsize
        at_once = min(plan.S, max(1, max(COLUMN_BYTES, self.device.block_bytes) // per_sample))
        for first in range(0, plan.S, at_once):
            n = min(at_once, plan.S - first)
            yield slice(first, first + n), self._scratch("_column_scratch", (*self.weight.shape[1:], n, oH, oW))

    def _rows(self, gradOutput: Array) -> Array:
        """gradOutput (n, F, oH, oW) as the matrix (F, n oH oW)."""
        n, F, oH, oW = gradOutput.shape
        rows = self._scratch("_row_scratch", (F, n, oH, oW))
        rows[...] = gradOutput.swapaxes(0, 1)
        return rows.reshape(F, -1)

    def _scratch(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array of that shape at the start of a scratch buffer that only grows."""
        size, held = prod(shape), getattr(self, name, None)
        length = size if held is None else max(size, held.size)
        return self._buffer(name, (length,), self.dtype)[:size].reshape(shape)


def _unroll(input: Array, columns: Array, plan: Plan) -> None:
    """Copy each pixel of `input` (n, C, H, W) to every column that reads it; what lies in the padding is zero."""
    if any(a.before or a.after for a in (plan.y.axis, plan.x.axis)):
        columns.fill(0)
    for u, v, (rows, out_rows), (across, out_across) in _taps(plan):
        columns[:, u, v, :, out_rows, out_across] = input[:, :, rows, across].swapaxes(0, 1)


def _roll(columns: Array, gradInput: Array, plan: Plan) -> None:
    """Add each column's entries to the pixels that they were read from: the transpose of `_unroll`."""
    for u, v, (rows, out_rows), (across, out_across) in _taps(plan):
        gradInput[:, :, rows, across] += columns[:, u, v, :, out_rows, out_across].swapaxes(0, 1)


def _taps(plan: Plan) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """(u, v, (input rows, output rows), (input columns, output columns)) of each tap that meets the input."""
    y, x = plan.y.axis, plan.x.axis
    for u, v in pairs(range(y.kernel), range(x.kernel)):
        of_y, of_x = _reach(y, u), _reach(x, v)
        if of_y and of_x:
            yield u, v, of_y, of_x


def _reach(axis: Axis, tap: int) -> tuple[slice, slice] | None:
    """The (input, output) rows that a tap joins: input = stride output + tap - padding, both inside."""
    offset = tap - axis.before
    first = max(0, -(offset // axis.stride))
    last = min(axis.out - 1, (axis.size - 1 - offset) // axis.stride)
    if first > last:
        return None
    start = axis.stride * first + offset
    return slice(start, axis.stride * last + offset + 1, axis.stride), slice(first, last + 1)
