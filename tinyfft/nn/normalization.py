"""Batch normalization: scale every map to mean 0 and variance 1 over the minibatch, then apply a learned affine map.

    updateOutput       y = weight (x - mean) / sqrt(var + eps) + bias = weight x_hat + bias, per map
    updateGradInput    in training     dx = weight / sqrt(var + eps) (dy - mean(dy) - x_hat mean(dy x_hat))
                       in evaluation   dx = weight / sqrt(running_var + eps) dy
    accGradParameters  dweight += scale sum dy x_hat,  dbias += scale sum dy

Training uses the mean and the biased variance of a map's n values in the minibatch, and updates the running statistics:
running = (1 - momentum) running + momentum new, where the new variance is the unbiased one, var n / (n - 1).
Evaluation uses the running statistics. The backward passes use the statistics of the last forward pass.
Shapes  input and output (S, C) or (S, C, H, W); weight, bias, running_mean, running_var (C,)
Dtypes  float32, float64; input and layer have the same. Raises ValueError for an input of another shape or dtype, eps
        or momentum out of range, and in training if a map has a single value.
ReLU    In a Sequential a ReLU after this layer is fused: the forward pass writes ReLU's output instead of y, the
        backward pass writes ReLU's gradInput while it reads gradOutput.
Source  torch/nn, BatchNormalization.lua (Ioffe, Szegedy 2015); same results as torch.nn.BatchNorm2d, compared in the
        tests. ops/normalization.py has the arithmetic
"""

from typing import Any

from tinyfft.backend import Array
from tinyfft.nn.activation import ReLU
from tinyfft.nn.arguments import integer
from tinyfft.nn.init import add_parameters
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
        """num_features  maps of the input, C
        eps           added to the variance before the square root
        momentum      weight of the minibatch's statistics in an update of the running ones, 0 to 1
        affine        whether the layer has weight and bias
        dtype         "float32" or "float64"
        """
        super().__init__()
        self.num_features = integer(self, "num_features", num_features)
        if not eps > 0:
            raise ValueError(f"BatchNormalization: eps is {eps}, expected more than 0")
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNormalization: momentum is {momentum}, expected 0 to 1")
        self.eps, self.momentum = float(eps), float(momentum)
        shape = (num_features,) if affine else None
        add_parameters(self, dtype, weight=shape, bias=shape)
        self._gradient_sums: tuple[Array, Array] | None = None
        self.running_mean = self.device.empty((num_features,), self.dtype)
        self.running_var = self.device.empty((num_features,), self.dtype)
        self.reset()

    def reset(self) -> None:
        """Set weight to 1, bias to 0, and the running statistics to mean 0 and variance 1."""
        self.running_mean.fill(0)
        self.running_var.fill(1)
        if self.weight is not None:
            self.weight.fill(1)
            self.bias.fill(0)

    def updateOutput(self, input: Array, relu: ReLU | None = None) -> Array:
        """Return y, or the output of the fused `relu`."""
        self._check(input)
        if self.train and input.size <= self.num_features:
            raise ValueError(
                f"BatchNormalization: input has shape {input.shape}, expected more than one value per map in training"
            )
        x = self._by_map(input)
        output = self._buffer("output", input.shape, self.dtype).reshape(x.shape)
        mean, inverse_std = self._statistics()
        self._used_minibatch = self.train
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
        sums = sums if self._used_minibatch else None
        maps.input_gradient(x, dy, *self._statistics(), self.weight, sums, dx, self.device)
        return gradInput

    def accGradParameters(self, input: Array, gradOutput: Array, scale: float = 1) -> None:
        total, projection = self._sums(input, gradOutput)
        if self.weight is not None:
            self.gradWeight += projection if scale == 1 else scale * projection
            self.gradBias += total if scale == 1 else scale * total

    def backward(self, input: Array, gradOutput: Array, scale: float = 1, relu: ReLU | None = None) -> Array | None:
        """Run both backward passes on shared sums; with a fused `relu`, gradOutput is the gradient of ReLU's output."""
        self._gradient_sums = self._sums(input, gradOutput, relu)
        try:
            return super().backward(input, gradOutput if relu is None else relu.gradInput, scale)
        finally:
            self._gradient_sums = None

    def __repr__(self) -> str:
        return f"nn.BatchNormalization({self.num_features}{', not affine' if self.weight is None else ''})"

    def _check_shape(self, input: Array) -> None:
        C = self.num_features
        if input.ndim not in (2, 4) or input.shape[1] != C:
            raise ValueError(f"BatchNormalization: input has shape {input.shape}, expected (S, {C}) or (S, {C}, H, W)")

    def _by_map(self, array: Array) -> Array:
        """Return the array as (S, C, H W) or (S, C, 1), copied if it is not in C order."""
        S, C = array.shape[:2]
        array = array if array.flags.c_contiguous else array.copy(order="C")
        return array.reshape(S, C, array.size // (S * C) if array.size else 0)

    def _statistics(self) -> tuple[Array, Array]:
        """Return the buffers (mean, inverse_std), each (C,), of the last forward pass."""
        return tuple(self._buffer(name, (self.num_features,), self.dtype) for name in ("_mean", "_inverse_std"))

    def _sums(self, input: Array, gradOutput: Array, relu: ReLU | None = None) -> tuple[Array, Array]:
        """Return (sum dy, sum dy x_hat), each (C,): computed after all checks, or within `backward` the shared sums.

        With a fused `relu`, dy is ReLU's gradInput, which is written.
        """
        if self._gradient_sums is not None:
            return self._gradient_sums
        self._check(input, gradOutput)
        x, dy = self._by_map(input), self._by_map(gradOutput)
        relu_arrays = {}
        if relu is not None:
            relu_gradInput = relu.gradInput_buffer(gradOutput)
            relu_arrays = {"relu_output": self._by_map(relu.output), "masked": self._by_map(relu_gradInput)}
        sums = tuple(self._buffer(name, (self.num_features,), self.dtype) for name in ("_total", "_projection"))
        maps.gradient_sums(x, dy, *self._statistics(), *sums, self.device, self._buffer, **relu_arrays)
        return sums
