"""Launch minibatch.cu: minibatches of images that stay on a GPU.

    input[s, c, y, x] = images[image, c, y + dy, x'] factor[c] + offset[c],  x' = x + dx, with flip W - 1 - (x + dx)
    target[s] = labels[image],  (image, dy, dx, flip, cy, cx) = choices[s]

Zero where y + dy or x + dx is outside the image, and in the cutout: `cutout` rows and columns, from
(cy - cutout // 2, cx - cutout // 2) on.

Shapes  images (n, C, H, W), labels (n,), choices (S, 6), factor and offset (C,), input (S, C, H, W), target (S,)
Dtypes  images uint8; labels and target int64; choices int32; factor, offset and input float32 or float64
Rounded after the multiplication and after the addition, as in NumPy: a CPU's minibatches have the same bits.
"""

from math import ceil

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS = 256
MAX_GRID_Y = 65535
RESIDENT_BYTES = 2 << 30  # the kernel counts images, and values of an image, with an int


def may_stay(nbytes: int, device: Device) -> bool:
    """Whether images of `nbytes` bytes should stay on the device: a GPU with four times as much free memory."""
    return device.kind == "cuda" and nbytes <= min(RESIDENT_BYTES, device.free_bytes // 4)


def source(itemsize: int) -> Source:
    """Return the kernel for float32 or float64."""
    return gpu.source("minibatch", {"real": gpu.REAL[itemsize]}, THREADS=THREADS)


def minibatch(
    images: Array, labels: Array, choices: Array, factor: Array, offset: Array, cutout: int, device: Device
) -> tuple[Array, Array]:
    """Return new arrays (input, target). All arrays must be the device's, in C order; this is not checked."""
    S, (C, H, W) = len(choices), images.shape[1:]
    input, target = device.empty((S, C, H, W), factor.dtype), device.empty((S,), np.int64)
    blocks = S, min(ceil(C * H * W / THREADS), MAX_GRID_Y)
    arguments = images, labels, choices, factor, offset, input, target, *np.array([C, H, W, cutout], np.int32)
    gpu.launch(source(factor.itemsize), "minibatch", blocks, THREADS, arguments, device)
    return input, target
