"""Direct convolution: unroll the input and multiply matrices, the baseline of the paper's comparisons.

    columns[(c, u, v), (s, i, j)] = x[s, c, stride i + u - padding, stride j + v - padding]
    updateOutput       y        = weight @ columns + bias
    updateGradInput    gx       = columns^T(weight^T @ gy)
    accGradParameters  gweight  = gy @ columns^T

columns^T(z) adds each entry of z to the pixel that `columns` reads for this entry. The whole of `columns` is never in
memory: a CPU unrolls one axis of a block of the minibatch, a GPU one tile (ops/direct_convolution).
Shapes, dtypes, errors  as in convolution_layer.py
Memory  Scratch comes from the arena. Raises LimitError, a MemoryError, if the arena's limit is below the bytes for one
        sample, or on a GPU below the bytes for the sums of gradients.
Source  Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006;
        torch/nn, lib/THNN/generic/SpatialConvolutionMM.c
"""

from collections.abc import Callable

from tinyfft.arena import current_arena
from tinyfft.backend import Array
from tinyfft.fourier.plan import Plan
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.ops import direct_convolution as direct


class DirectConvolution(ConvolutionLayer):
    capturable = True

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """Return y (S, F, oH, oW), or the output of the fused `relu`, which overwrites y."""
        plan = self._check_input(input)
        output = self._buffer("output", plan.output_shape, self.dtype)
        self._run("updateOutput", direct.convolve, input, self.weight, self.bias, output, plan)
        if relu is not None:
            relu.output = output
            relu.updateOutput(output)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        """Return gx, of the input's shape."""
        plan = self._check_backward(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        self._run("updateGradInput", direct.input_gradient, gradOutput, self.weight, gradInput, plan)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        """Add scale * gweight to gradWeight, and scale * the sum of gy over samples and pixels to gradBias."""
        plan = self._check_backward(input, gradOutput)
        gradients = (self.gradWeight, self.gradBias)
        self._run("accGradParameters", direct.parameter_gradients, input, gradOutput, *gradients, scale, plan)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Run both backward passes, and before them the backward pass of a fused `relu`."""
        if relu is not None:
            gradOutput = relu.updateGradInput(self.output, gradOutput)
        return super().backward(input, gradOutput, scale)

    def _run(self, name: str, compute: Callable[..., None], *arguments) -> None:
        self._compute("direct", [name], compute, *arguments, current_arena(self.device), self.precision)

    def fits_arena(self, plan: Plan) -> bool:
        """Return whether this method can compute a plan: its least memory fits the arena, its indices fit an int."""
        return direct.countable(plan) and direct.scratch_bytes(plan) <= current_arena(self.device).limit
