"""FFT convolution: all three passes are products of spectra.

    updateOutput       y  = signal( spectrum(x)  . conj spectrum(w) )     summed over input maps
    updateGradInput    gx = signal( spectrum(gy) .      spectrum(w) )     summed over output maps
    accGradParameters  gw = signal( spectrum(x)  . conj spectrum(gy) )    summed over the minibatch

fourier/convolution.py runs the products. This layer gives it two functions: `read` transforms planes to a spectrum,
`write` transforms a spectrum to planes.
Shapes, dtypes, errors  as in convolution_layer.py
ReLU    In a Sequential a ReLU after this layer is fused: the forward pass writes ReLU's output instead of y, the
        backward pass writes ReLU's gradInput while it reads gy.
Memory  Spectra come from the arena, one block that all layers reuse (arena.py). A pass that needs more than its limit
        is cut into regions: some samples, maps and frequencies at a time (fourier/chunks.py). Raises LimitError, a
        MemoryError, if one sample and one map do not fit.
Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2
"""

from collections.abc import Callable, Sequence

from tinyfft.arena import Arena
from tinyfft.backend import Array
from tinyfft.fourier import convolution
from tinyfft.fourier.chunks import Region
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.signal import signal
from tinyfft.fourier.spectrum import spectrum, window_sums
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.ops.linear import add_column_sums


class FFTConvolution(ConvolutionLayer):
    capturable = True
    deterministic = False
    """Whether products are chosen without timing them: the same bits in every process."""

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """Return y (S, F, oH, oW), or the output of the fused `relu`."""
        plan = self._check_input(input)
        output = self._buffer("output", plan.output_shape, self.dtype)

        def read(name: str, region: Region, arena: Arena) -> Array:
            return self._spectrum(name, input if name == "x" else self.weight, region, arena, forward=True)

        def write(name: str, hat: Array, region: Region, arena: Arena) -> None:
            y, bias = region.cut(output, "SF"), region.cut(self.bias, "F") if region.first else None
            # y is a sum over frequencies: the first region overwrites it (None), others add, ReLU follows the last one
            scale = None if region.first else 1
            last_relu = relu is not None and region.last
            signal(hat, region.plan, name, y, arena, bias=bias, scale=scale, relu=last_relu)

        self._run(["updateOutput"], plan, read, write)
        if relu is not None:
            relu.output = output
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        """Return gx, of the input's shape."""
        return self._backward(["updateGradInput"], input, gradOutput)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        """Add scale * gw to gradWeight, and scale * the sum of gy over samples and pixels to gradBias."""
        self._backward(["accGradParameters"], input, gradOutput, scale)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Run both passes with one transform of gradOutput; with a fused `relu` it is the gradient of ReLU's output."""
        return self._backward(self.backward_passes, input, gradOutput, scale, relu)

    def _backward(
        self, names: Sequence[str], input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None
    ) -> Array | None:
        plan = self._check_backward(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, self.dtype) if "updateGradInput" in names else None
        gy = gradOutput if relu is None else relu.gradInput_buffer(gradOutput)

        def read(name: str, region: Region, arena: Arena) -> Array:
            if name != "y":
                return self._spectrum(name, input if name == "x" else self.weight, region, arena)
            hat = arena.take(region.plan.spectrum_shape("y"), region.plan.spectrum_dtype)
            if relu is None or not region.first:  # the first region of frequencies has written ReLU's gradInput
                spectrum(region.cut(gy, "SF"), region.plan, "y", hat, arena)
            else:
                grad, relu_output, relu_grad = (region.cut(array, "SF") for array in (gradOutput, relu.output, gy))
                spectrum(grad, region.plan, "y", hat, arena, relu_output=relu_output, masked=relu_grad)
            if "accGradParameters" in names and self.bias is not None and region.first:
                # a window's sum is its zero frequency
                add_column_sums(window_sums(hat), self.gradBias, self.device, scale)
            return hat

        def write(name: str, hat: Array, region: Region, arena: Arena) -> None:
            if name == "w":
                signal(hat, region.plan, "w", region.cut(self.gradWeight, "FC"), arena, scale=scale)
                return
            gx, covered = region.cut(gradInput, "SC"), region.first and region.plan.covers  # windows reach all of gx
            if region.first and not covered:
                gx.fill(0)
            signal(hat, region.plan, "x", gx, arena, scale=None if covered else 1)

        self._run(names, plan, read, write)
        return gradInput

    def _run(self, names: Sequence[str], plan: Plan, read: Callable, write: Callable) -> None:
        whole = self.keeps(plan) or not self.train  # in evaluation the weights' spectrum is kept
        options = {"in_one_chunk": whole, "deterministic": self.deterministic}
        self.chunks = self._compute("fft", names, convolution.run, names, plan, self.device, read, write, **options)

    def _spectrum(self, name: str, planes: Array, region: Region, arena: Arena, forward: bool = False) -> Array:
        options = {"forward": forward, "train": self.train, "keep": self.keeps(region.plan)}
        return self.spectra.spectrum(name, planes, region, arena, **options)
