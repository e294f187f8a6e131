"""Convolution by the method that is faster: both are timed, once for each pass and shape, and the answer remembered.

    algorithm = "auto"    the faster one of the two, measured at the first call of each pass with a new shape on this
                          machine (choices.py), where the direct one has any chance (HOPELESS) and room in the arena;
                          with `deterministic` the one that its plan counts fewer operations for, which need not be
                          faster
                "fft"     FFTConvolution's passes
                "direct"  DirectConvolution's passes

Two clocks never agree, and the two methods round differently: only without timing does a second run give the same bits.
The layer is both of them: one set of parameters and buffers, on which either class's passes can be called.
Shapes, dtypes, errors  as in convolution_layer.py
Source  the idea is cuDNN's benchmark mode; the two methods: fft_convolution.py, direct_convolution.py
"""

from collections.abc import Iterable, Sequence
from math import inf

from tinyfft import choices
from tinyfft.backend import Array
from tinyfft.fourier.arena import current_arena
from tinyfft.fourier.plan import Plan
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution_layer import PASSES
from tinyfft.nn.direct_convolution import DirectConvolution
from tinyfft.nn.fft_convolution import FFTConvolution

METHODS = {"fft": FFTConvolution, "direct": DirectConvolution}

HOPELESS = 8
"""With so many times the other's operations the direct method is not timed: its products run at up to 2.5 times the
speed on two cores. That spares half a minute of clocks at the first step of the paper's network there."""


class Convolution(FFTConvolution, DirectConvolution):
    fuses = (ReLU,)
    records = True

    def __init__(self, *arguments, algorithm: str = "auto", deterministic: bool = False, **named) -> None:
        if algorithm not in ("auto", *METHODS):
            raise ValueError(f"Convolution: algorithm is {algorithm!r}, expected one of auto, {', '.join(METHODS)}")
        self.algorithm, self.deterministic = algorithm, deterministic
        self._choices: dict[tuple[str, tuple[int, ...], float], str] = {}
        self.precisions = METHODS.get(algorithm, FFTConvolution).precisions
        super().__init__(*arguments, **named)

    __init__.__doc__ = FFTConvolution.__init__.__doc__

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """What "auto" has chosen: (pass, shape of the input, limit of the arena or None, "fft" or "direct").

        Set it to choose the same without a clock.
        """
        return [
            (name, list(shape), None if limit == inf else limit, to)
            for (name, shape, limit), to in self._choices.items()
        ]

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._choices = {
            (name, tuple(shape), inf if limit is None else limit): method for name, shape, limit, method in choices
        }

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """y, by its own method; with `relu`, the module that follows, its output in place of y."""
        method = self._method("updateOutput", input)
        if method is FFTConvolution:
            return method.updateOutput(self, input, relu)
        output = method.updateOutput(self, input)
        if relu is not None:
            relu.output = output
            relu.updateOutput(output)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        return self._method("updateGradInput", input, gradOutput).updateGradInput(self, input, gradOutput)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        self._method("accGradParameters", input, gradOutput).accGradParameters(self, input, gradOutput, scale)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """The halves by their own methods; FFTConvolution's backward, which shares a transform, if both are its.

        With `relu`, the module that follows, gradOutput is that of its output, and its gradInput is written too.
        """
        passes = PASSES[1:] if self.needs_gradInput else PASSES[2:]
        if all(self._method(name, input, gradOutput) is FFTConvolution for name in passes):
            return FFTConvolution.backward(self, input, gradOutput, scale, relu)
        if relu is not None:
            gradOutput = relu.updateGradInput(self.output, gradOutput)
        gradInput = self.updateGradInput(input, gradOutput) if self.needs_gradInput else None
        self.accGradParameters(input, gradOutput, scale)
        return gradInput

    def _method(self, name: str, *arguments: Array) -> type:
        """The class whose pass to call."""
        if self.algorithm != "auto":
            return METHODS[self.algorithm]
        plan = self._check_input(arguments[0])
        key = (name, arguments[0].shape, current_arena(self.device).limit)
        if key not in self._choices:
            self._choices[key] = self._choose(name, arguments, plan)
        return METHODS[self._choices[key]]

    def _choose(self, name: str, arguments: tuple[Array, ...], plan: Plan) -> str:
        if not self._has_room(plan):
            return "fft"
        if self.deterministic:
            return "fft" if plan.pass_operations < plan.direct_operations else "direct"
        limit = current_arena(self.device).limit
        what = f"{name}, {self.precision}, {self.memory}, arena.limit_bytes {limit}, {plan}"
        return choices.chosen(self.device, what, METHODS, lambda: self._measure(name, arguments, plan))

    def _measure(self, name: str, arguments: tuple[Array, ...], plan: Plan) -> str:
        """The name of the method that runs this pass faster. Gradients of parameters are as before."""
        if plan.direct_operations > HOPELESS * plan.pass_operations:
            return "fft"
        saved = [gradient.copy() for gradient in self.parameters()[1]] if name == "accGradParameters" else []
        seconds = {
            method: choices.shortest(lambda of=of: getattr(of, name)(self, *arguments), self.device)
            for method, of in METHODS.items()
        }
        for gradient, before in zip(self.parameters()[1], saved, strict=False):
            gradient[...] = before
        return min(seconds, key=seconds.get)

    def __repr__(self) -> str:
        chosen = ", ".join(dict.fromkeys(name for name in self.algorithms.values() if name))
        how = f"{self.algorithm}{', deterministic' if self.deterministic else ''}"
        return f"{super().__repr__()[:-1]}, {how}{f': {chosen}' if chosen else ''})"
