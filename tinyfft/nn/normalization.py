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

    def updateOutput(self, input: Array) -> Array:
        self._check(input)
        x = self._by_map(input)
        output = self._buffer("output", input.shape, self.dtype).reshape(x.shape)
        mean = self._buffer("_mean", (1, self.num_features, 1), self.dtype)
        inverse_std = self._buffer("_inverse_std", mean.shape, self.dtype)
        self._from_minibatch = self.train
        if self.train:
            self._measure(x, mean, inverse_std)
        else:
            mean[...] = self.running_mean.reshape(mean.shape)
            inverse_std[...] = 1 / self.xp.sqrt(self.running_var.reshape(mean.shape) + self.eps)
        scale = self._scale()

        def normalize(x: Array, y: Array) -> None:
            self.xp.subtract(x, mean, out=y)
            y *= scale
            if self.bias is not None:
                y += self.bias.reshape(mean.shape)

        self.device.blockwise(normalize, x, output)
        return self.output

    def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
        total, projection = self._sums(input, gradOutput)
        gradInput = self._buffer("gradInput", input.shape, self.dtype)
        x, dy, dx = (self._by_map(array) for array in (input, gradOutput, gradInput))
        scale = self._scale()
        if not self._from_minibatch:
            self.device.blockwise(lambda dy, dx: self.xp.multiply(dy, scale, out=dx), dy, dx)
            return gradInput
        n = x.size // self.num_features
        slope, mean_dy = self._inverse_std * projection / -n, total / n

        def pass_back(x: Array, dy: Array, dx: Array) -> None:
            self.xp.subtract(x, self._mean, out=dx)
            dx *= slope
            dx += dy
            dx -= mean_dy
            dx *= scale

        self.device.blockwise(pass_back, x, dy, dx)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        total, projection = self._sums(input, gradOutput)
        if self.weight is not None:
            self.gradWeight += scale * projection.reshape(self.num_features)
            self.gradBias += scale * total.reshape(self.num_features)

    def backward(self, input: Array, gradOutput: Array, scale: float = 1) -> Array | None:
        """Both halves, with one pass for the sums that each of them needs."""
        self._sums_of_backward = self._sums(input, gradOutput)
        try:
            return super().backward(input, gradOutput, scale)
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
        """The array as (S, C, H W), or (S, C, 1)."""
        S, C = array.shape[:2]
        return array.reshape(S, C, array.size // (S * C) if array.size else 0)

    def _measure(self, x: Array, mean: Array, inverse_std: Array) -> None:
        """Mean and 1/sqrt(var + eps) of the minibatch into the arrays given, and the running statistics moved.

        In one pass over x, of each map of each sample, the mean m and the sums of d = x - m and of d^2. Then with
        shift = m - mean, D = x - mean is d + shift, which gives the sums of D and D^2, and var = E(D^2) - E(D)^2. That
        is so whatever m and mean are: what rounding left over of them is made good, and float32 keeps the variance of
        maps whose mean is far from zero, where E(x^2) - E(x)^2 has no correct digit.
        """
        n, pixels = x.size // self.num_features, x.shape[2]
        means, sums, squares = self._for_each_map(x, 3)

        def measure(x: Array, means: Array, sums: Array, squares: Array) -> None:
            d = self.device.empty(x.shape, self.dtype)
            self._sum_pixels(x, means)
            means /= pixels
            self.xp.subtract(x, means, out=d)
            self._sum_pixels(d, sums)
            d *= d
            self._sum_pixels(d, squares)

        self.device.blockwise(measure, x, means, sums, squares)
        self.xp.mean(means, axis=0, keepdims=True, out=mean)
        shift = means - mean
        shifted = sums + pixels * shift
        rest = shifted.sum(axis=0, keepdims=True) / n
        variance = (squares + shift * (sums + shifted)).sum(axis=0, keepdims=True) / n - rest * rest
        mean += rest
        inverse_std[...] = 1 / self.xp.sqrt(variance + self.eps)
        for running, new in ((self.running_mean, mean), (self.running_var, variance * (n / (n - 1)))):
            running *= 1 - self.momentum
            running += self.momentum * new.reshape(self.num_features)

    def _scale(self) -> Array:
        """What x - mean is multiplied with, (1, C, 1)."""
        return self._inverse_std if self.weight is None else self._inverse_std * self.weight.reshape(1, -1, 1)

    def _sums(self, input: Array, gradOutput: Array) -> tuple[Array, Array]:
        """(sum dy, sum dy x_hat), each (1, C, 1), after all checks; within `backward` the ones that it has."""
        if self._sums_of_backward is not None:
            return self._sums_of_backward
        self._check(input, gradOutput)
        x, dy = self._by_map(input), self._by_map(gradOutput)
        totals, projections = self._for_each_map(x, 2)

        def project(x: Array, dy: Array, totals: Array, projections: Array) -> None:
            d = self.device.empty(x.shape, self.dtype)
            self.xp.subtract(x, self._mean, out=d)
            d *= dy
            self._sum_pixels(dy, totals)
            self._sum_pixels(d, projections)

        self.device.blockwise(project, x, dy, totals, projections)
        return totals.sum(axis=0, keepdims=True), projections.sum(axis=0, keepdims=True) * self._inverse_std

    def _for_each_map(self, x: Array, count: int) -> list[Array]:
        """`count` arrays (S, C, 1) of scratch memory: a number for each map of each sample."""
        return [self._buffer(f"_number_{i}", (*x.shape[:2], 1), self.dtype) for i in range(count)]

    def _sum_pixels(self, maps: Array, sums: Array) -> None:
        """sums (S, C, 1) of maps (S, C, pixels): a product with ones, three to seven times as fast as NumPy's sum.

        One product for each sample, since a BLAS sums a row in an order that depends on how many rows there are.
        """
        self.xp.matmul(maps, self.xp.ones((maps.shape[2], 1), self.dtype), out=sums)
