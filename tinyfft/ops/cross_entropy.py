"""The cross-entropy loss and its gradient, as nn/criterion.py defines them, and the number of correct outputs.

cross_entropy           writes log_p = log softmax(x), and the mean loss
cross_entropy_gradient  writes gradInput = (exp(log_p) - q) / S
count_correct           adds the number of samples whose first maximum is their target
Shapes   x, log_p, gradInput (S, K); target (S,); loss, correct (1,)
Dtypes   x, log_p, gradInput float32 or float64; target any integers; loss, correct float64
Buffer   buffer(name, shape, dtype) returns scratch memory, which it keeps
On a GPU each function launches kernels of cross_entropy.cu, without waiting for the device.
"""

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS = 128


def cross_entropy(
    x: Array, target: Array, log_p: Array, loss: Array, label_smoothing: float, device: Device, buffer: Buffer
) -> None:
    """Write log_p and loss; the loss is NaN if a target is not a class."""
    S, K = x.shape
    if device.kind == "cuda":
        losses = buffer("_losses", (S,), "float64")
        sizes = (np.int32(K), np.float64(label_smoothing))
        _launch("cross_entropy", S, (x, target, log_p, losses, *sizes), device)
        kernel = source(x.dtype, target.dtype)
        launch.run(kernel, "mean", (1, 1), THREADS, (losses, loss, np.int32(S)), device, 8 * THREADS)
        return
    np.subtract(x, x.max(axis=1, keepdims=True), out=log_p)
    exponentials = buffer("_exponentials", x.shape, x.dtype)
    np.exp(log_p, out=exponentials)
    log_p -= np.log(exponentials.sum(axis=1, keepdims=True))
    exists = (target >= 0) & (target < K)
    picked = log_p[np.arange(S), np.where(exists, target, 0).astype(np.int64)]
    loss[0] = -np.where(exists, picked, np.nan).sum(dtype="float64") / S
    if label_smoothing:
        loss[0] = (1 - label_smoothing) * loss[0] - label_smoothing * log_p.mean(dtype="float64")


def cross_entropy_gradient(
    log_p: Array, target: Array, gradInput: Array, label_smoothing: float, device: Device
) -> None:
    """Write gradInput from the log_p of `cross_entropy`; in q, a target that is not a class has no term."""
    S, K = log_p.shape
    if device.kind == "cuda":
        sizes = (np.int32(K), np.float64(label_smoothing))
        _launch("cross_entropy_gradient", S, (log_p, target, gradInput, *sizes), device)
        return
    np.exp(log_p, out=gradInput)
    gradInput -= label_smoothing / K
    known = np.flatnonzero((target >= 0) & (target < K))
    gradInput[known, target[known]] -= 1 - label_smoothing
    gradInput /= S


def count_correct(x: Array, target: Array, correct: Array, device: Device) -> None:
    """Add the number of correct outputs to `correct`."""
    if device.kind == "cuda":
        _launch("count_correct", len(x), (x, target, correct, np.int32(x.shape[1])), device)
    else:
        correct += np.count_nonzero(x.argmax(axis=1) == target)


def source(real: np.dtype, label: np.dtype) -> Source:
    """Return the kernels for numbers of dtype `real` and targets of dtype `label`."""
    integer = {1: "char", 2: "short", 4: "int", 8: "long long"}[label.itemsize]
    types = {"real": REAL[real.itemsize], "label": f"{'un' * (label.kind == 'u')}signed {integer}"}
    return make_source("cross_entropy", types, THREADS=THREADS)


def _launch(name: str, samples: int, arguments: tuple, device: Device) -> None:
    """Launch a kernel with a block for each sample; its first two arguments are x or log_p, and target."""
    x, target = (device.xp.ascontiguousarray(array) for array in arguments[:2])
    shared_bytes = 0 if name == "cross_entropy_gradient" else 8 * THREADS
    arguments = (x, target, *arguments[2:])
    launch.run(source(x.dtype, target.dtype), name, (samples, 1), THREADS, arguments, device, shared_bytes)
