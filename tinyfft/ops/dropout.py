"""Dropout with a counter-based generator: the key determines the mask, which is the same on every device.

forward   y[i] = x[i] m[i],    m[i] = 1/(1 - p) where word i of philox(key) is below (1 - p) 2^32, else 0
backward  dx[i] = dy[i] m[i],  with the same key
Words     the halves, lower half first, of the numbers that NumPy's Philox(key=key) generates (Philox4x64-10)
Shapes    x, y, dy and dx have the same shape; key (2,)
Dtypes    float32, float64; key uint64, on the device
Buffer    buffer(name, shape, dtype) returns scratch memory, which it keeps
The CPU keeps the mask from forward to backward; on a GPU dropout.cu generates it in both.
Source    Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011, section 3.3
"""

from math import ceil

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS = 256


def forward(x: Array, y: Array, key: Array, p: float, device: Device, buffer: Buffer) -> None:
    """Write y."""
    if device.kind == "cuda":
        _launch(x, y, key, p, device)
        return
    words = np.random.Philox(key=key).random_raw(ceil(x.size / 2)).view(np.uint32)[: x.size]
    mask = buffer("_mask", x.shape, x.dtype)
    np.less(words.reshape(x.shape), _threshold(p), out=mask)
    mask *= 1 / (1 - p)
    np.multiply(x, mask, out=y)


def backward(dy: Array, dx: Array, key: Array, p: float, device: Device, buffer: Buffer) -> None:
    """Write dx. The last `forward` with this buffer must have had the same key."""
    if device.kind == "cuda":
        _launch(dy, dx, key, p, device)
    else:
        np.multiply(dy, buffer("_mask", dy.shape, dy.dtype), out=dx)


def source(itemsize: int) -> Source:
    """Return the kernel for float32 or float64."""
    return make_source("dropout", {"real": REAL[itemsize]}, THREADS=THREADS)


def _launch(numbers: Array, out: Array, key: Array, p: float, device: Device) -> None:
    sizes = (np.uint64(_threshold(p)), out.dtype.type(1 / (1 - p)), np.int64(out.size))
    blocks = (max(1, ceil(out.size / (8 * THREADS))), 1)
    arguments = (device.xp.ascontiguousarray(numbers), out, key, *sizes)
    launch.run(source(out.itemsize), "dropout", blocks, THREADS, arguments, device)


def _threshold(p: float) -> int:
    return round((1 - p) * 2**32)
