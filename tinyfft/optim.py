"""Stochastic gradient descent on the flat arrays of getParameters(), and schedules of the learning rate.

    g = gradients + weight_decay weights
    velocity = momentum velocity + g                       (zero before the first step)
    d = g + momentum velocity with nesterov, velocity with momentum, else g
    weights = weights - learning_rate d

Shapes  weights, gradients (n,); a step overwrites weights and reads gradients.
Dtypes  float32, float64. Raises ValueError if the arrays differ in shape or dtype or a number is out of range,
        TypeError if they are not arrays of the device.
Source  torch.optim.SGD, the algorithm box of its documentation (dampening 0); compared in the tests. ops/sgd.py has
        the arithmetic
"""

import math
from dataclasses import dataclass

from tinyfft import backend
from tinyfft.backend import Array
from tinyfft.ops import sgd


class SGD:
    capturable = True

    def __init__(
        self,
        weights: Array,
        gradients: Array,
        learning_rate: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        """weights        flat array of parameters, the first one of getParameters()
        gradients      their gradients, the second one
        learning_rate  size of a step, 0 or more
        momentum       share of the velocity that stays in a step, 0 or more; 0: no velocity is kept
        nesterov       whether a step looks ahead by one velocity update; needs momentum
        weight_decay   factor of the weights that is added to the gradients, 0 or more
        """
        self.device = backend.current_device()
        self.xp = self.device.xp
        _check_arrays(self, weights, gradients)
        for name, value in (("momentum", momentum), ("weight_decay", weight_decay)):
            if not 0 <= value < math.inf:
                raise ValueError(f"SGD: {name} is {value}, expected 0 or more")
        if nesterov and not momentum > 0:
            raise ValueError(f"SGD: nesterov is on and momentum is {momentum}, expected more than 0")
        self.weights, self.gradients = weights, gradients
        self._rate = self.device.empty((1,), "float64")  # a captured CUDA graph reads the learning rate here
        self.learning_rate = learning_rate
        self.momentum, self.weight_decay = float(momentum), float(weight_decay)
        self.nesterov = bool(nesterov)
        self.velocity: Array | None = None
        if momentum:
            self.velocity = self.device.empty(weights.shape, weights.dtype)
            self.velocity.fill(0)

    @property
    def learning_rate(self) -> float:
        """The size of a step; set it between steps."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if not 0 <= value < math.inf:
            raise ValueError(f"SGD: learning_rate is {value}, expected 0 or more")
        self._learning_rate = float(value)
        self._rate.fill(self._learning_rate)

    def step(self, loss: Array | None = None) -> None:
        """Update the weights, unless `loss` is given and not finite. Does not wait for the device.

        loss  the loss of these gradients, float64 (1,) on the device
        """
        arrays = (self.weights, self.gradients, self.velocity, self._rate)
        sgd.step(*arrays, self.momentum, self.nesterov, self.weight_decay, loss, self.device)
        backend.count_weight_update()

    def state(self) -> dict[str, Array]:
        """Return the arrays that a checkpoint must hold, not copies: write into them to restore."""
        return {} if self.velocity is None else {"velocity": self.velocity}

    def __repr__(self) -> str:
        return (
            f"SGD(learning_rate={self.learning_rate:g}, momentum={self.momentum:g}, nesterov={self.nesterov}, "
            f"weight_decay={self.weight_decay:g})"
        )


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step of training. Raises ValueError when an argument is out of range.

    kind         "constant"   peak at every step
                 "one_cycle"  a linear warm-up to the peak, then a decay
                 "step"       peak factor^m, m the number of milestones reached
    peak         the largest learning rate, more than 0
    total_steps  steps of the whole training; they count from 0
    warmup       of one_cycle: fraction of the steps up to the peak, below 1; 0: the first step has the peak
    decay        of one_cycle: with t from 0 at the peak to 1 just after the last step,
                 "linear" peak (1 - t) or "cosine" peak (1 + cos(pi t)) / 2
    milestones   of step: fractions of the steps, between 0 and 1
    factor       of step: factor of the learning rate at each milestone, more than 0, at most 1
    """

    kind: str
    peak: float
    total_steps: int
    warmup: float = 0.25
    decay: str = "linear"
    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        checks = (
            ("kind", self.kind in ("constant", "one_cycle", "step"), "'constant', 'one_cycle' or 'step'"),
            ("peak", 0 < self.peak < math.inf, "more than 0"),
            ("total_steps", self.total_steps >= 1, "at least 1"),
            ("warmup", 0 <= self.warmup < 1, "0 <= warmup < 1"),
            ("decay", self.decay in ("linear", "cosine"), "'linear' or 'cosine'"),
            ("milestones", all(0 < m < 1 for m in self.milestones), "fractions between 0 and 1"),
            ("factor", 0 < self.factor <= 1, "0 < factor <= 1"),
        )
        for name, valid, expected in checks:
            if not valid:
                raise ValueError(f"Schedule: {name} is {getattr(self, name)!r}, expected {expected}")

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step `step`, 0 to total_steps - 1."""
        if not 0 <= step < self.total_steps:
            raise ValueError(f"Schedule: step is {step}, expected 0 to {self.total_steps - 1}")
        if self.kind == "one_cycle":
            return self._one_cycle(step)
        if self.kind == "step":
            return self.peak * self.factor ** sum(step >= m * self.total_steps for m in self.milestones)
        return self.peak

    def _one_cycle(self, step: int) -> float:
        top = max(1, round(self.warmup * self.total_steps)) - 1
        if step <= top:
            return self.peak * (step + 1) / (top + 1)
        t = (step - top) / (self.total_steps - top)
        return self.peak * (1 - t if self.decay == "linear" else (1 + math.cos(math.pi * t)) / 2)


def _check_arrays(sgd: SGD, weights: Array, gradients: Array) -> None:
    for name, array in (("weights", weights), ("gradients", gradients)):
        if not isinstance(array, sgd.xp.ndarray):
            raise TypeError(f"SGD: {name} is {type(array)}, expected {sgd.xp.ndarray}, as the device is {sgd.device}")
    if weights.ndim != 1 or weights.dtype.name not in ("float32", "float64"):
        raise ValueError(
            f"SGD: weights has shape {weights.shape} and dtype {weights.dtype}, expected (n,) of float32 or float64"
        )
    if gradients.shape != weights.shape or gradients.dtype != weights.dtype:
        raise ValueError(
            f"SGD: gradients has shape {gradients.shape} and dtype {gradients.dtype}, "
            f"expected {weights.shape} and {weights.dtype}, as the weights"
        )
