"""Convolution through the Fourier domain: the subject of the project.

    updateOutput       y  = signal( spectrum(x)  . conj spectrum(w) )     summed over input maps
    updateGradInput    gx = signal( spectrum(gy) .      spectrum(w) )     summed over output maps
    accGradParameters  gw = signal( spectrum(x)  . conj spectrum(gy) )    summed over the minibatch

Shapes, dtypes, errors  as in convolution_layer.py; the products and what is stored conjugated: tinyfft/fourier
Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tinyfft import backend
from tinyfft.backend import Array
from tinyfft.fourier.arena import Arena, current_arena
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.product import PRECISIONS, product
from tinyfft.fourier.signal import signal
from tinyfft.fourier.spectrum import spectrum
from tinyfft.nn.convolution_layer import ConvolutionLayer


class FFTConvolution(ConvolutionLayer):
    precisions = PRECISIONS

    def __init__(self, *arguments, **named) -> None:
        self._kept: dict[str, tuple[Array, Plan, int, Array]] = {}  # name: (planes, plan, optimizer steps, spectra)
        super().__init__(*arguments, **named)

    __init__.__doc__ = ConvolutionLayer.__init__.__doc__

    def updateOutput(self, input: Array) -> Array:
        plan = self._check_input(input)
        shape = (plan.S, plan.F, plan.y.axis.out, plan.x.axis.out)
        output = self._buffer("output", shape, self.dtype)
        with self._frame(plan, "updateOutput") as arena:
            x_hat = self._spectrum("x", input, plan, arena, forward=True)
            w_hat = self._spectrum("w", self.weight, plan, arena, forward=True)
            y_hat = arena.take(plan.spectrum_shape("y"), plan.spectrum_dtype)
            self._product(x_hat, w_hat, y_hat, transpose_b=True)
            signal(y_hat, plan, "y", output, arena, bias=self.bias)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        plan = self._check_backward(input, gradOutput)
        with self._frame(plan, "updateGradInput") as arena:
            return self._gradInput(input, self._gradOutput_spectrum(gradOutput, plan, arena), plan, arena)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        plan = self._check_backward(input, gradOutput)
        with self._frame(plan, "accGradParameters") as arena:
            self._gradWeight(input, self._gradOutput_spectrum(gradOutput, plan, arena), plan, arena, scale)
        self._accumulate_bias(gradOutput, scale)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Both halves, with one transform of gradOutput: the same results as the two apart."""
        plan = self._check_backward(input, gradOutput)
        gradInput = None
        with self._frame(plan, "updateGradInput", "accGradParameters") as arena:
            gy_hat = self._gradOutput_spectrum(gradOutput, plan, arena)
            if self.needs_gradInput:
                with arena.frame(0):
                    gradInput = self._gradInput(input, gy_hat, plan, arena)
            self._gradWeight(input, gy_hat, plan, arena, scale)
        self._accumulate_bias(gradOutput, scale)
        return gradInput

    def training(self) -> None:
        super().training()
        self.weights_changed()

    def evaluate(self) -> None:
        super().evaluate()
        self.weights_changed()

    def weights_changed(self) -> None:
        self._kept.pop("w", None)

    def clearState(self):
        self._kept = {}
        return super().clearState()

    def _gradInput(self, input: Array, gy_hat: Array, plan: Plan, arena: Arena) -> Array:
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        w_hat = self._spectrum("w", self.weight, plan, arena)
        gx_hat = arena.take(plan.spectrum_shape("x"), plan.spectrum_dtype)
        self._product(gy_hat, w_hat, gx_hat)
        if not plan.covers:
            gradInput.fill(0)
        signal(gx_hat, plan, "x", gradInput, arena, scale=None if plan.covers else 1, conjugate=True)
        return gradInput

    def _gradWeight(self, input: Array, gy_hat: Array, plan: Plan, arena: Arena, scale: float) -> None:
        x_hat = self._spectrum("x", input, plan, arena)
        gw_hat = arena.take(plan.spectrum_shape("w"), plan.spectrum_dtype)
        self._product(gy_hat, x_hat, gw_hat, transpose_a=True)
        signal(gw_hat, plan, "w", self.gradWeight, arena, scale=scale)

    def _product(self, a: Array, b: Array, out: Array, **transposed: bool) -> None:
        product(a, b, out, self.device, precision=self.precision, **transposed)

    def _gradOutput_spectrum(self, gradOutput: Array, plan: Plan, arena: Arena) -> Array:
        gy_hat = arena.take(plan.spectrum_shape("y"), plan.spectrum_dtype)
        spectrum(gradOutput, plan, "y", gy_hat, arena, conjugate=True)
        return gy_hat

    def _spectrum(self, name: str, planes: Array, plan: Plan, arena: Arena, forward: bool = False) -> Array:
        """x_hat or w_hat, made now or kept.

        With memory = "keep" the forward pass of training keeps both, for the same array and plan in backward. In
        evaluation the weights' stay from one forward pass to the next, until an optimizer's step or `weights_changed`.
        """
        in_use = name == "w" and not self.train
        kept = self._kept.get(name)
        if kept is not None and (in_use or not forward) and kept[0] is planes and kept[1:3] == (plan, backend.steps()):
            return kept[3]
        shape = plan.spectrum_shape(name)
        if forward:
            self._kept.pop(name, None)
        if in_use or (forward and self.memory == "keep" and self.train):
            hat = self._buffer(f"_{name}_hat", shape, plan.spectrum_dtype)
            self._kept[name] = (planes, plan, backend.steps(), hat)
        else:
            hat = arena.take(shape, plan.spectrum_dtype)
        spectrum(planes, plan, name, hat, arena, conjugate=name == "w")
        return hat

    @contextmanager
    def _frame(self, plan: Plan, *passes: str) -> Iterator[Arena]:
        self.algorithms.update(dict.fromkeys(passes, "fft"))
        arena = current_arena(self.device)
        with arena.frame(plan.arena_bytes):
            yield arena
