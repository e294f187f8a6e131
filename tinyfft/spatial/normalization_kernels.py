"""Launch the kernels of normalization.cu on arrays (S, C, pixels), whose maps are cut into parts."""

from math import ceil
from typing import Any

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS = 256
UNROLL = 4  # values that a thread loads before it uses any
TARGET_BLOCKS = 1024  # more than four for each of an H200's 132 multiprocessors, which can hold eight


def source(itemsize: int) -> Source:
    """Return the kernels for float32 or float64."""
    return make_source("normalization", {"real": REAL[itemsize]}, THREADS=THREADS, UNROLL=UNROLL)


def parts(x: Array) -> int:
    """Return the number of parts of each map, enough for TARGET_BLOCKS blocks if there are so many values."""
    S, _, pixels = x.shape
    return max(1, ceil(S * pixels / _part_size(x)))


def over_maps(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel with a block for each part of each map. Its arguments are `arguments` and the sizes of x."""
    S, C, pixels = x.shape
    shared_bytes = 8 * THREADS if name in ("moments", "gradient_sums") else 0
    sizes = np.array([S, pixels, _part_size(x)], np.int32)
    launch.run(source(x.itemsize), name, (C, parts(x)), THREADS, (*arguments, *sizes), device, shared_bytes)


def for_each_map(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel with a thread for each map."""
    launch.run(source(x.itemsize), name, (ceil(x.shape[1] / THREADS), 1), THREADS, arguments, device)


def _part_size(x: Array) -> int:
    """Return the number of values of a part: all but the last one consist of whole rounds of a block."""
    S, C, pixels = x.shape
    round_size = THREADS * UNROLL
    return max(1, ceil(S * pixels / ceil(TARGET_BLOCKS / C) / round_size)) * round_size
