"""Convolution by unrolling the input and matrix products: the baseline that the paper compares with.

    columns[h, (c, v), (s, j)] = x[s, c, h, stride j + v - padding]
    updateOutput       y[:, :, i]         = weight[:, :, u] @ columns[h] + bias
    updateGradInput    gx                 = columns^T(weight[:, :, u]^T @ gy[:, :, i])
    accGradParameters  gweight[:, :, u]^T = columns[h] @ gy[:, :, i]^T

summed over the kernel's rows u, h = stride i + u - padding; columns^T adds each entry to the pixel it was read from.
Shapes, dtypes, errors  as in convolution_layer.py. The minibatch goes in blocks; spatial/row_products.py computes one
Source  Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006;
        torch/nn, lib/THNN/generic/SpatialConvolutionMM.c. Both unroll along two axes, we along one
"""

from math import prod

from tinyfft.backend import Array, Device
from tinyfft.fourier.plan import Plan
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.spatial import row_products


class DirectConvolution(ConvolutionLayer):
    def updateOutput(self, input: Array) -> Array:
        plan = self._check_input(input)
        self.algorithms["updateOutput"] = "direct"
        output = self._buffer("output", (plan.S, plan.F, plan.y.axis.out, plan.x.axis.out), self.dtype)
        weight = row_products.by_rows(self.weight, self.device, self._scratch)
        for block in self._blocks(plan):
            row_products.convolve(input[block], weight, self.bias, output[block], *self._means(plan))
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        plan = self._check_backward(input, gradOutput)
        self.algorithms["updateGradInput"] = "direct"
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        weight = row_products.by_rows_backwards(self.weight, plan.y.axis, self.device, self._scratch)
        for block in self._blocks(plan):
            row_products.input_gradient(gradOutput[block], weight, gradInput[block], *self._means(plan))
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        plan = self._check_backward(input, gradOutput)
        self.algorithms["accGradParameters"] = "direct"
        F, C, kH, kW = self.weight.shape
        total = self._scratch("_weight_scratch", (kH, C, kW, F))
        total.fill(0)
        for block in self._blocks(plan):
            row_products.weight_gradient(input[block], gradOutput[block], total, *self._means(plan))
        if scale != 1:
            total *= scale

        def add(part: slice) -> None:
            self.gradWeight[part] += total[..., part].transpose(3, 1, 0, 2)
            if self.bias is not None:
                self.gradBias[part] += scale * gradOutput[:, part].sum(axis=(0, 2, 3))

        row_products.in_parts(self.device, F, add)

    def _blocks(self, plan: Plan) -> list[slice]:
        shape = (plan.y.axis.size, self.in_channels, self.kernel_size[1], plan.x.axis.out)
        return row_products.blocks(plan.S, shape, self.dtype.itemsize, self.device)

    def _means(self, plan: Plan) -> tuple[row_products.Axes, Device, row_products.Scratch]:
        return (plan.y.axis, plan.x.axis), self.device, self._scratch

    def _clear_scratch(self) -> None:
        """Let go of what the passes work in; the next one makes it anew."""
        for name in self._buffers:
            if name.endswith("_scratch"):
                setattr(self, name, None)

    def _scratch(self, name: str, shape: tuple[int, ...]) -> Array:
        """An array of that shape at the start of a scratch buffer that only grows."""
        size, held = prod(shape), getattr(self, name, None)
        length = size if held is None else max(size, held.size)
        return self._buffer(name, (length,), self.dtype)[:size].reshape(shape)
