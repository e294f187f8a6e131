"""Torch7's module protocol: a module computes its output and the gradients of its input and its parameters.

    updateOutput(input)                             writes and returns self.output
    updateGradInput(input, gradOutput)              writes and returns self.gradInput = d loss / d input
    accGradParameters(input, gradOutput, scale=1)   adds scale * d loss / d weight to self.gradWeight, and likewise for
                                                    every other parameter

A layer overrides these three methods; `forward` and `backward` call them. `backward`, `updateGradInput` and
`accGradParameters` expect that `forward` ran last with the same input. A module owns its arrays `output` and
`gradInput`, and the next call overwrites them: copy a result that must outlive the next call.
`parameter_names` lists the attributes that are trained, `buffer_names` those that are saved but not trained.
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
    backward_reads_output = True  # if False, the next module of a chain may overwrite `output`
    dtype: np.dtype | None = None  # of parameters and input; None without parameters: float32 or float64

    def __init__(self) -> None:
        self.device = backend.current_device()
        self.xp = self.device.xp
        self.output: Array | None = None
        self.gradInput: Array | None = None
        self._buffers: set[str] = set()
        self._flat_gradient: Array | None = None  # made by getParameters
        self.train = True
        self.needs_gradInput = True  # a network's first layer may set False: no one reads the gradient of the data

    # The three methods that a layer overrides

    def updateOutput(self, input: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateOutput")

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateGradInput")

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        pass

    # The two methods that a user calls

    def forward(self, input: Array) -> Array:
        """Return updateOutput(input)."""
        return self.updateOutput(input)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Run both backward passes; return gradInput, or None if `needs_gradInput` is False."""
        gradInput = self.updateGradInput(input, gradOutput) if self.needs_gradInput else None
        self.accGradParameters(input, gradOutput, scale)
        return gradInput

    # Parameters

    def modules(self) -> Iterator[tuple[str, "Module"]]:
        """Iterate over (dotted name, module): this module, whose name is "", and all modules inside it."""
        yield "", self

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return (parameters, gradients), two lists of arrays in the same order."""
        found = [(module, name) for _, module in self.modules() for name in module.parameter_names]
        return [getattr(m, name) for m, name in found], [getattr(m, gradient_name(name)) for m, name in found]

    def getParameters(self) -> tuple[Array, Array]:
        """Return (weights, gradients), two flat arrays; the layers' own arrays become views of them.

        Call it once, when the network is complete: after a second call the layers no longer use the first flat arrays.
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
        """Return the arrays that a checkpoint must hold, by dotted name: parameters and buffers, not copies."""
        return {
            f"{prefix}.{name}" if prefix else name: getattr(module, name)
            for prefix, module in self.modules()
            for name in module.parameter_names + module.buffer_names
        }

    def weights_changed(self) -> None:
        """Declare that weights were written by hand: discard all values that were computed from them."""

    # Modes and memory

    def training(self) -> None:
        """Switch to training: dropout is active, normalization uses the minibatch's statistics."""
        self.train = True
        self.weights_changed()

    def evaluate(self) -> None:
        """Switch to evaluation: dropout is the identity, normalization uses the running statistics."""
        self.train = False
        self.weights_changed()

    def apply(self, callback: Callable[["Module"], Any]) -> Self:
        """Call `callback(module)` for this module and all modules inside it; return this module."""
        for _, module in self.modules():
            callback(module)
        return self

    def clearState(self) -> Self:
        """Free `output`, `gradInput` and all scratch memory, which the next call allocates again; return the module."""
        for name in ("output", "gradInput", *self._buffers):
            setattr(self, name, None)
        return self

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"

    # For layers

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return attribute `name` if it is an array of this shape and dtype, else set it to a new uninitialized one."""
        array = getattr(self, name, None)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self.device.empty(shape, dtype)
            setattr(self, name, array)
            self._buffers.add(name)
        return array

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        """Raise TypeError or ValueError unless the layer can use input, and gradOutput if there is one."""
        self._check_array(input)
        self._check_shape(input)
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)

    def _check_shape(self, input: Array) -> None:
        """Raise ValueError unless the layer can use an input of this shape; by default any shape is valid."""

    def _check_array(self, input: Array) -> None:
        """Raise TypeError unless input is an array of this device, ValueError unless its dtype is the layer's."""
        if not isinstance(input, self.xp.ndarray):
            came = f"{type(input).__module__}.{type(input).__name__}"
            raise TypeError(
                f"{type(self).__name__}: input is a {came}, expected a {self.xp.__name__}.ndarray on {self.device}"
            )
        if input.dtype not in (_FLOATS if self.dtype is None else (self.dtype,)):
            expected = ("float32", "float64") if self.dtype is None else (self.dtype.name,)
            raise ValueError(f"{type(self).__name__}: input has dtype {input.dtype}, expected {' or '.join(expected)}")

    def _check_gradOutput(self, gradOutput: Array) -> None:
        """Raise ValueError unless gradOutput has the shape and dtype of the last output."""
        if self.output is None:
            raise ValueError(f"{type(self).__name__}: backward was called before forward")
        if gradOutput.shape != self.output.shape or gradOutput.dtype != self.output.dtype:
            raise ValueError(
                f"{type(self).__name__}: gradOutput has shape {gradOutput.shape} and dtype {gradOutput.dtype}, "
                f"expected {self.output.shape} and {self.output.dtype}, as the output"
            )


def own(part: Any, name: str, default: Any) -> Any:
    """Return an attribute that the class of `part` defines itself, or `default` if the class only inherits it."""
    return vars(type(part)).get(name, default)


def gradient_name(parameter: str) -> str:
    """Return the name of the attribute that holds a parameter's gradient: weight -> gradWeight."""
    return f"grad{parameter.capitalize()}"
