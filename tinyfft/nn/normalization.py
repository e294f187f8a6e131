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
Source  torch/nn, BatchNormalization.lua (Ioffe, Szegedy 2015); semantics as torch.nn.BatchNorm2d, compared in the tests
"""

from typing import Any

from tinyfft.backend import Array
from tinyfft.nn.arguments import whole_number
from tinyfft.nn.init import make_parameters
from tinyfft.nn.module import Module


class BatchNormalization(Module):
    rereads_output = False
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

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        x = self._by_map(input)
        y = self._buffer("output", input.shape, self.dtype).reshape(x.shape)
        mean = self._buffer("_mean", (1, self.num_features, 1), self.dtype)
        inverse_std = self._buffer("_inverse_std", mean.shape, self.dtype)
        self._from_minibatch = self.train
        if self.train:
            self._measure(x, mean, inverse_std, scratch=y)
        else:
            mean[...] = self.running_mean.reshape(mean.shape)
            inverse_std[...] = 1 / self.xp.sqrt(self.running_var.reshape(mean.shape) + self.eps)
        self.xp.subtract(x, mean, out=y)
        y *= self._scale()
        if self.bias is not None:
            y += self.bias.reshape(mean.shape)
        return self.output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        self._check(input, gradOutput)
        x, dy = self._by_map(input), self._by_map(gradOutput)
        dx = self._buffer("gradInput", input.shape, self.dtype).reshape(x.shape)
        if self._from_minibatch:
            n = x.size // self.num_features
            total, projection = self._sums(x, dy, scratch=dx)
            self.xp.subtract(x, self._mean, out=dx)
            dx *= self._inverse_std * projection / -n
            dx += dy
            dx -= total / n
            dx *= self._scale()
        else:
            self.xp.multiply(dy, self._scale(), out=dx)
        return self.gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        self._check(input, gradOutput)
        if self.weight is None:
            return
        x = self._by_map(input)
        scratch = self._buffer("_scratch", x.shape, self.dtype)
        total, projection = self._sums(x, self._by_map(gradOutput), scratch)
        self.gradWeight += scale * projection.reshape(self.num_features)
        self.gradBias += scale * total.reshape(self.num_features)

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
        """The array as (S, C, H W), or (S, C, 1)."""
        S, C = array.shape[:2]
        return array.reshape(S, C, array.size // (S * C) if array.size else 0)

    def _measure(self, x: Array, mean: Array, inverse_std: Array, scratch: Array) -> None:
        """Mean and 1/sqrt(var + eps) of the minibatch into the arrays given, and the running statistics moved.

        Two passes and what the first left over: float32 keeps the variance of maps whose mean is far from zero, where
        E(x^2) - E(x)^2 has no correct digit. With d = x - mean as rounded, var = E(d^2) - E(d)^2 whatever mean is.
        """
        n = x.size // self.num_features
        self.xp.sum(x, axis=(0, 2), keepdims=True, out=mean)
        mean /= n
        self.xp.subtract(x, mean, out=scratch)
        rest = scratch.sum(axis=(0, 2), keepdims=True) / n
        scratch *= scratch
        variance = scratch.sum(axis=(0, 2), keepdims=True) / n - rest * rest
        mean += rest
        inverse_std[...] = 1 / self.xp.sqrt(variance + self.eps)
        for running, new in ((self.running_mean, mean), (self.running_var, variance * (n / (n - 1)))):
            running *= 1 - self.momentum
            running += self.momentum * new.reshape(self.num_features)

    def _scale(self) -> Array:
        """What x - mean is multiplied with, (1, C, 1)."""
        return self._inverse_std if self.weight is None else self._inverse_std * self.weight.reshape(1, -1, 1)

    def _sums(self, x: Array, dy: Array, scratch: Array) -> tuple[Array, Array]:
        """(sum dy, sum dy x_hat), each (1, C, 1)."""
        self.xp.subtract(x, self._mean, out=scratch)
        scratch *= dy
        projection = scratch.sum(axis=(0, 2), keepdims=True)
        return dy.sum(axis=(0, 2), keepdims=True), projection * self._inverse_std
