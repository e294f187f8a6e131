"""A step of stochastic gradient descent on flat arrays, as optim.py defines it.

Shapes  weights, gradients, velocity (n,); weights and velocity are written, a velocity of None is none at all
Dtypes  float32, float64; rate and, if there is one, loss float64 (1,), on the device
Where the loss is not a finite number nothing is written.
On the CPU some numbers at a time, in NumPy; on a GPU one kernel, kernels/sgd.cu, which reads the rate where it lies
"""

from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS, EACH = 256, 4


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
    """Write weights and velocity. Raises nothing: SGD has checked its arrays."""
    if device.kind == "cuda":
        kind = weights.dtype.type
        numbers = (kind(momentum), kind(weight_decay), np.int64(weights.size))
        arguments = (weights, gradients, velocity, rate, loss, *numbers)
        blocks = (max(1, ceil(weights.size / (THREADS * EACH))), 1)
        gpu.launch(source(weights.itemsize, nesterov), "sgd", blocks, THREADS, arguments, device)
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
            # Nesterov's d is a sum: its two halves are subtracted one by one, which spares a third array.
            weights -= np.multiply(velocity, learning_rate * (momentum if nesterov else 1.0), out=change)

    device.blockwise(update, *arrays)


def source(itemsize: int, nesterov: bool) -> Source:
    """For float32 or float64."""
    return gpu.source("sgd", {"real": gpu.REAL[itemsize]}, THREADS=THREADS, EACH=EACH, NESTEROV=nesterov)
