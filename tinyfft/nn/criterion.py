"""Criteria (loss functions): one number for how far a network's output is from the target, and its gradient.

    MSECriterion           loss = mean over all elements of (x - t)^2              dx = 2 (x - t) / size
    ClassNLLCriterion      loss = -mean_s x[s, t[s]], x are log-probabilities      dx[s, k] = -[k = t[s]] / S
    CrossEntropyCriterion  loss = -mean_s sum_k q[s, k] log p[s, k], p = softmax(x),
                           q[s, k] = (1 - label_smoothing) [k = t[s]] + label_smoothing / K
                           dx[s, k] = (p[s, k] - q[s, k]) / S

    forward(input, target)          returns the loss as a Python float; waits for the device
    backward(input, target)         returns self.gradInput; expects that `forward` ran last with the same arguments
    updateOutput, updateGradInput   a criterion overrides these two; updateOutput returns the loss on the device

Shapes  MSECriterion: input and target have the same shape. The others: input (S, K), target (S,), classes 0 to K - 1.
Dtypes  input float32, float64 (losses are summed in float64); target of MSECriterion as the input, else any integer.
        Raises ValueError for wrong shapes, dtypes, classes or label_smoothing, TypeError for a target that is not an
        array of the device.
Source  same results as torch.nn.CrossEntropyLoss, NLLLoss and MSELoss, compared in the tests. ops/cross_entropy.py
        computes the cross-entropy
"""

import math

from tinyfft import backend
from tinyfft.backend import Array
from tinyfft.nn.module import Module
from tinyfft.ops.cross_entropy import cross_entropy, cross_entropy_gradient


class Criterion:
    def __init__(self) -> None:
        self.device = backend.current_device()
        self.xp = self.device.xp
        self.output: float | None = None
        self.gradInput: Array | None = None
        self._buffers: set[str] = set()

    def forward(self, input: Array, target: Array) -> float:
        """Return the loss. Raises ValueError if it is NaN because of the target."""
        self.output = float(self.updateOutput(input, target))
        if math.isnan(self.output):
            self.check_target_values(input, target)
        return self.output

    def backward(self, input: Array, target: Array) -> Array:
        """Return d loss / d input."""
        return self.updateGradInput(input, target)

    def updateOutput(self, input: Array, target: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateOutput")

    def updateGradInput(self, input: Array, target: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updateGradInput")

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"

    dtype = None
    _buffer = Module._buffer
    _check_array = Module._check_array

    def check_target_values(self, input: Array, target: Array) -> None:
        """Raise ValueError for a target with impossible values. It waits for the device: call it if a loss is NaN."""

    def _check(self, input: Array, target: Array) -> None:
        self._check_array(input)
        if not isinstance(target, self.xp.ndarray):
            raise TypeError(
                f"{type(self).__name__}: target is {type(target)}, expected {self.xp.ndarray}, "
                f"as the device is {self.device}"
            )


class MSECriterion(Criterion):
    def updateOutput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        square = self._buffer("_square", input.shape, input.dtype)
        self.xp.subtract(input, target, out=square)
        square *= square
        return square.sum(dtype="float64") / input.size

    def updateGradInput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        self.xp.subtract(input, target, out=gradInput)
        gradInput *= 2 / input.size
        return gradInput

    def _check(self, input: Array, target: Array) -> None:
        super()._check(input, target)
        if target.shape != input.shape or target.dtype != input.dtype or not input.size:
            raise ValueError(
                f"MSECriterion: target has shape {target.shape} and dtype {target.dtype}, "
                f"expected {input.shape} and {input.dtype}, as the input, and not empty"
            )


class _ClassCriterion(Criterion):
    """A criterion whose target is one class for each sample."""

    def _check(self, input: Array, target: Array) -> None:
        super()._check(input, target)
        name = type(self).__name__
        if input.ndim != 2 or not input.size:
            raise ValueError(f"{name}: input has shape {input.shape}, expected (S, K), not empty")
        if target.dtype.kind not in "iu":
            raise ValueError(f"{name}: target has dtype {target.dtype}, expected integers (class indices)")
        if target.shape != input.shape[:1]:
            raise ValueError(f"{name}: target has shape {target.shape}, expected {input.shape[:1]}, one class a sample")

    def check_target_values(self, input: Array, target: Array) -> None:
        low, high, K = int(target.min()), int(target.max()), input.shape[1]
        if low < 0 or high >= K:
            raise ValueError(
                f"{type(self).__name__}: target has classes from {low} to {high}, expected 0 to {K - 1}, "
                f"as the input has shape {input.shape}"
            )


class ClassNLLCriterion(_ClassCriterion):
    def updateOutput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        return self._mean_nll(input, target)

    def updateGradInput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        gradInput.fill(0)
        valid = self.xp.flatnonzero((target >= 0) & (target < input.shape[1]))  # other classes make the loss NaN
        gradInput[valid, target[valid]] = -1 / len(target)
        return gradInput

    def _mean_nll(self, log_p: Array, target: Array) -> Array:
        """Return -mean_s log_p[s, target[s]] in float64; NaN for an invalid class, which CuPy would silently wrap."""
        S, K = log_p.shape
        classes = target.astype("int64")
        valid = (classes >= 0) & (classes < K)
        picked = log_p[self.xp.arange(S), self.xp.where(valid, classes, 0)]
        return -self.xp.where(valid, picked, self.xp.nan).sum(dtype="float64") / S


class CrossEntropyCriterion(_ClassCriterion):
    capturable = True

    def __init__(self, label_smoothing: float = 0.0) -> None:
        """label_smoothing  share of the target distribution that is spread over all K classes, 0 to 1"""
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyCriterion: label_smoothing is {label_smoothing}, expected 0 to 1")
        self.label_smoothing = float(label_smoothing)

    def updateOutput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        log_p, loss = self._buffer("_log_p", input.shape, input.dtype), self._buffer("_loss", (1,), "float64")
        cross_entropy(input, target, log_p, loss, self.label_smoothing, self.device, self._buffer)
        return loss[0]

    def updateGradInput(self, input: Array, target: Array) -> Array:
        self._check(input, target)
        gradInput = self._buffer("gradInput", input.shape, input.dtype)
        cross_entropy_gradient(self._log_p, target, gradInput, self.label_smoothing, self.device)
        return gradInput

    def __repr__(self) -> str:
        return "nn.CrossEntropyCriterion" + (
            f"(label_smoothing={self.label_smoothing:g})" if self.label_smoothing else ""
        )
