"""Convolution by the faster of two methods, FFTConvolution and DirectConvolution.

With algorithm = "auto" a machine measures both methods once for each pass and shape, and runs the faster one from then
on (method_tuner.py). Two runs may measure different times, and the methods round differently: only a `deterministic`
layer, which measures nothing, gives the same bits in every run.
Shapes, dtypes, errors  as in convolution_layer.py
Source  cuDNN's benchmark mode; the methods: fft_convolution.py, direct_convolution.py
"""

from collections.abc import Iterable, Sequence

from tinyfft.backend import Array
from tinyfft.fourier.plan import Plan
from tinyfft.nn.activation import ReLU
from tinyfft.nn.arguments import Pair
from tinyfft.nn.convolution_layer import ConvolutionLayer
from tinyfft.nn.direct_convolution import DirectConvolution
from tinyfft.nn.fft_convolution import FFTConvolution
from tinyfft.nn.method_tuner import MethodTuner

METHODS = {"fft": FFTConvolution, "direct": DirectConvolution}


class Convolution(ConvolutionLayer):
    capturable = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        bias: bool = True,
        precision: str = "fp32",
        memory: str = "recompute",
        dtype: str = "float32",
        tile: int | None = None,
        init: str = "torch7",
        groups: int = 1,
        dilation: Pair = 1,
        *,
        algorithm: str = "auto",
        deterministic: bool = False,
    ) -> None:
        """in_channels    maps of the input, C
        out_channels   maps of the output, F
        kernel_size    rows and columns of a kernel: an integer or a pair (rows, columns)
        stride         rows and columns between two outputs' windows: an integer or a pair
        padding        zeros around the input: an integer or a pair, or "same" for an output of the input's size
        bias           whether the layer adds a bias to each output map
        precision      of products: "fp32", or on a GPU "tf32" or "bf16"
        memory         "recompute": the backward pass computes the spectra of input and weights again
                       "keep": the forward pass keeps them for the backward pass, if it runs in one chunk
                       "auto": "keep" if these spectra take at most half of the free memory, else "recompute"
        dtype          "float32" or "float64"
        tile           output rows and columns of a tile in the Fourier method; None: the plan chooses
        init           rule for initial values, "torch7" or "kaiming" (nn/init.py)
        groups         1: other values raise ValueError
        dilation       1: other values raise ValueError
        algorithm      "fft", "direct", or "auto" for the faster of the two for each pass and shape
        deterministic  whether "auto" compares numbers of operations instead of measured times
        """
        if algorithm not in ("auto", *METHODS):
            raise ValueError(f"Convolution: algorithm is {algorithm!r}, expected one of auto, {', '.join(METHODS)}")
        sizes = (in_channels, out_channels, kernel_size, stride, padding)
        super().__init__(*sizes, bias, precision, memory, dtype, tile, init, groups, dilation)
        self.algorithm, self.deterministic = algorithm, deterministic
        self._tuner = MethodTuner(self)

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """The choices of "auto" so far; set them to choose the same without measuring (method_tuner.py)."""
        return self._tuner.choices

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._tuner.choices = choices

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """Return y (S, F, oH, oW), or the output of the fused `relu`."""
        method = self._choose("updateOutput", relu, input)
        if method == "direct" and self.train:
            self.spectra.drop()  # spectra of an earlier forward pass are stale
        return self._layer(method).updateOutput(input, relu)

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        """Return gx, of the input's shape."""
        return self.run(self._choose("updateGradInput", None, input, gradOutput), "updateGradInput", input, gradOutput)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        """Add scale * gw to gradWeight, and scale * the sum of gy over samples and pixels to gradBias."""
        method = self._choose("accGradParameters", None, input, gradOutput)
        self.run(method, "accGradParameters", input, gradOutput, scale)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Run both backward passes: by a method's `backward` if both use this method, else one after the other."""
        methods = {self._choose(name, relu, input, gradOutput) for name in self.backward_passes}
        if len(methods) == 1:
            return self._layer(methods.pop()).backward(input, gradOutput, scale, relu)
        if relu is not None:
            gradOutput = relu.updateGradInput(self.output, gradOutput)
        return super().backward(input, gradOutput, scale)

    def run(self, method: str, name: str, *arguments) -> Array | None:
        """Run the pass `name` by a method, "fft" or "direct"."""
        return getattr(self._layer(method), name)(*arguments)

    def fits_directly(self, plan: Plan) -> bool:
        """Return whether the direct method can compute a plan within the arena's limit."""
        return self._layer("direct").fits_arena(plan)

    def _choose(self, name: str, relu: ReLU | None, *arrays: Array) -> str:
        """Return the method of the pass `name`, after a check of its arrays."""
        (self._check_input if len(arrays) == 1 else self._check_backward)(*arrays)
        return self._tuner.choose(name, relu is not None, *arrays) if self.algorithm == "auto" else self.algorithm

    def _layer(self, method: str) -> FFTConvolution | DirectConvolution:
        """Return a layer of this method that shares all state: parameters, buffers, plans and kept spectra."""
        layer = object.__new__(METHODS[method])
        layer.__dict__ = self.__dict__
        return layer

    def __repr__(self) -> str:
        chosen = ", ".join(dict.fromkeys(name for name in self.algorithms.values() if name))
        algorithm = f"{self.algorithm}{', deterministic' if self.deterministic else ''}"
        return f"{super().__repr__()[:-1]}, {algorithm}{f': {chosen}' if chosen else ''})"
