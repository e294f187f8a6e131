"""normalization.cu on a GPU: how its kernels divide an array (S, C, pixels), and their launches."""

from math import ceil
from typing import Any

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.gpu import Source

THREADS = 256
TOGETHER = 4  # values that a thread asks memory for before it uses any
BLOCKS = 1024  # more than four for each of an H200's 132 multiprocessors, which can hold eight


def source(itemsize: int) -> Source:
    """For float32 or float64."""
    return gpu.source("normalization", {"real": gpu.REAL[itemsize]}, THREADS=THREADS, TOGETHER=TOGETHER)


def parts(x: Array) -> int:
    """In how many parts the values of each map are taken, so that there are enough blocks."""
    S, _, pixels = x.shape
    return max(1, ceil(S * pixels / _each(x)))


def over_maps(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel that takes each part of each map's values: its arguments are these, then the sizes of x."""
    S, C, pixels = x.shape
    shared_bytes = 8 * THREADS if name in ("moments", "gradient_sums") else 0
    sizes = np.array([S, pixels, _each(x)], np.int32)
    gpu.launch(source(x.itemsize), name, (C, parts(x)), THREADS, (*arguments, *sizes), device, shared_bytes)


def for_each_map(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel that has a thread for each map."""
    gpu.launch(source(x.itemsize), name, (ceil(x.shape[1] / THREADS), 1), THREADS, arguments, device)


def _each(x: Array) -> int:
    """The values of a part: all threads of a block take TOGETHER of them as often as it needs."""
    S, C, pixels = x.shape
    at_once = THREADS * TOGETHER
    return max(1, ceil(S * pixels / ceil(BLOCKS / C) / at_once)) * at_once
