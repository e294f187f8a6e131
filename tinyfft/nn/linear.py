"""Linear: an affine map of vectors, in which every output is a weighted sum of all inputs plus a bias.

    updateOutput       y[s, o] = sum_i x[s, i] weight[o, i] + bias[o]          Y = X W^T + b
    updateGradInput    dx[s, i] = sum_o dy[s, o] weight[o, i]                  dX = dY W
    accGradParameters  dweight[o, i] += scale sum_s dy[s, o] x[s, i]           dW += scale dY^T X
                       dbias[o] += scale sum_s dy[s, o]

Shapes  input (S, in_features), output (S, out_features), weight (out_features, in_features), bias (out_features,)
Dtypes  float32, float64; input and layer have the same. Raises ValueError for an input of another shape or dtype, a
        size below 1, an unknown `init` or a precision that the device does not support.
Source  torch/nn, Linear.lua
"""

from typing import Any

from tinyfft.backend import Array
from tinyfft.fourier.product import precisions
from tinyfft.nn.arguments import integer, one_of
from tinyfft.nn.init import add_parameters, initialize
from tinyfft.nn.module import Module
from tinyfft.ops.linear import add_column_sums, add_matmul, matmul


class Linear(Module):
    capturable = True
    backward_reads_output = False

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = "float32",
        init: str = "torch7",
        precision: str = "fp32",
    ) -> None:
        """in_features   inputs of a sample
        out_features  outputs of a sample
        bias          whether the layer adds a bias
        dtype         "float32" or "float64"
        init          rule for initial values, "torch7" or "kaiming" (init.py)
        precision     of float32 products: "fp32", or on a GPU "tf32"; "bf16" does the same as "tf32", since with the
                      few rows of a minibatch a GPU spends its time on reading the weights, not on products
        """
        super().__init__()
        self.in_features = integer(self, "in_features", in_features)
        self.out_features = integer(self, "out_features", out_features)
        self.init = init
        self.tf32 = one_of(self, f"precision on {self.device}", precision, precisions(self.device)) != "fp32"
        add_parameters(self, dtype, weight=(out_features, in_features), bias=(out_features,) if bias else None)
        self.reset()

    def reset(self, init: str | None = None) -> None:
        """Write new initial values by the rule `init`, by default the layer's last rule; fan-in = in_features."""
        self.init = init or self.init
        initialize(self.weight, self.bias, self.init, self.in_features, self.device)

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        output = self._buffer("output", (input.shape[0], self.out_features), self.dtype)
        matmul(input, self.weight.T, output, self.device, self.tf32)
        if self.bias is not None:
            output += self.bias
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        return matmul(gradOutput, self.weight, gradInput, self.device, self.tf32)

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        self._check(input, gradOutput)
        add_matmul(gradOutput.T, input, self.gradWeight, self.device, scale, self.tf32)
        if self.bias is not None:
            add_column_sums(gradOutput, self.gradBias, self.device, scale)

    def __repr__(self) -> str:
        return f"nn.Linear({self.in_features} -> {self.out_features}{', no bias' if self.bias is None else ''})"

    def _check_shape(self, input: Array) -> None:
        if input.ndim != 2 or input.shape[1] != self.in_features:
            raise ValueError(f"Linear: input has shape {input.shape}, expected (S, {self.in_features})")
