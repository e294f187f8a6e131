"""One step of stochastic gradient descent on flat arrays, as optim.py defines it.

Shapes  weights, gradients, velocity (n,); rate, loss (1,). velocity is None without momentum, loss may be None
Dtypes  float32, float64; rate and loss float64, on the device
The CPU updates a block of numbers at a time, a GPU runs sgd.cu.
"""

from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS, PER_THREAD = 256, 4


def step(
    weights: Array,
    gradients: Array,
    velocity: Array | None,
    rate: Array,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    loss: Array | None,
    device: Device,
) -> None:
    """Update weights and velocity, which optim.SGD has checked; do nothing if the loss is not finite."""
    if device.kind == "cuda":
        kind = weights.dtype.type
        numbers = (kind(momentum), kind(weight_decay), np.int64(weights.size))
        arguments = (weights, gradients, velocity, rate, loss, *numbers)
        blocks = (max(1, ceil(weights.size / (THREADS * PER_THREAD))), 1)
        launch.run(source(weights.itemsize, nesterov), "sgd", blocks, THREADS, arguments, device)
        return
    if loss is not None and not np.isfinite(loss[0]):
        return
    arrays = [array for array in (weights, gradients, velocity) if array is not None]
    learning_rate = float(rate[0])

    def update(weights: Array, g: Array, velocity: Array | None = None) -> None:
        change = device.empty(g.shape, g.dtype)
        if weight_decay:
            np.multiply(weights, weight_decay, out=change)
            change += g
            g = change
        if velocity is not None:
            velocity *= momentum
            velocity += g
        if velocity is None or nesterov:
            weights -= np.multiply(g, learning_rate, out=change)
        if velocity is not None:
            # Nesterov's step has two terms: to subtract them one by one needs no third array.
            weights -= np.multiply(velocity, learning_rate * (momentum if nesterov else 1.0), out=change)

    device.blockwise(update, *arrays)


def source(itemsize: int, nesterov: bool) -> Source:
    """Return the kernel for float32 or float64."""
    return make_source("sgd", {"real": REAL[itemsize]}, THREADS=THREADS, PER_THREAD=PER_THREAD, NESTEROV=nesterov)
