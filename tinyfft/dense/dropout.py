"""Masks of dropout from a counter-based generator: a key says all of a mask, on every device the same.

masked   out[i] = source[i] m[i],  m[i] = 1/(1 - p) where word i of philox(key) is below (1 - p) 2^32, else 0
philox   the words: 4 b to 4 b + 3 are Philox4x32-10 of the counter (b, 0, 0, 0)
Shapes   source, out alike, of at most 2^34 numbers; key (2,) of uint32, on the device
Dtypes   float32, float64
On a GPU one kernel, kernels/dropout.cu, makes the numbers on its way; no mask is kept.
Source   Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011, section 3.3
"""

from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS = 256
ROUNDS = 10


def masked(source: Array, out: Array, key: Array, p: float, device: Device) -> None:
    threshold, scale = round((1 - p) * 2**32), out.dtype.type(1 / (1 - p))
    if device.kind == "cuda":
        arguments = (device.xp.ascontiguousarray(source), out, key, np.uint64(threshold), scale, np.int64(out.size))
        blocks = (max(1, ceil(out.size / (4 * THREADS))), 1)
        gpu.launch(kernel_source(out.itemsize), "dropout", blocks, THREADS, arguments, device)
        return
    mask = np.less(philox(key, out.size), threshold).reshape(out.shape)
    np.multiply(source, np.where(mask, scale, out.dtype.type(0)), out=out)


def philox(key: np.ndarray, n: int) -> np.ndarray:
    """The first n words, uint32 in an array of uint64, for a key on the host."""
    low = np.uint64(0xFFFFFFFF)
    x0 = np.arange(ceil(n / 4), dtype=np.uint64)
    x1 = x2 = x3 = np.zeros_like(x0)
    k0, k1 = (int(number) for number in key)
    for _ in range(ROUNDS):
        a, b = x0 * np.uint64(0xD2511F53), x2 * np.uint64(0xCD9E8D57)
        x0, x1 = (b >> np.uint64(32)) ^ x1 ^ np.uint64(k0), b & low
        x2, x3 = (a >> np.uint64(32)) ^ x3 ^ np.uint64(k1), a & low
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack([x0, x1, x2, x3], axis=1).reshape(-1)[:n]


def kernel_source(itemsize: int) -> Source:
    """For float32 or float64."""
    real = "float" if itemsize == 4 else "double"
    return Source("dropout", f"typedef {real} real;\nconstexpr int THREADS = {THREADS};")
