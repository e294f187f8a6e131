"""Dropout: training sets each number to zero with probability p and divides the others by 1 - p.

    updateOutput      y = x m, m = 1/(1 - p) with probability 1 - p, else 0; in evaluation, or with p = 0, y = x
    updateGradInput   dx = dy m, with the mask m of the last forward pass

The expected output is the input, so evaluation needs no scaling. Every forward pass in training gets a random key from
the host's generator. The mask is a function of the key (ops/dropout.py), so all devices drop the same numbers.
Shapes  any; the output has the input's shape.
Dtypes  float32, float64. Raises ValueError unless 0 <= p < 1, and for an input of another dtype.
Source  torch/nn, Dropout.lua
"""

from collections.abc import Callable

import numpy as np

from tinyfft import backend
from tinyfft.backend import Array
from tinyfft.nn.module import Module
from tinyfft.ops import dropout
from tinyfft.random import generator


class Dropout(Module):
    capturable = True

    def __init__(self, p: float = 0.5) -> None:
        """p  probability with which a number is set to zero, 0 <= p < 1"""
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is {p}, expected 0 <= p < 1")
        self.p = float(p)
        self._key = self.device.empty((2,), "uint64")
        self._is_active = False  # whether the last forward pass applied a mask

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        self._is_active = self.train and self.p > 0
        if self._is_active:
            backend.call_each_time(self._resample_key)
        return self._apply_mask(dropout.forward, input, self._buffer("output", input.shape, input.dtype))

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        return self._apply_mask(dropout.backward, gradOutput, self._buffer("gradInput", input.shape, input.dtype))

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:g})"

    def _resample_key(self) -> None:
        self._key[...] = self.device.array(generator().integers(1 << 64, size=2, dtype=np.uint64))

    def _apply_mask(self, operation: Callable[..., None], source: Array, target: Array) -> Array:
        if self._is_active:
            operation(source, target, self._key, self.p, self.device, self._buffer)
        else:
            target[...] = source
        return target
