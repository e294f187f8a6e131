"""Stages of a chain: a module, or a module and a ReLU that run as one.

    module, ReLU    FUSES_RELU_AFTER: updateOutput and backward of the module take the ReLU as argument `relu`. They
                    write ReLU's output instead of the module's, and ReLU's gradInput while they read gradOutput.
    ReLU, module    FUSES_RELU_BEFORE: backward of the module takes the ReLU as `relu` and writes the gradInput of both.
    ReLU alone      OVERWRITES_INPUT: its output may overwrite its input, unless backward of the module before reads
                    that array, and its gradInput may overwrite gradOutput.

The tables name exact classes. A subclass may compute something else, so a chain calls it like any other module.
"""

from collections.abc import Sequence

from tinyfft.backend import Array
from tinyfft.nn.activation import ReLU
from tinyfft.nn.convolution import Convolution
from tinyfft.nn.fft_convolution import FFTConvolution
from tinyfft.nn.gradient_buffers import GradientBuffers
from tinyfft.nn.module import Module
from tinyfft.nn.normalization import BatchNormalization
from tinyfft.nn.pooling import MaxPool

FUSES_RELU_AFTER = (FFTConvolution, Convolution, BatchNormalization)
"""Their updateOutput and backward take a `relu` and compute max(., 0): another activation needs code in each."""
FUSES_RELU_BEFORE = (MaxPool,)
OVERWRITES_INPUT = (ReLU,)


class Stage:
    """One module of a chain, with the input of its last forward pass."""

    def __init__(self, index: int, module: Module, buffers: GradientBuffers) -> None:
        """index    the module's place in the chain
        module   the module
        buffers  arrays for gradInput
        """
        self.index, self.module, self.buffers = index, module, buffers
        self._input: Array | None = None
        self.overwrites_input = False
        self.next_fuses_relu = False  # whether the next stage is a StageAfterReLU, and this one ends with its ReLU

    @property
    def last(self) -> Module:
        """The module that computes the stage's output."""
        return self.module

    @property
    def skips_relu_backward(self) -> bool:
        """Whether the next stage has already run the backward pass of this stage's ReLU."""
        return self.next_fuses_relu and self.last.needs_gradInput

    @property
    def input(self) -> Array:
        """The input of the last `forward`."""
        if self._input is None:
            raise ValueError(f"{type(self.module).__name__}: backward was called before forward")
        return self._input

    def forward(self, input: Array) -> Array:
        """Return the stage's output; remember the input."""
        self._input = input
        if self.overwrites_input:
            self.module.output = input
        return self.module.updateOutput(input)

    def backward(self, gradOutput: Array, scale: float) -> Array | None:
        """Return gradInput for the input of the last `forward`, and add to the gradients of parameters."""
        if self.skips_relu_backward:
            return gradOutput
        self.buffers.lend(self.module, self.input, gradOutput, type(self.module) in OVERWRITES_INPUT)
        return self.module.backward(self.input, gradOutput, scale)

    def updateGradInput(self, gradOutput: Array) -> Array:
        """Return gradInput, in an array that the module owns."""
        self.buffers.take_back(self.module)
        return self.module.updateGradInput(self.input, gradOutput)

    def accGradParameters(self, gradOutput: Array, scale: float) -> Array:
        """Add to the gradients of parameters; return the gradInput that `updateGradInput` has computed."""
        self.module.accGradParameters(self.input, gradOutput, scale)
        return self.module.gradInput


class StageWithReLU(Stage):
    """A module and the ReLU after it."""

    def __init__(self, index: int, module: Module, relu: ReLU, buffers: GradientBuffers) -> None:
        """relu  the ReLU; the other arguments are as in Stage"""
        super().__init__(index, module, buffers)
        self.relu = relu

    @property
    def last(self) -> Module:
        return self.relu

    def forward(self, input: Array) -> Array:
        self._input = input
        self.module.updateOutput(input, self.relu)
        return self.relu.output

    def backward(self, gradOutput: Array, scale: float) -> Array | None:
        if self.skips_relu_backward:
            self.buffers.lend(self.module, self.input, gradOutput)
            return self.module.backward(self.input, gradOutput, scale)
        relu_gradInput = self.buffers.lend(self.relu, self.relu.output, gradOutput, overwrite=True)
        self.buffers.lend(self.module, self.input, relu_gradInput)
        return self.module.backward(self.input, gradOutput, scale, self.relu)

    def updateGradInput(self, gradOutput: Array) -> Array:
        self.buffers.take_back(self.relu)
        return super().updateGradInput(self.relu.updateGradInput(self.module.output, gradOutput))

    def accGradParameters(self, gradOutput: Array, scale: float) -> Array:
        return super().accGradParameters(self.relu.gradInput, scale)


class StageAfterReLU(Stage):
    """A module whose backward also runs the backward pass of the ReLU before it."""

    def __init__(self, index: int, module: Module, relu: ReLU, buffers: GradientBuffers) -> None:
        """relu  the ReLU; the other arguments are as in Stage"""
        super().__init__(index, module, buffers)
        self.relu = relu

    def backward(self, gradOutput: Array, scale: float) -> Array | None:
        if not self.relu.needs_gradInput:
            return super().backward(gradOutput, scale)
        self.buffers.lend(self.module, self.input, gradOutput)
        return self.module.backward(self.input, gradOutput, scale, self.relu)


def make_stages(modules: Sequence[Module], buffers: GradientBuffers) -> list[Stage]:
    """Return the stages of a chain of modules, in their order."""
    stages: list[Stage] = []
    index = 0
    while index < len(modules):
        module, following = modules[index], modules[index + 1 : index + 2]
        previous = stages[-1].last if stages else None
        if type(module) in FUSES_RELU_AFTER and following and type(following[0]) is ReLU:
            stages.append(StageWithReLU(index, module, following[0], buffers))
            index += 1
        elif type(module) in FUSES_RELU_BEFORE and type(previous) is ReLU:
            stages[-1].next_fuses_relu = True
            stages.append(StageAfterReLU(index, module, previous, buffers))
        else:
            stages.append(Stage(index, module, buffers))
            overwrites = type(module) in OVERWRITES_INPUT
            stages[-1].overwrites_input = overwrites and previous is not None and not previous.backward_reads_output
        index += 1
    return stages
