"""Activation functions: ReLU, and the logarithm of softmax over classes.

    ReLU         updateOutput     y = max(x, 0)
                 updateGradInput  dx = dy where y > 0, else 0
    LogSoftMax   updateOutput     y[s, k] = x[s, k] - log sum_j exp(x[s, j]), after max_j x[s, j] is subtracted from x
                 updateGradInput  dx[s, k] = dy[s, k] - exp(y[s, k]) sum_j dy[s, j]

Shapes  ReLU: any; LogSoftMax: (S, K). The output has the input's shape.
Dtypes  float32, float64. Raises ValueError for any other shape or dtype.
Source  same results as torch.nn.ReLU and LogSoftmax, compared in the tests
"""

from tinyfft.backend import Array
from tinyfft.nn.module import Module


class ReLU(Module):
    capturable = True

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        output = self._buffer("output", input.shape, input.dtype)
        self.device.blockwise(lambda x, y: self.xp.maximum(x, 0, out=y), input, output)
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        self.device.blockwise(self._write_gradient, self.output, gradOutput, gradInput)
        return gradInput

    def gradInput_buffer(self, gradOutput: Array) -> Array:
        """Return the buffer for gradInput after a check of gradOutput, for a module that runs this backward pass."""
        self._check_gradOutput(gradOutput)
        return self._buffer("gradInput", gradOutput.shape, gradOutput.dtype)

    def _write_gradient(self, y: Array, dy: Array, dx: Array) -> None:
        self.xp.multiply(dy, self.xp.greater(y, 0), out=dx)  # NumPy copies under a mask seven times slower


class LogSoftMax(Module):
    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        output = self._buffer("output", input.shape, input.dtype)
        exponentials = self._buffer("_exponentials", input.shape, input.dtype)
        self.xp.subtract(input, input.max(axis=1, keepdims=True), out=output)
        self.xp.exp(output, out=exponentials)
        output -= self.xp.log(exponentials.sum(axis=1, keepdims=True))
        return output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        self.xp.exp(self.output, out=gradInput)
        gradInput *= gradOutput.sum(axis=1, keepdims=True)
        return self.xp.subtract(gradOutput, gradInput, out=gradInput)

    def _check_shape(self, input: Array) -> None:
        if input.ndim != 2 or input.shape[1] < 1:
            raise ValueError(f"LogSoftMax: input has shape {input.shape}, expected (S, K) with K >= 1")
