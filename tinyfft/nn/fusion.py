"""From the modules of a chain to its stages: which modules run as one, and which write over their input.

    module, ReLU    FUSES_RELU_BEHIND: updateOutput and backward of the module take the ReLU as `relu`. They write its
                    output instead of theirs, and its gradInput while they read gradOutput.
    ReLU, module    FUSES_RELU_BEFORE: backward of the module takes the ReLU as `relu` and writes the gradInput of both.
    ReLU            OVERWRITES_INPUT: its output may be its input's array, if the module before does not read that
                    again, and its gradInput may be gradOutput's.

The tables name exact classes: a subclass may do something else, and is called as any module is. A module that is to be
fused takes `relu` as the last argument of its methods and stands in a table.
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

FUSES_RELU_BEHIND = (FFTConvolution, Convolution, BatchNormalization)
FUSES_RELU_BEFORE = (MaxPool,)
OVERWRITES_INPUT = (ReLU,)


class Stage:
    """One module of a chain, with the input it had and the array for its gradInput."""

    def __init__(self, index: int, module: Module, buffers: GradientBuffers) -> None:
        """index    the module's place in the chain
        module   what the stage runs
        buffers  where its gradInput comes from
        """
        self.index, self.module, self.buffers = index, module, buffers
        self._input: Array | None = None
        self.overwrites_input = False
        self.before_pooling = False

    @property
    def last(self) -> Module:
        """The module whose output is the stage's."""
        return self.module

    @property
    def passed_back(self) -> bool:
        """Whether the stage behind runs the backward of this stage's ReLU."""
        return self.before_pooling and self.last.needs_gradInput

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
        if self.passed_back:
            return gradOutput
        self.buffers.lend(self.module, self.input, gradOutput, type(self.module) in OVERWRITES_INPUT)
        return self.module.backward(self.input, gradOutput, scale)

    def updateGradInput(self, gradOutput: Array) -> Array:
        """Return gradInput, in an array of the module's own."""
        self.buffers.take_back(self.module)
        return self.module.updateGradInput(self.input, gradOutput)

    def accGradParameters(self, gradOutput: Array, scale: float) -> Array:
        """Add to the gradients of parameters; return the gradInput that `updateGradInput` has computed."""
        self.module.accGradParameters(self.input, gradOutput, scale)
        return self.module.gradInput


class StageWithReLU(Stage):
    """A module with the ReLU behind it."""

    def __init__(self, index: int, module: Module, relu: ReLU, buffers: GradientBuffers) -> None:
        """relu  the ReLU; the other arguments are those of Stage"""
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
        if self.passed_back:
            self.buffers.lend(self.module, self.input, gradOutput)
            return self.module.backward(self.input, gradOutput, scale)
        gradient = self.buffers.lend(self.relu, self.relu.output, gradOutput, overwrite=True)
        self.buffers.lend(self.module, self.input, gradient)
        return self.module.backward(self.input, gradOutput, scale, self.relu)

    def updateGradInput(self, gradOutput: Array) -> Array:
        self.buffers.take_back(self.relu)
        return super().updateGradInput(self.relu.updateGradInput(self.module.output, gradOutput))

    def accGradParameters(self, gradOutput: Array, scale: float) -> Array:
        return super().accGradParameters(self.relu.gradInput, scale)


class StageAfterReLU(Stage):
    """A module whose backward also runs the backward of the ReLU before it."""

    def __init__(self, index: int, module: Module, relu: ReLU, buffers: GradientBuffers) -> None:
        """relu  the ReLU; the other arguments are those of Stage"""
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
        module, behind = modules[index], modules[index + 1 : index + 2]
        before = stages[-1].last if stages else None
        if type(module) in FUSES_RELU_BEHIND and behind and type(behind[0]) is ReLU:
            stages.append(StageWithReLU(index, module, behind[0], buffers))
            index += 1
        elif type(module) in FUSES_RELU_BEFORE and type(before) is ReLU:
            stages[-1].before_pooling = True
            stages.append(StageAfterReLU(index, module, before, buffers))
        else:
            stages.append(Stage(index, module, buffers))
            overwrites = type(module) in OVERWRITES_INPUT
            stages[-1].overwrites_input = overwrites and before is not None and not before.backward_reads_output
        index += 1
    return stages
