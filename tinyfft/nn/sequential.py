"""A chain of modules: the output of each is the input of the next.

    updateOutput       y = f_n(... f_2(f_1(x)))
    updateGradInput    gradients go through the chain from its end, each module given the input it had
    accGradParameters  the same, adding up the gradients of parameters

A module that `fuses` the one behind it gets it as a last argument of updateOutput and backward, and fills its output
and gradInput on the way; one that `passes` the one before it gets that as a last argument of backward, and makes its
gradInput at once. updateGradInput and accGradParameters go through the modules one by one.

Memory  A module that works `in_place` gets its input as its output, if the module before does not read it again: then
        both hold what the later one has made. In `backward` two arrays are lent to the modules in turn, as their
        gradInput, and one that works `in_place` gets its gradOutput: each is right until the next module has run.
An error inside the chain is raised again with the module's index (from 0) and kind before it.
Source  torch/nn, Sequential.lua
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError
from tinyfft.nn.module import Module, stated


class Sequential(Module):
    records = True

    def __init__(self, *modules: Module) -> None:
        self._modules: list[Module] = []
        self._lent: list[Array | None] = [None, None]
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
        spare = False  # whether nobody reads `input` again
        for index, module, fused in self._steps():
            if module.in_place and spare:
                module.output = input
            input = self._call(index, module.updateOutput, input, *fused)
            spare = not (fused or (module,))[-1].rereads_output
        self.output = input
        return input

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        for index, module, module_input in self._backwards(input):
            if self._is_lent(module.gradInput):  # accGradParameters will need those of all modules
                module.gradInput = None
            gradOutput = self._call(index, module.updateGradInput, module_input, gradOutput)
        self.gradInput = gradOutput
        return gradOutput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        for index, module, module_input in self._backwards(input):
            self._call(index, module.accGradParameters, module_input, gradOutput, scale)
            gradOutput = module.gradInput

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Each module's own `backward`, from the end: a convolution transforms its gradOutput once for both halves."""
        passed: Module | None = None  # whose gradInput the module behind it has made
        for index, module, fused in reversed(self._steps()):
            if module is passed:
                continue
            behind, before = () if passed in fused else fused, self._passed_by(index)
            gradient = gradOutput
            for one in reversed(range(index, index + 1 + len(behind))):
                gradient = self._lend_gradInput(one, self._input_of(one, input), gradient)
            arguments = (self._input_of(index, input), gradOutput, scale, *behind, *before)
            gradOutput = self._call(index, module.backward, *arguments)
            passed = before[0] if before else None
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
        self._lent = [None, None]
        for module in self._modules:
            module.clearState()
        return super().clearState()

    def _lend_gradInput(self, index: int, input: Array, gradOutput: Array) -> Array:
        """Give a module the array to write its gradInput in; returns it, or gradOutput if it needs none."""
        module = self._modules[index]
        if not module.needs_gradInput or not isinstance(input, self.xp.ndarray):
            return gradOutput
        if module.in_place and self._is_lent(gradOutput):
            module.gradInput = gradOutput
        else:
            module.gradInput = self._lend(module.gradInput, input, gradOutput)
        return module.gradInput

    def _lend(self, held: Array | None, input: Array, gradOutput: Array) -> Array:
        """An array like `input`: `held`, if it is that, in the one of two buffers where gradOutput does not lie."""
        free = 1 if self._lent[0] is not None and gradOutput.base is self._lent[0] else 0
        if self._lent[free] is None or self._lent[free].nbytes < input.nbytes:
            self._let_go(free)
            self._lent[free] = self.device.empty((input.nbytes,), "uint8")
        buffer = self._lent[free]
        if held is not None and held.base is buffer and (held.shape, held.dtype) == (input.shape, input.dtype):
            return held
        return buffer[: input.nbytes].view(input.dtype).reshape(input.shape)

    def _let_go(self, which: int) -> None:
        """Before there is a larger one: never both at once."""
        old, self._lent[which] = self._lent[which], None
        for module in self._modules:
            if old is not None and module.gradInput is not None and module.gradInput.base is old:
                module.gradInput = None

    def _is_lent(self, array: Array | None) -> bool:
        return array is not None and any(array.base is lent for lent in self._lent if lent is not None)

    def _steps(self) -> list[tuple[int, Module, tuple[Module, ...]]]:
        """(index, module, the module behind it if it does that on its way), each module in one step alone."""
        steps, index = [], 0
        while index < len(self._modules):
            module, behind = self._modules[index], tuple(self._modules[index + 1 : index + 2])
            fused = behind if behind and type(behind[0]) in stated(module, "fuses", ()) else ()
            steps.append((index, module, fused))
            index += 1 + len(fused)
        return steps

    def _passed_by(self, index: int) -> tuple[Module, ...]:
        """The module before it, if it does that one's `backward` on its way."""
        before = self._modules[index - 1 : index] if index else []
        return tuple(
            module
            for module in before
            if type(module) in stated(self._modules[index], "passes", ()) and module.needs_gradInput
        )

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
        except LimitError:
            raise  # it names the layer
        except MemoryError as error:
            raise MemoryError(f"module {index}, {self._modules[index]!r}: {error}") from error

    def __repr__(self) -> str:
        lines = [f"  ({index}): {module!r}".replace("\n", "\n  ") for index, module in enumerate(self._modules)]
        return "\n".join(["nn.Sequential {", *lines, "}"])
