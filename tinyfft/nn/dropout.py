"""Dropout: in training each number is set to zero with probability p, and the others grow by 1/(1 - p).

    updateOutput      y = x m, m = 1/(1 - p) with probability 1 - p, else 0; in evaluation, or with p = 0, y = x
    updateGradInput   dx = dy m, with the mask m of the last forward

The expected output is the input, so evaluation needs no scaling. Every forward draws a key from the generator of the
host, and the key decides the mask (ops/dropout.py), so every device drops the same numbers.
Shapes  any; output and input have one shape.
Dtypes  float32, float64. Raises ValueError unless 0 <= p < 1, or when the input has another dtype.
Source  torch/nn, Dropout.lua
"""

from collections.abc import Callable

import numpy as np

from tinyfft import backend
from tinyfft.backend import Array, generator
from tinyfft.nn.module import Module
from tinyfft.ops import dropout


class Dropout(Module):
    capturable = True

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is {p}, expected 0 <= p < 1")
        self.p = float(p)
        self._key = self.device.empty((2,), "uint64")
        self._drops = False  # whether the last forward was not the identity

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        self._drops = self.train and self.p > 0
        if self._drops:
            backend.call_each_time(self._draw_key)
        return self._masked(dropout.forward, input, self._buffer("output", input.shape, input.dtype))

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        return self._masked(dropout.backward, gradOutput, self._buffer("gradInput", input.shape, input.dtype))

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:g})"

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        self._check_array(input)
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)

    def _draw_key(self) -> None:
        self._key[...] = self.device.array(generator().integers(1 << 64, size=2, dtype=np.uint64))

    def _masked(self, work: Callable[..., None], source: Array, target: Array) -> Array:
        if self._drops:
            work(source, target, self._key, self.p, self.device, self._buffer)
        else:
            target[...] = source
        return target
