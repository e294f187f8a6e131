"""Dropout: in training each number is set to zero with probability p, and the others grow by 1/(1 - p).

    updateOutput      y = x m, m = 1/(1 - p) with probability 1 - p, else 0; in evaluation, or with p = 0, y = x
    updateGradInput   dx = dy m, with the mask m of the last forward

The expected output is the input, so evaluation needs no scaling.
Shapes  any; output and input have one shape.
Dtypes  float32, float64. Raises ValueError unless 0 <= p < 1, or when the input has another dtype.
Source  torch/nn, Dropout.lua
"""

import numpy as np

from tinyfft.backend import Array, Device, generator
from tinyfft.nn.module import Module


class Dropout(Module):
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is {p}, expected 0 <= p < 1")
        self.p = float(p)
        self._mask: Array | None = None  # of the last forward; None where that was the identity
        self._drawn: np.ndarray | None = None

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        self._mask = self._draw(input) if self.train and self.p > 0 else None
        return self._masked(input, self._buffer("output", input.shape, input.dtype))

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        return self._masked(gradOutput, self._buffer("gradInput", input.shape, input.dtype))

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:g})"

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        self._check_array(input)
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)

    def _draw(self, input: Array) -> Array:
        """A new mask, drawn on the host so that every device drops the same numbers."""
        drawn = self._drawn
        if drawn is None or drawn.shape != input.shape or drawn.dtype != input.dtype:
            drawn = self._drawn = Device("cpu").empty(input.shape, input.dtype)
        generator().random(out=drawn, dtype=drawn.dtype)
        np.less(drawn, 1 - self.p, out=drawn)
        drawn *= 1 / (1 - self.p)
        return self.device.array(drawn)

    def _masked(self, source: Array, target: Array) -> Array:
        if self._mask is None:
            target[...] = source
            return target
        return self.xp.multiply(source, self._mask, out=target)
