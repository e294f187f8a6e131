"""A chain of modules: the output of each is the input of the next.

    updateOutput       y = f_n(... f_2(f_1(x)))
    updateGradInput    dx = f_1'^T ... f_n'^T dy, from the last module to the first
    accGradParameters  every module adds to the gradients of its parameters

The chain runs its modules in stages (fusion.py): a stage is a module, or a module and a ReLU that run as one.
Memory  A ReLU may overwrite its input if backward of the module before does not read it: then both modules' `output` is
        ReLU's output. In `backward` the modules share two arrays for gradInput (gradient_buffers.py).
Errors  A module's error is raised again with the module's index (from 0) and class before its text.
Source  torch/nn, Sequential.lua
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

from tinyfft.arena import LimitError
from tinyfft.backend import Array
from tinyfft.nn.fusion import Stage, make_stages
from tinyfft.nn.gradient_buffers import GradientBuffers
from tinyfft.nn.module import Module


class Sequential(Module):
    capturable = True

    def __init__(self, *modules: Module) -> None:
        """modules  the modules, in the order of the forward pass"""
        self._modules: list[Module] = []
        super().__init__()
        self._buffers_of_gradients = GradientBuffers(self.device, self._modules)
        self._stages: list[Stage] = []
        for module in modules:
            self.add(module)

    def add(self, module: Module) -> Self:
        """Append a module; return the chain."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential: module {len(self._modules)} is {module!r}, expected an nn.Module")
        self._modules.append(module)
        self._stages = make_stages(self._modules, self._buffers_of_gradients)
        return self

    def __getitem__(self, index: int) -> Module:
        return self._modules[index]

    def __len__(self) -> int:
        return len(self._modules)

    @property
    def needs_gradInput(self) -> bool:
        """Whether `backward` computes the gradient of the chain's input: the first module's flag."""
        return self._modules[0].needs_gradInput if self._modules else True

    @needs_gradInput.setter
    def needs_gradInput(self, needed: bool) -> None:
        if self._modules:
            self._modules[0].needs_gradInput = needed

    def updateOutput(self, input: Array) -> Array:
        for stage in self._stages:
            input = self._run(stage, stage.forward, input)
        self.output = input
        return input

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Run the backward pass of each stage, from the last to the first; return the first module's gradInput."""
        for stage in reversed(self._stages):
            gradOutput = self._run(stage, stage.backward, gradOutput, scale)
        self.gradInput = gradOutput
        return gradOutput

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        for stage in reversed(self._stages):
            gradOutput = self._run(stage, stage.updateGradInput, gradOutput)
        self.gradInput = gradOutput
        return gradOutput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        for stage in reversed(self._stages):
            gradOutput = self._run(stage, stage.accGradParameters, gradOutput, scale)

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
        self._buffers_of_gradients = GradientBuffers(self.device, self._modules)
        self._stages = make_stages(self._modules, self._buffers_of_gradients)
        return super().clearState()

    def _run(self, stage: Stage, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return work(*arguments); an error gets the name of the stage's module."""
        try:
            return work(*arguments)
        except (ValueError, TypeError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"Sequential: module {stage.index} ({type(stage.module).__name__}): {error}") from error
        except LimitError:
            raise  # the error already names the layer
        except MemoryError as error:
            raise MemoryError(f"module {stage.index}, {stage.module!r}: {error}") from error

    def __repr__(self) -> str:
        lines = [f"  ({index}): {module!r}".replace("\n", "\n  ") for index, module in enumerate(self._modules)]
        return "\n".join(["nn.Sequential {", *lines, "}"])
