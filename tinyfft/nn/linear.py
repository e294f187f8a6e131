"""An affine map of vectors: every output is a weighted sum of all inputs.

    updateOutput       y[s, o] = sum_i x[s, i] weight[o, i] + bias[o]          Y = X W^T + b
    updateGradInput    dx[s, i] = sum_o dy[s, o] weight[o, i]                  dX = dY W
    accGradParameters  dweight[o, i] += scale sum_s dy[s, o] x[s, i]           dW += scale dY^T X
                       dbias[o] += scale sum_s dy[s, o]

Shapes  input (S, in_features), output (S, out_features), weight (out_features, in_features), bias (out_features,)
Dtypes  float32, float64; the input's must be the layer's. Raises ValueError when shape or dtype do not fit, a size is
        below 1, or `init` is no rule of init.py.
Source  torch/nn, Linear.lua
"""

from typing import Any

from tinyfft.backend import Array
from tinyfft.nn.arguments import whole_number
from tinyfft.nn.init import initialize, make_parameters
from tinyfft.nn.module import Module


class Linear(Module):
    rereads_output = False

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = "float32", init: str = "torch7"
    ) -> None:
        super().__init__()
        self.in_features = whole_number(self, "in_features", in_features)
        self.out_features = whole_number(self, "out_features", out_features)
        self.init = init
        make_parameters(self, dtype, weight=(out_features, in_features), bias=(out_features,) if bias else None)
        self.reset()

    def reset(self, init: str | None = None) -> None:
        """New initial values by the rule `init` (init.py), or by the one it had; fan-in = in_features."""
        self.init = init or self.init
        initialize(self.weight, self.bias, self.init, self.in_features, self.device)

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        output = self._buffer("output", (input.shape[0], self.out_features), self.dtype)
        self.device.matmul(input, self.weight.T, output)
        if self.bias is not None:
            output += self.bias
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        return self.device.matmul(gradOutput, self.weight, self._buffer("gradInput", input.shape, self.dtype))

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        self._check(input, gradOutput)

        def add(gradWeight: Array, gradients: Array) -> None:
            product = self.device.empty(gradWeight.shape, self.dtype)
            self.device.matmul(gradients, input, product)
            if scale != 1:
                product *= scale
            gradWeight += product

        self.device.blockwise(add, self.gradWeight, gradOutput.T)
        if self.bias is not None:
            self.gradBias += scale * gradOutput.sum(axis=0)

    def __repr__(self) -> str:
        return f"nn.Linear({self.in_features} -> {self.out_features}{', no bias' if self.bias is None else ''})"

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        self._check_array(input)
        if input.ndim != 2 or input.shape[1] != self.in_features:
            raise ValueError(f"Linear: input has shape {input.shape}, expected (S, {self.in_features})")
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)
