"""The module protocol of Torch7: a layer computes, and knows the gradients of what it computes.

    updateOutput(input)                             writes and returns self.output
    updateGradInput(input, gradOutput)              writes and returns self.gradInput = d loss / d input
    accGradParameters(input, gradOutput, scale=1)   adds scale * d loss / d weight to self.gradWeight, and so on

A layer overrides these three and nothing else of the protocol; `forward` and `backward` call them. `backward` and both
of its halves presume a `forward` with the same input just before. A module owns `output` and `gradInput`: they are
written again by the next call, so copy what must outlive it. Parameters and their gradients are attributes named in
`parameter_names`, arrays that are saved but not trained in `buffer_names`.
Source  torch/nn, doc/module.md and Module.lua
"""

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from tinyfft import backend
from tinyfft.backend import Array

_FLOATS = (np.dtype("float32"), np.dtype("float64"))


class Module:
    parameter_names: tuple[str, ...] = ()  # weight -> gradWeight, bias -> gradBias
    buffer_names: tuple[str, ...] = ()
    capturable = False  # whether a CUDA graph may capture it; not inherited: a subclass must opt in again (`own`)
    backward_reads_output = True  # if it does not, the module behind this one may write over `output`
    dtype: np.dtype | None = None  # a layer with parameters has one, and takes no other input

    def __init__(self) -> None:
        self.device = backend.current_device()
        self.xp = self.device.xp
        self.output: Array | None = None
        self.gradInput: Array | None = None
        self._buffers: set[str] = set()
        self._flat_gradient: Array | None = None  # of getParameters
        self.train = True
        self.needs_gradInput = True  # a network's first layer can do without: nobody reads the gradient of the data

    # What a layer overrides

    def updateOutput(self, input: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateOutput")

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateGradInput")

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        pass

    # What calls it

    def forward(self, input: Array) -> Array:
        """updateOutput."""
        return self.updateOutput(input)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """updateGradInput (returned; None where `needs_gradInput` is off), then accGradParameters."""
        gradInput = self.updateGradInput(input, gradOutput) if self.needs_gradInput else None
        self.accGradParameters(input, gradOutput, scale)
        return gradInput

    # Parameters

    def modules(self) -> Iterator[tuple[str, "Module"]]:
        """(dotted name, module) of this module, named "", and of all inside it."""
        yield "", self

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """All trained arrays and, in the same order, their gradients."""
        found = [(module, name) for _, module in self.modules() for name in module.parameter_names]
        return [getattr(m, name) for m, name in found], [getattr(m, gradient_name(name)) for m, name in found]

    def getParameters(self) -> tuple[Array, Array]:
        """(weights, gradients): one flat array each, of which the layers' arrays are views from then on.

        Call it once, when the network is complete: a second call makes new flat arrays and the first ones go stale.
        Raises ValueError if there are no parameters or their dtypes differ.
        """
        found = [(module, name) for _, module in self.modules() for name in module.parameter_names]
        arrays = [getattr(module, name) for module, name in found]
        dtypes = {str(array.dtype) for array in arrays}
        if len(dtypes) != 1:
            raise ValueError(f"getParameters: parameters have dtypes {sorted(dtypes)}, expected one")
        size = sum(array.size for array in arrays)
        flat, flat_gradient = (self.device.empty((size,), arrays[0].dtype) for _ in range(2))
        start = 0
        for module, name in found:
            for target, attribute in ((flat, name), (flat_gradient, gradient_name(name))):
                array = getattr(module, attribute)
                view = target[start : start + array.size].reshape(array.shape)
                view[...] = array
                setattr(module, attribute, view)
            start += array.size
        self._flat_gradient = flat_gradient
        return flat, flat_gradient

    def zeroGradParameters(self) -> None:
        """Set all gradients of parameters to zero."""
        gradients = self.parameters()[1]
        flat = self._flat_gradient
        for array in gradients if flat is None or any(g.base is not flat for g in gradients) else (flat,):
            array.fill(0)

    def state(self) -> dict[str, Array]:
        """Every array that a checkpoint must hold, by dotted name: parameters and buffers, not copies."""
        return {
            f"{prefix}.{name}" if prefix else name: getattr(module, name)
            for prefix, module in self.modules()
            for name in module.parameter_names + module.buffer_names
        }

    def weights_changed(self) -> None:
        """Declare that weights were written by hand: whatever a layer derived from them is computed again."""

    # Modes and memory

    def training(self) -> None:
        """Behave as in training (dropout drops, normalisation uses the minibatch's statistics)."""
        self.train = True
        self.weights_changed()

    def evaluate(self) -> None:
        """Behave as in use."""
        self.train = False
        self.weights_changed()

    def apply(self, callback: Callable[["Module"], Any]) -> Self:
        """Call `callback(module)` for this module and all inside it."""
        for _, module in self.modules():
            callback(module)
        return self

    def clearState(self) -> Self:
        """Let go of `output`, `gradInput` and all scratch memory; the next call makes them anew."""
        for name in ("output", "gradInput", *self._buffers):
            setattr(self, name, None)
        return self

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"

    # For layers

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """The array kept as attribute `name`: the same one while shape and dtype stay, else a new one, not filled."""
        array = getattr(self, name, None)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self.device.empty(shape, dtype)
            setattr(self, name, array)
            self._buffers.add(name)
        return array

    def _check_array(self, input: Array) -> None:
        """Raises TypeError unless input is an array of this device, ValueError unless its dtype is the layer's."""
        if not isinstance(input, self.xp.ndarray):
            came = f"{type(input).__module__}.{type(input).__name__}"
            raise TypeError(
                f"{type(self).__name__}: input is a {came}, expected a {self.xp.__name__}.ndarray on {self.device}"
            )
        if input.dtype not in (_FLOATS if self.dtype is None else (self.dtype,)):
            expected = ("float32", "float64") if self.dtype is None else (self.dtype.name,)
            raise ValueError(f"{type(self).__name__}: input has dtype {input.dtype}, expected {' or '.join(expected)}")

    def _check_gradOutput(self, gradOutput: Array) -> None:
        """Raises ValueError unless gradOutput has the shape and dtype of the output it is the gradient of."""
        if self.output is None:
            raise ValueError(f"{type(self).__name__}: backward was called before forward")
        if gradOutput.shape != self.output.shape or gradOutput.dtype != self.output.dtype:
            raise ValueError(
                f"{type(self).__name__}: gradOutput has shape {gradOutput.shape} and dtype {gradOutput.dtype}, "
                f"expected {self.output.shape} and {self.output.dtype}, as the output"
            )


def own(part: Any, name: str, default: Any) -> Any:
    """Return an attribute that the class of `part` sets itself, not one it inherits: a subclass may do other things."""
    return vars(type(part)).get(name, default)


def gradient_name(parameter: str) -> str:
    """The attribute that holds a parameter's gradient: weight -> gradWeight."""
    return f"grad{parameter.capitalize()}"
