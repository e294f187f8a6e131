"""A chain of modules: the output of each is the input of the next.

    updateOutput       y = f_n(... f_2(f_1(x)))
    updateGradInput    gradients go through the chain from its end, each module given the input it had
    accGradParameters  the same, adding up the gradients of parameters

A module that `fuses` the one behind it gets it as a last argument of updateOutput and backward, and fills its output
and gradInput on the way. updateGradInput and accGradParameters go through the modules one by one.
An error inside the chain is raised again with the module's index (from 0) and kind before it.
Source  torch/nn, Sequential.lua
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

from tinyfft.backend import Array
from tinyfft.nn.module import Module


class Sequential(Module):
    def __init__(self, *modules: Module) -> None:
        self._modules: list[Module] = []
        super().__init__()
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> Self:
        """Append a module; returns the chain, so that calls can be chained too."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential: module {len(self._modules)} is {module!r}, expected an nn.Module")
        self._modules.append(module)
        return self

    def __getitem__(self, index: int) -> Module:
        return self._modules[index]

    def __len__(self) -> int:
        return len(self._modules)

    @property
    def needs_gradInput(self) -> bool:
        """Whether `backward` computes the gradient of the chain's input: the first module's to say."""
        return self._modules[0].needs_gradInput if self._modules else True

    @needs_gradInput.setter
    def needs_gradInput(self, needed: bool) -> None:
        if self._modules:
            self._modules[0].needs_gradInput = needed

    def updateOutput(self, input: Array) -> Array:
        for index, module, fused in self._steps():
            input = self._call(index, module.updateOutput, input, *fused)
        self.output = input
        return input

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        for index, module, module_input in self._backwards(input):
            gradOutput = self._call(index, module.updateGradInput, module_input, gradOutput)
        self.gradInput = gradOutput
        return gradOutput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        for index, module, module_input in self._backwards(input):
            self._call(index, module.accGradParameters, module_input, gradOutput, scale)
            gradOutput = module.gradInput

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Each module's own `backward`, from the end: a convolution transforms its gradOutput once for both halves."""
        for index, module, fused in reversed(self._steps()):
            gradOutput = self._call(index, module.backward, self._input_of(index, input), gradOutput, scale, *fused)
        self.gradInput = gradOutput
        return gradOutput

    def modules(self) -> Iterator[tuple[str, Module]]:
        yield "", self
        for index, module in enumerate(self._modules):
            for name, inner in module.modules():
                yield f"{index}.{name}" if name else str(index), inner

    def training(self) -> None:
        self.train = True
        for module in self._modules:
            module.training()

    def evaluate(self) -> None:
        self.train = False
        for module in self._modules:
            module.evaluate()

    def weights_changed(self) -> None:
        for module in self._modules:
            module.weights_changed()

    def clearState(self) -> Self:
        for module in self._modules:
            module.clearState()
        return super().clearState()

    def _steps(self) -> list[tuple[int, Module, tuple[Module, ...]]]:
        """(index, module, the module behind it if it does that on its way), each module in one step alone."""
        steps, index = [], 0
        while index < len(self._modules):
            module, behind = self._modules[index], tuple(self._modules[index + 1 : index + 2])
            fused = behind if behind and type(behind[0]) in module.fuses else ()
            steps.append((index, module, fused))
            index += 1 + len(fused)
        return steps

    def _backwards(self, input: Array) -> Iterator[tuple[int, Module, Array]]:
        """(index, module, the input it had), from the last module to the first."""
        for index in range(len(self._modules) - 1, -1, -1):
            yield index, self._modules[index], self._input_of(index, input)

    def _input_of(self, index: int, input: Array) -> Array:
        return self._modules[index - 1].output if index else input

    def _call(self, index: int, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except (ValueError, TypeError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"Sequential: module {index} ({type(self._modules[index]).__name__}): {error}") from error

    def __repr__(self) -> str:
        lines = [f"  ({index}): {module!r}".replace("\n", "\n  ") for index, module in enumerate(self._modules)]
        return "\n".join(["nn.Sequential {", *lines, "}"])
