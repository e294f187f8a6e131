"""Batch normalisation: every map gets mean 0 and variance 1 over the minibatch, then a learned scale and shift.

    updateOutput       y = weight (x - mean) / sqrt(var + eps) + bias = weight x_hat + bias, per map
    updateGradInput    in training     dx = weight / sqrt(var + eps) (dy - mean(dy) - x_hat mean(dy x_hat))
                       in evaluation   dx = weight / sqrt(running_var + eps) dy
    accGradParameters  dweight += scale sum dy x_hat,  dbias += scale sum dy

In training mean and var (biased) are the minibatch's, over its n values of a map, and the running ones follow:
running = (1 - momentum) running + momentum new, where the new variance is the unbiased one, var n / (n - 1).
In evaluation the running ones are used. Both passes back use what the last forward used.
Shapes  input and output (S, C) or (S, C, H, W); weight, bias, running_mean, running_var (C,)
Dtypes  float32, float64; the input's must be the layer's. Raises ValueError when shape or dtype do not fit, eps or
        momentum are out of range, or a map has a single value in training.
ReLU    that follows in a Sequential is done on the way: y is its output at once, its gradInput is written as dy is read
Source  torch/nn, BatchNormalization.lua (Ioffe, Szegedy 2015); semantics as torch.nn.BatchNorm2d, compared in
        the tests. ops/normalization.py computes it
"""

from typing import Any

from tinyfft.backend import Array
from tinyfft.nn.activation import ReLU
from tinyfft.nn.arguments import whole_number
from tinyfft.nn.init import make_parameters
from tinyfft.nn.module import Module
from tinyfft.ops import normalization as maps


class BatchNormalization(Module):
    capturable = True
    backward_reads_output = False
    buffer_names = ("running_mean", "running_var")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__()
        self.num_features = whole_number(self, "num_features", num_features)
        if not eps > 0:
            raise ValueError(f"BatchNormalization: eps is {eps}, expected more than 0")
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNormalization: momentum is {momentum}, expected 0 to 1")
        self.eps, self.momentum = float(eps), float(momentum)
        shape = (num_features,) if affine else None
        make_parameters(self, dtype, weight=shape, bias=shape)
        self._sums_of_backward: tuple[Array, Array] | None = None
        self.running_mean = self.device.empty((num_features,), self.dtype)
        self.running_var = self.device.empty((num_features,), self.dtype)
        self.reset()

    def reset(self) -> None:
        """Scale 1, shift 0, and running statistics as if all data had been normal already."""
        self.running_mean.fill(0)
        self.running_var.fill(1)
        if self.weight is not None:
            self.weight.fill(1)
            self.bias.fill(0)

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """y; with `relu`, the module that follows, its output in place of y."""
        self._check(input)
        x = self._by_map(input)
        output = self._buffer("output", input.shape, self.dtype).reshape(x.shape)
        mean, inverse_std = self._statistics()
        self._from_minibatch = self.train
        if self.train:
            running = (self.running_mean, self.running_var)
            maps.statistics(x, mean, inverse_std, *running, self.momentum, self.eps, self.device, self._buffer)
        else:
            mean[...] = self.running_mean
            self.xp.add(self.running_var, self.eps, out=inverse_std)
            self.xp.sqrt(inverse_std, out=inverse_std)
            self.xp.divide(1, inverse_std, out=inverse_std)
        maps.normalize(x, mean, inverse_std, self.weight, self.bias, output, self.device, relu=relu is not None)
        if relu is not None:
            relu.output = self.output
        return self.output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        sums = self._sums(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        x, dy, dx = (self._by_map(array) for array in (input, gradOutput, gradInput))
        sums = sums if self._from_minibatch else None
        maps.input_gradient(x, dy, *self._statistics(), self.weight, sums, dx, self.device)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        total, projection = self._sums(input, gradOutput)
        if self.weight is not None:
            self.gradWeight += projection if scale == 1 else scale * projection
            self.gradBias += total if scale == 1 else scale * total

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Both halves, with one pass for the sums that each of them needs.

        With `relu`, the module that follows, gradOutput is that of its output, and its gradInput is written too.
        """
        self._sums_of_backward = self._sums(input, gradOutput, relu)
        try:
            return super().backward(input, gradOutput if relu is None else relu.gradInput, scale)
        finally:
            self._sums_of_backward = None

    def __repr__(self) -> str:
        return f"nn.BatchNormalization({self.num_features}{', not affine' if self.weight is None else ''})"

    def _check(self, input: Array, gradOutput: Array | None = None) -> None:
        self._check_array(input)
        C = self.num_features
        if input.ndim not in (2, 4) or input.shape[1] != C:
            raise ValueError(f"BatchNormalization: input has shape {input.shape}, expected (S, {C}) or (S, {C}, H, W)")
        if gradOutput is not None:
            self._check_gradOutput(gradOutput)
        elif self.train and input.size <= C:
            raise ValueError(
                f"BatchNormalization: input has shape {input.shape}, expected more than one value per map in training"
            )

    def _by_map(self, array: Array) -> Array:
        """The array as (S, C, H W), or (S, C, 1), in C order."""
        S, C = array.shape[:2]
        array = array if array.flags.c_contiguous else array.copy(order="C")
        return array.reshape(S, C, array.size // (S * C) if array.size else 0)

    def _statistics(self) -> tuple[Array, Array]:
        """(mean, inverse_std) (C,) of the last forward."""
        return tuple(self._buffer(name, (self.num_features,), self.dtype) for name in ("_mean", "_inverse_std"))

    def _sums(self, input: Array, gradOutput: Array, relu: ReLU | None = None) -> tuple[Array, Array]:
        """(sum dy, sum dy x_hat), each (C,), after all checks; within `backward` the ones that it has.

        With `relu` dy is its gradInput, which is written.
        """
        if self._sums_of_backward is not None:
            return self._sums_of_backward
        self._check(input, gradOutput)
        x, dy = self._by_map(input), self._by_map(gradOutput)
        of_relu = {}
        if relu is not None:
            masked = relu.gradInput_buffer(gradOutput)
            of_relu = {"relu_output": self._by_map(relu.output), "masked": self._by_map(masked)}
        sums = tuple(self._buffer(name, (self.num_features,), self.dtype) for name in ("_total", "_projection"))
        maps.gradient_sums(x, dy, *self._statistics(), *sums, self.device, self._buffer, **of_relu)
        return sums
