"""Convolution through the Fourier domain: the subject of the project.

    updateOutput       y  = signal( spectrum(x)  . conj spectrum(w) )     summed over input maps
    updateGradInput    gx = signal( spectrum(gy) .      spectrum(w) )     summed over output maps
    accGradParameters  gw = signal( spectrum(x)  . conj spectrum(gy) )    summed over the minibatch

Shapes, dtypes, errors  as in convolution_layer.py; the products and what is stored conjugated: tinyfft/fourier
ReLU    that follows in a Sequential is done on the way: y is its output at once, its gradInput is written as gy is read
Memory  from the arena. A pass goes in chunks of the minibatch, of the frequencies and of the maps, `chunks` of them the
        last time, so that they stay below its limit; raises LimitError, a MemoryError, if one sample and one map do not
        fit
Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2
"""

from tinyfft import backend, compiling
from tinyfft.backend import Array
from tinyfft.dense.column_sums import add_column_sums
from tinyfft.fourier.arena import Arena, LimitError, current_arena
from tinyfft.fourier.chunks import Chunk, chunks
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.product import product
from tinyfft.fourier.signal import signal
from tinyfft.fourier.spectrum import spectrum, window_sums
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution_layer import PASSES, ConvolutionLayer


class FFTConvolution(ConvolutionLayer):
    fuses = (ReLU,)
    records = True
    deterministic = False  # whether products are to be chosen without a clock

    def __init__(self, *arguments, **named) -> None:
        self._kept: dict[str, tuple[Array, Plan, int, Array]] = {}  # name: (planes, plan, optimizer steps, spectra)
        super().__init__(*arguments, **named)

    __init__.__doc__ = ConvolutionLayer.__init__.__doc__

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """y; with `relu`, the module that follows, its output in place of y."""
        plan = self._check_input(input)
        shape = (plan.S, plan.F, plan.y.axis.out, plan.x.axis.out)
        output = self._buffer("output", shape, self.dtype)
        arena = current_arena(self.device)
        for chunk in self._chunks(plan, arena, "updateOutput"):
            with arena.frame(chunk.plan.arena_bytes):
                x_hat = self._spectrum("x", input, (chunk.samples,), chunk, chunk.plan, arena, forward=True)
                for maps, part in chunk.parts:
                    with arena.frame(0):
                        w_hat = self._spectrum("w", self.weight, (maps,), chunk, part, arena, forward=True)
                        y_hat = self._take("y", part, arena)
                        self._product(x_hat, w_hat, y_hat, transpose_b=True)
                        bias, scale = (chunk.cut(self.bias, maps), None) if chunk.first else (None, 1)
                        of_relu = relu is not None and chunk.last
                        y = chunk.cut(output, chunk.samples, maps)
                        signal(y_hat, part, "y", y, arena, bias=bias, scale=scale, relu=of_relu)
        if relu is not None:
            relu.output = output
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        return self._backward(input, gradOutput, 1, ("updateGradInput",))

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        self._backward(input, gradOutput, scale, ("accGradParameters",))

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Both halves, with one transform of gradOutput: the same results as the two apart.

        With `relu`, the module that follows, gradOutput is that of its output, and its gradInput is written too.
        """
        passes = PASSES[1:] if self.needs_gradInput else PASSES[2:]
        return self._backward(input, gradOutput, scale, passes, relu)

    def training(self) -> None:
        if not self.train:
            self._w_hat = None  # kept for use alone
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

    @property
    def kept_bytes(self) -> int:
        held = (getattr(self, name, None) for name in ("_x_hat", "_w_hat"))
        return sum(hat.nbytes for hat in held if hat is not None)

    def __repr__(self) -> str:
        text = super().__repr__()
        return f"{text[:-1]}, {self.chunks} chunks)" if self.chunks > 1 else text

    def _backward(
        self, input: Array, gradOutput: Array, scale: float, passes: tuple[str, ...], relu: ReLU | None = None
    ) -> Array | None:
        """Those of the two backward passes that are named; returns gradInput, or None without its pass."""
        plan = self._check_backward(input, gradOutput)
        arena = current_arena(self.device)
        gradInput = self._buffer("gradInput", input.shape, self.dtype) if "updateGradInput" in passes else None
        of_relu = {}
        if relu is not None:
            relu._check_gradOutput(gradOutput)
            of_relu = {"rectified": relu.output, "masked": relu._buffer("gradInput", gradOutput.shape, self.dtype)}
        for chunk in self._chunks(plan, arena, *passes):
            with arena.frame(chunk.plan.arena_bytes):
                gy_hat = self._take("y", chunk.plan, arena)
                on_the_way = {name: chunk.cut(array, chunk.samples) for name, array in of_relu.items()}
                gy = chunk.cut(gradOutput, chunk.samples)
                if not chunk.first:
                    gy, on_the_way = on_the_way.get("masked", gy), {}
                spectrum(gy, chunk.plan, "y", gy_hat, arena, conjugate=True, **on_the_way)
                if gradInput is not None:
                    self._gradInput(gradInput, gy_hat, chunk, arena)
                if "accGradParameters" in passes:
                    self._gradParameters(input, gy_hat, chunk, arena, scale)
        return gradInput

    def _gradInput(self, gradInput: Array, gy_hat: Array, chunk: Chunk, arena: Arena) -> None:
        written = chunk.first and chunk.plan.covers
        if chunk.first and not written:
            chunk.cut(gradInput, chunk.samples).fill(0)
        for maps, part in chunk.parts:
            with arena.frame(0):
                w_hat = self._spectrum("w", self.weight, (slice(None), maps), chunk, part, arena)
                gx_hat = self._take("x", part, arena)
                self._product(gy_hat, w_hat, gx_hat)
                gx = chunk.cut(gradInput, chunk.samples, maps)
                signal(gx_hat, part, "x", gx, arena, scale=None if written else 1, conjugate=True)

    def _gradParameters(self, input: Array, gy_hat: Array, chunk: Chunk, arena: Arena, scale: float) -> None:
        for maps, part in chunk.parts:
            with arena.frame(0):
                x_hat = self._spectrum("x", input, (chunk.samples, maps), chunk, part, arena)
                gw_hat = self._take("w", part, arena)
                self._product(gy_hat, x_hat, gw_hat, transpose_a=True)
                signal(gw_hat, part, "w", chunk.cut(self.gradWeight, slice(None), maps), arena, scale=scale)
        if self.bias is not None and chunk.first:  # which has the zero frequency
            add_column_sums(window_sums(gy_hat), self.gradBias, self.device, scale)

    def _product(self, a: Array, b: Array, out: Array, **transposed: bool) -> None:
        how = {"precision": self.precision, "deterministic": self.deterministic}
        product(a, b, out, self.device, **how, **transposed)

    def _spectrum(
        self,
        name: str,
        array: Array,
        index: tuple[slice, ...],
        chunk: Chunk,
        plan: Plan,
        arena: Arena,
        forward: bool = False,
    ) -> Array:
        """x_hat or w_hat of array[index], made now or kept.

        With memory = "keep" the forward pass of training keeps both, for the same array and plan in backward. In
        evaluation the weights' stay from one forward pass to the next, until an optimizer's step or `weights_changed`.
        A pass in several parts keeps nothing: what is kept lies outside the arena and its limit.
        """
        in_use = name == "w" and not self.train
        kept = self._kept.get(name)
        made_for = (plan, backend.steps())
        if kept is not None and (in_use or not forward) and kept[0] is array and kept[1:3] == made_for:
            return kept[3]
        if chunk.whole and (in_use or (forward and self._keeps(plan) and self.train)):
            hat = self._buffer(f"_{name}_hat", plan.spectrum_shape(name), plan.spectrum_dtype)
            if not compiling.only_notes():
                self._kept[name] = (array, *made_for, hat)
        else:
            hat = self._take(name, plan, arena)
            if forward:
                self._kept.pop(name, None)
                setattr(self, f"_{name}_hat", None)
        spectrum(chunk.cut(array, *index), plan, name, hat, arena, conjugate=name == "w")
        return hat

    def _keeps(self, plan: Plan) -> bool:
        """Whether spectra stay from the forward pass of training to the backward one."""
        return self.memory == "keep"

    def _take(self, name: str, plan: Plan, arena: Arena) -> Array:
        """An array of the open frame for the plan's x_hat, w_hat or y_hat, or for their gradients."""
        return arena.take(plan.spectrum_shape(name), plan.spectrum_dtype)

    def _chunks(self, plan: Plan, arena: Arena, *passes: str) -> tuple[Chunk, ...]:
        try:
            maps = "F" if passes == PASSES[:1] else "C"
            found = chunks(plan, maps, arena.limit, self._keeps(plan) or not self.train)
        except LimitError as error:
            raise LimitError(f"{self!r}: {error}: raise it") from error
        self.chunks = sum(len(chunk.parts) for chunk in found)
        self.algorithms.update(dict.fromkeys(passes, "fft"))
        return found
