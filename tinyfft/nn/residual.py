"""Residual: a chain of modules whose input is added to its output.

    updateOutput       y = x + f(x), where f is the chain
    updateGradInput    dx = dy + f'(x)^T dy
    accGradParameters  as in the chain

Shapes  f(x) must have the shape of x, else ValueError.
Dtypes  float32, float64.
Source  He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385, equation 1
"""

from tinyfft.backend import Array
from tinyfft.nn.sequential import Sequential


class Residual(Sequential):
    capturable = True

    def updateOutput(self, input: Array) -> Array:
        inner = super().updateOutput(input)
        if inner.shape != input.shape:
            raise ValueError(f"Residual: chain has output shape {inner.shape}, expected {input.shape}, as the input")
        # A separate array: the backward pass of the chain's last module may read the chain's output.
        self.output = self.xp.add(input, inner, out=self._buffer("_sum", input.shape, input.dtype))
        return self.output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        return self._add_gradOutput(super().updateGradInput(input, gradOutput), gradOutput)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        return self._add_gradOutput(super().backward(input, gradOutput, scale), gradOutput)

    def __repr__(self) -> str:
        return super().__repr__().replace("nn.Sequential", "nn.Residual", 1)

    def _add_gradOutput(self, inner: Array | None, gradOutput: Array) -> Array | None:
        if inner is not None:
            self.gradInput = self.xp.add(inner, gradOutput, out=self._buffer("_total", inner.shape, inner.dtype))
        return self.gradInput
