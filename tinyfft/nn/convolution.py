"""Convolution by the faster of two methods.

    algorithm = "fft"     the passes of FFTConvolution
                "direct"  the passes of DirectConvolution
                "auto"    for each pass and shape the faster one, measured once on a machine (method_tuner.py)

Two measurements never agree, and the methods round differently: only a `deterministic` layer, which measures nothing,
gives the same bits in a second run.
Shapes, dtypes, errors  as in convolution_layer.py
Source  the idea is cuDNN's benchmark mode; the two methods: fft_convolution.py, direct_convolution.py
"""

from collections.abc import Iterable, Sequence

from tinyfft.backend import Array
from tinyfft.fourier.plan import Plan
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.nn.direct_convolution import DirectConvolution
from tinyfft.nn.fft_convolution import FFTConvolution
from tinyfft.nn.method_tuner import MethodTuner

METHODS = {"fft": FFTConvolution, "direct": DirectConvolution}


class Convolution(ConvolutionLayer):
    capturable = True

    def __init__(self, *arguments, algorithm: str = "auto", deterministic: bool = False, **named) -> None:
        """algorithm  "auto", "fft" or "direct"
        deterministic  whether "auto" counts operations instead of measuring time
        The other arguments are those of FFTConvolution.
        """
        if algorithm not in ("auto", *METHODS):
            raise ValueError(f"Convolution: algorithm is {algorithm!r}, expected one of auto, {', '.join(METHODS)}")
        super().__init__(*arguments, **named)
        self.algorithm, self.deterministic = algorithm, deterministic
        self._tuner = MethodTuner(self)

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """What "auto" has chosen so far; set it to choose the same without measuring (method_tuner.py)."""
        return self._tuner.choices

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._tuner.choices = choices

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """Return y (S, F, oH, oW), or the output of the fused `relu`."""
        method = self._choose("updateOutput", relu, input)
        if method == "direct" and self.train:
            self.spectra.drop()  # spectra of an earlier forward pass do not belong to this one
        return self._as(method).updateOutput(input, relu)

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        """Return gx, of the input's shape."""
        return self.run(self._choose("updateGradInput", None, input, gradOutput), "updateGradInput", input, gradOutput)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        """Add scale * gw to gradWeight, and scale * the sum of gy over samples and pixels to gradBias."""
        method = self._choose("accGradParameters", None, input, gradOutput)
        self.run(method, "accGradParameters", input, gradOutput, scale)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Run both backward passes: by one method's `backward` if they chose the same one, else one by one."""
        methods = {self._choose(name, relu, input, gradOutput) for name in self.backward_passes}
        if len(methods) == 1:
            return self._as(methods.pop()).backward(input, gradOutput, scale, relu)
        if relu is not None:
            gradOutput = relu.updateGradInput(self.output, gradOutput)
        return super().backward(input, gradOutput, scale)

    def run(self, method: str, name: str, *arguments) -> Array | None:
        """Run one pass by a method, "fft" or "direct"."""
        return getattr(self._as(method), name)(*arguments)

    def fits_directly(self, plan: Plan) -> bool:
        """Whether the direct method can compute a plan within the arena's limit."""
        return self._as("direct").fits_arena(plan)

    def _choose(self, name: str, relu: ReLU | None, *arrays: Array) -> str:
        (self._check_input if len(arrays) == 1 else self._check_backward)(*arrays)
        return self._tuner.choose(name, relu is not None, *arrays) if self.algorithm == "auto" else self.algorithm

    def _as(self, method: str) -> FFTConvolution | DirectConvolution:
        """Return a layer of this method on the same state: parameters, buffers, plans and kept spectra are shared."""
        layer = object.__new__(METHODS[method])
        layer.__dict__ = self.__dict__
        return layer

    def __repr__(self) -> str:
        chosen = ", ".join(dict.fromkeys(name for name in self.algorithms.values() if name))
        how = f"{self.algorithm}{', deterministic' if self.deterministic else ''}"
        return f"{super().__repr__()[:-1]}, {how}{f': {chosen}' if chosen else ''})"
