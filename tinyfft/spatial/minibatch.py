"""minibatch.cu on a GPU: which pictures may lie there, and minibatches made of those that do.

    input[s, c, y, x] = images[picture, c, y + dy, x'] factor[c] + offset[c],  x' = x + dx, mirrored W - 1 - (x + dx)
    target[s] = labels[picture],  (picture, dy, dx, mirrored, cy, cx) = choices[s]

Zero where y + dy or x + dx is outside, and in the square of `cutout` pixels a side around (cy, cx), rows and columns
from cy - cutout // 2 and cx - cutout // 2 on.

Shapes  images (n, C, H, W), labels (n,), choices (S, 6), factor and offset (C,), input (S, C, H, W), target (S,)
Dtypes  images uint8, labels and target int64, choices int32, input that of factor and offset: float32 or float64
Rounded after the multiplication and after the addition, as NumPy does it: a CPU's minibatches have the same bits.
"""

from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS = 256
PARTS = 65535  # blocks that a grid may have along y
RESIDENT_BYTES = 2 << 30  # the number of a picture, and of a value in it, is then an int


def may_stay(nbytes: int, device: Device) -> bool:
    """Whether pictures of so many bytes are to lie on the device: a GPU that has four times as much left."""
    return device.kind == "cuda" and nbytes <= min(RESIDENT_BYTES, device.free_bytes // 4)


def source(itemsize: int) -> Source:
    """For float32 or float64."""
    return gpu.source("minibatch", {"real": gpu.REAL[itemsize]}, THREADS=THREADS)


def minibatch(
    images: Array, labels: Array, choices: Array, factor: Array, offset: Array, cutout: int, device: Device
) -> tuple[Array, Array]:
    """(input, target), new arrays. All arrays are the device's, in C order; nothing is checked."""
    S, (C, H, W) = len(choices), images.shape[1:]
    input, target = device.empty((S, C, H, W), factor.dtype), device.empty((S,), np.int64)
    blocks = S, min(ceil(C * H * W / THREADS), PARTS)
    arguments = images, labels, choices, factor, offset, input, target, *np.array([C, H, W, cutout], np.int32)
    gpu.launch(source(factor.itemsize), "minibatch", blocks, THREADS, arguments, device)
    return input, target
