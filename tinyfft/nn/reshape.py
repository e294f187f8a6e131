"""Flatten: each sample becomes one vector.

    updateOutput      y[s, (c H + h) W + w] = x[s, c, h, w], and so for any number of axes
    updateGradInput   the same numbers in the input's shape

Shapes  input (S, ...), output (S, product of the rest). `output` is a view of the input, and `gradInput` of gradOutput,
        wherever these are contiguous: nothing is copied, and the buffers belong to the neighbours.
Dtypes  any. Raises ValueError when the input has no axis beside the minibatch's.
Source  torch.nn.Flatten; compared in the tests
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
