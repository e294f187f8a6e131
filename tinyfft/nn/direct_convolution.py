"""Convolution by unrolling the input and matrix products: the baseline that the paper compares with.

    columns[h, (c, v), (s, j)] = x[s, c, h, stride j + v - padding]
    updateOutput       y[:, :, i]         = weight[:, :, u] @ columns[h] + bias
    updateGradInput    gx                 = columns^T(weight[:, :, u]^T @ gy[:, :, i])
    accGradParameters  gweight[:, :, u]^T = columns[h] @ gy[:, :, i]^T

summed over the kernel's rows u, h = stride i + u - padding; columns^T adds each entry to the pixel it was read from.
Shapes, dtypes, errors  as in convolution_layer.py. The minibatch goes in blocks; spatial/row_products.py computes one
Memory  from the arena, less in smaller blocks; raises LimitError, a MemoryError, if its limit is below one sample's
Source  Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006;
        torch/nn, lib/THNN/generic/SpatialConvolutionMM.c. Both unroll along two axes, we along one
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tinyfft.backend import Array
from tinyfft.fourier.arena import Arena, LimitError, current_arena
from tinyfft.fourier.plan import Plan
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.spatial import row_products


class DirectConvolution(ConvolutionLayer):
    records = True

    def updateOutput(self, input: Array) -> Array:
        """y (S, F, oH, oW)."""
        plan = self._check_input(input)
        self.algorithms["updateOutput"] = "direct"
        output = self._buffer("output", (plan.S, plan.F, plan.y.axis.out, plan.x.axis.out), self.dtype)
        with self._blocks(plan) as (blocks, arena):
            weight = row_products.by_rows(self.weight, arena)
            for block in blocks:
                row_products.convolve(input[block], weight, self.bias, output[block], plan, arena)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        """gx, of the input's shape."""
        plan = self._check_backward(input, gradOutput)
        self.algorithms["updateGradInput"] = "direct"
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        with self._blocks(plan) as (blocks, arena):
            weight = row_products.by_rows_backwards(self.weight, plan.y.axis, arena)
            for block in blocks:
                row_products.input_gradient(gradOutput[block], weight, gradInput[block], plan, arena)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        """Add scale * gweight to gradWeight, and scale * the sum of gy over samples and pixels to gradBias."""
        plan = self._check_backward(input, gradOutput)
        self.algorithms["accGradParameters"] = "direct"
        F, C, kH, kW = self.weight.shape
        with self._blocks(plan) as (blocks, arena):
            total = arena.take((kH, C, kW, F), self.dtype)
            total.fill(0)
            for block in blocks:
                row_products.weight_gradient(input[block], gradOutput[block], total, plan, arena)
            if scale != 1:
                total *= scale

            def add(part: slice) -> None:
                self.gradWeight[part] += total[..., part].transpose(3, 1, 0, 2)
                if self.bias is not None:
                    self.gradBias[part] += scale * gradOutput[:, part].sum(axis=(0, 2, 3))

            row_products.in_parts(self.device, F, add)

    def _has_room(self, plan: Plan) -> bool:
        """Whether the arena may grow to what one sample needs."""
        return row_products.scratch_bytes(plan, 1) <= current_arena(self.device).limit

    @contextmanager
    def _blocks(self, plan: Plan) -> Iterator[tuple[list[slice], Arena]]:
        """The blocks of the minibatch, and the arena with a frame for the scratch of the largest."""
        arena = current_arena(self.device)
        try:
            blocks = row_products.blocks(plan, arena.limit)
        except LimitError as error:
            raise LimitError(f"{self!r}: {error}: raise it") from error
        samples = max(block.stop - block.start for block in blocks)
        with arena.frame(row_products.scratch_bytes(plan, samples)):
            yield blocks, arena
