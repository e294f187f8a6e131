"""normalization.cu on a GPU: how its kernels divide an array (S, C, pixels), and their launches."""

from math import ceil
from typing import Any

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS = 256
BLOCKS = 1024  # several for each multiprocessor of the largest GPU


def source(itemsize: int) -> Source:
    """For float32 or float64."""
    return gpu.source("normalization", {"real": gpu.REAL[itemsize]}, THREADS=THREADS)


def parts(x: Array) -> int:
    """In how many parts the samples of each map are taken, so that there are enough blocks."""
    S, C, _ = x.shape
    return max(1, min(S, ceil(BLOCKS / C)))


def over_maps(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel that takes each part of each map's samples: its arguments are these, then the sizes of x."""
    S, C, pixels = x.shape
    across = min(THREADS, 1 << (pixels - 1).bit_length()) if pixels else 1
    shared_bytes = 8 * THREADS if name in ("moments", "gradient_sums") else 0
    sizes = np.array([S, pixels, across], np.int32)
    gpu.launch(source(x.itemsize), name, (C, parts(x)), THREADS, (*arguments, *sizes), device, shared_bytes)


def for_each_map(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel that has a thread for each map."""
    gpu.launch(source(x.itemsize), name, (ceil(x.shape[1] / THREADS), 1), THREADS, arguments, device)
