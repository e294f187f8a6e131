"""Flatten: reshape each sample to one vector.

    updateOutput      y[s, (c H + h) W + w] = x[s, c, h, w], and likewise for any number of axes
    updateGradInput   dx[s, c, h, w] = dy[s, (c H + h) W + w]

Shapes  input (S, ...), output (S, product of the other axes). If the input is contiguous, `output` is a view of it; if
        gradOutput is contiguous, `gradInput` is a view of it.
Dtypes  any. Raises ValueError if the input has fewer than two axes.
Source  same results as torch.nn.Flatten, compared in the tests
"""

from math import prod

from tinyfft.backend import Array
from tinyfft.nn.module import Module


class Flatten(Module):
    capturable = True

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        self.output = input.reshape(input.shape[0], prod(input.shape[1:]))
        return self.output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        self.gradInput = gradOutput.reshape(input.shape)
        return self.gradInput

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        if input.ndim < 2:
            raise ValueError(f"Flatten: input has shape {input.shape}, expected (S, ...)")
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)
