"""Convolution by the method that is faster: all are timed, once for each pass and shape, and the answer remembered.

    algorithm = "auto"    the fastest, measured at the first call of each pass with a new shape on this machine
                          (choices.py): the Fourier method with each plan that may be the best (fourier/plan.py), and
                          the direct one where it has any chance (HOPELESS) and room in the arena. All Fourier passes of
                          a shape take the plan of the first. With `deterministic` the method that its plan counts fewer
                          operations for, which need not be the faster one
                "fft"     FFTConvolution's passes
                "direct"  DirectConvolution's passes
    memory = "auto"       spectra are kept or made again, whichever takes less time for forward and backward together,
                          measured at the first backward; kept only where all passes are the Fourier method's, each in
                          one chunk, and they take no more than half of a GPU's free memory. With `deterministic` they
                          are made again

Two clocks never agree, and the two methods round differently: only without timing does a second run give the same bits.
The layer is both of them: one set of parameters and buffers, on which either class's passes can be called.
Shapes, dtypes, errors  as in convolution_layer.py
Source  the idea is cuDNN's benchmark mode; the two methods: fft_convolution.py, direct_convolution.py
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf

from tinyfft import choices, compiling
from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError, current_arena
from tinyfft.fourier.chunks import chunks
from tinyfft.fourier.convolution import PASSES
from tinyfft.fourier.plan import Plan
from tinyfft.nn.activation import ReLU
from tinyfft.nn.direct_convolution import DirectConvolution
from tinyfft.nn.fft_convolution import FFTConvolution

_CHOICE = re.compile("fft( [2-9])?|direct|keep|recompute")

METHODS = {"fft": FFTConvolution, "direct": DirectConvolution}

HOPELESS = 8
"""With so many times the other's operations the direct method is not timed: its products run at up to 2.5 times the
speed on two cores. That spares half a minute of clocks at the first step of the paper's network there."""


class Convolution(FFTConvolution, DirectConvolution):
    fuses = (ReLU,)
    memories = (*FFTConvolution.memories, "auto")
    records = True

    def __init__(self, *arguments, algorithm: str = "auto", deterministic: bool = False, **named) -> None:
        if algorithm not in ("auto", *METHODS):
            raise ValueError(f"Convolution: algorithm is {algorithm!r}, expected one of auto, {', '.join(METHODS)}")
        self.algorithm, self.deterministic = algorithm, deterministic
        self._choices: dict[tuple[str, tuple[int, ...], float], str] = {}
        super().__init__(*arguments, **named)

    __init__.__doc__ = FFTConvolution.__init__.__doc__

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """What "auto" has chosen: (pass, shape of the input, limit of the arena or None, "direct", or "fft" for the
        first of `plans`, "fft 2" for the second one), and alike with "memory" in place of the pass.

        Set it to choose the same without a clock.
        """
        return [
            (name, list(shape), None if limit == inf else limit, to)
            for (name, shape, limit), to in self._choices.items()
        ]

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._choices = {
            (name, tuple(shape), inf if limit is None else limit): choice
            for name, shape, limit, choice in choices
            if _CHOICE.fullmatch(choice)  # another version's may mean nothing here
        }

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """y, by its own method; with `relu`, the module that follows, its output in place of y."""
        method = self._method("updateOutput", input, relu=relu)
        if method is FFTConvolution:
            return method.updateOutput(self, input, relu)
        self._drop_kept()  # spectra of an earlier forward are not this one's
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
        passes = self.backward_passes
        if all(self._method(name, input, gradOutput, relu=relu) is FFTConvolution for name in passes):
            self._choose_memory(input, gradOutput, relu)
            return FFTConvolution.backward(self, input, gradOutput, scale, relu)
        if relu is not None:
            gradOutput = relu.updateGradInput(self.output, gradOutput)
        gradInput = self.updateGradInput(input, gradOutput) if self.needs_gradInput else None
        self.accGradParameters(input, gradOutput, scale)
        return gradInput

    def _method(self, name: str, *arguments: Array, relu: ReLU | None = None) -> type:
        """The class whose pass to call, perhaps with the `relu` that follows."""
        if self.algorithm != "auto":
            return METHODS[self.algorithm]
        self._check_input(arguments[0])
        shape, limit = arguments[0].shape, current_arena(self.device).limit
        if (name, shape, limit) not in self._choices:
            choice, known = self._choose(name, arguments, limit, relu)
            if not known:
                return self._take_choice(choice, shape)
            self._choices[name, shape, limit] = choice
        return self._take_choice(self._choices[name, shape, limit], shape)

    def _take_choice(self, choice: str, shape: tuple[int, ...]) -> type:
        """The class that a choice means, once its plan is the shape's."""
        method, _, place = choice.partition(" ")
        if method == "fft":
            plans = self.plans(shape)
            self._plans[shape] = plans[min(int(place or 1), len(plans)) - 1]
        return METHODS[method]

    def _choose(self, name: str, arguments: tuple[Array, ...], limit: float, relu: ReLU | None) -> tuple[str, bool]:
        """The choice, and whether it is one: none is made where kernels are but noted."""
        shape = arguments[0].shape
        plans = self.plans(shape)
        room = self._has_room(plans[0])
        if self.deterministic:
            return "direct" if room and plans[0].direct_operations <= plans[0].pass_operations else "fft", True
        taken = [
            choice
            for (of, *at), choice in self._choices.items()
            if of in PASSES and at == [shape, limit] and choice != "direct"
        ]
        fitting = [f"fft {place}" if place > 1 else "fft" for place, plan in enumerate(plans, 1) if _fits(plan, limit)]
        ways = taken[:1] or fitting or ["fft"]
        if room and plans[0].direct_operations <= HOPELESS * plans[0].pass_operations:
            ways.append("direct")
        if len(ways) == 1:
            return ways[0], True
        what = f"{name}, {self.precision}, {self.memory}, arena.limit_bytes {limit}, {', '.join(ways)}, {plans[0]}"
        choice = choices.chosen(self.device, what, ways, lambda: self._measure(name, arguments, ways, relu))
        return choice, choices.known(self.device).get(what) == choice

    def _keeps(self, plan: Plan) -> bool:
        if self.memory != "auto":
            return super()._keeps(plan)
        shape = (plan.S, plan.C, plan.y.axis.size, plan.x.axis.size)
        return self._choices.get(("memory", shape, current_arena(self.device).limit)) == "keep"

    def _choose_memory(self, input: Array, gradOutput: Array, relu: ReLU | None) -> None:
        plan, limit = self.plan(input.shape), current_arena(self.device).limit
        key = ("memory", input.shape, limit)
        if self.memory != "auto" or key in self._choices or not self.train or compiling.only_notes():
            return
        if self._method("updateOutput", input) is not FFTConvolution:  # nothing is kept then
            self._choices[key] = "recompute"
            return
        if self.deterministic or not self._has_room_to_keep(plan, limit):
            self._choices[key] = "recompute"
            return

        def measure() -> str:
            calls = {way: partial(self._step, key, way, input, gradOutput) for way in FFTConvolution.memories}
            chosen = self._choices[key] = self._fastest(calls)
            self._drop_kept()
            FFTConvolution.updateOutput(self, input, relu)  # what backward begins with
            return chosen

        what = f"memory, {self.precision}, arena.limit_bytes {limit}, {self.needs_gradInput}, {plan}"
        self._choices[key] = choices.chosen(self.device, what, FFTConvolution.memories, measure)

    def _step(self, key: tuple, way: str, input: Array, gradOutput: Array) -> None:
        self._choices[key] = way
        FFTConvolution.updateOutput(self, input)
        FFTConvolution.backward(self, input, gradOutput)

    def _has_room_to_keep(self, plan: Plan, limit: float) -> bool:
        kept, free = plan.spectrum_bytes("x") + plan.spectrum_bytes("w"), self.device.free_bytes
        whole = _fits(plan, limit) and chunks(plan, "F", limit, True)[0].held.whole
        return whole and (free is None or 2 * kept <= free)

    def _measure(self, name: str, arguments: tuple[Array, ...], ways: list[str], relu: ReLU | None) -> str:
        """The one by which this pass is fastest. It is timed alone; noted is what ReLU on the way needs, too."""
        calls = {way: partial(self._call, way, name, *arguments) for way in ways}
        if relu is not None and compiling.only_notes():
            calls |= {f"{way}, relu": partial(self._call_fused, way, name, relu, *arguments) for way in ways}
        chosen = self._fastest(calls)
        if name == "updateOutput":  # the others' spectra of forward stay
            self._drop_kept()
        return chosen

    def _fastest(self, calls: dict[str, Callable[[], None]]) -> str:
        """Of these calls. Gradients of parameters are as before."""
        saved = [gradient.copy() for gradient in self.parameters()[1]]
        chosen = choices.least(choices.seconds(calls, self.device))
        for gradient, before in zip(self.parameters()[1], saved, strict=True):
            gradient[...] = before
        return chosen

    def _drop_kept(self) -> None:
        """Let spectra go that training has kept."""
        if self.train:
            self.spectra.drop()

    def _call(self, way: str, name: str, *arguments: Array) -> None:
        getattr(self._take_choice(way, arguments[0].shape), name)(self, *arguments)

    def _call_fused(self, way: str, name: str, relu: ReLU, *arguments: Array) -> None:
        if self._take_choice(way, arguments[0].shape) is not FFTConvolution:
            return
        if name == "updateOutput":
            FFTConvolution.updateOutput(self, *arguments, relu)
        else:
            self._backward((name,), *arguments, 1, relu)

    def __repr__(self) -> str:
        chosen = ", ".join(dict.fromkeys(name for name in self.algorithms.values() if name))
        how = f"{self.algorithm}{', deterministic' if self.deterministic else ''}"
        return f"{super().__repr__()[:-1]}, {how}{f': {chosen}' if chosen else ''})"


def _fits(plan: Plan, limit: float) -> bool:
    """Whether all passes can go in chunks of the arena's limit."""
    try:
        return all(chunks(plan, maps, limit) for maps in ("F", "C"))
    except LimitError:
        return False
