"""Data augmentation: uint8 images become a normalised, mirrored, shifted input with a square cut out, on CPU and GPU.

    input[s, c, y, x] = images[s, c, y + dy, x'] factor[c] + offset[c],   x' = x + dx, or W - 1 - (x + dx) if mirrored

The input is zero where y + dy or x + dx is outside the image. It is zero in the cutout, too: the square of `cutout`
pixels a side around (cy, cx), rows and columns from cy - cutout // 2 and cx - cutout // 2 on.
Each image has its own random choices (dy, dx, mirrored, cy, cx).

Shapes  images (S, C, H, W), choices (S, 5), factor and offset (C,), input (S, C, H, W)
Dtypes  images uint8, choices of integers, input like factor and offset: float32 or float64
CPU and GPU round after the multiplication and after the addition: their results have the same bits.
"""

from math import ceil

import numpy as np

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS = 256
MAX_GRID_Y = 65535

_CPU = Device("cpu")


def draw_choices(rng: np.random.Generator, n: int, size: tuple[int, int], crop: int, flip: bool) -> np.ndarray:
    """Draw the random choices (dy, dx, mirrored, cy, cx) of n images: (n, 5) int64.

    size  (H, W) of the images
    crop  largest shift along rows and along columns, in pixels
    flip  whether an image is mirrored with probability 1/2, or never
    """
    shifts = rng.integers(0, 2 * crop + 1, size=(n, 2)) - crop
    mirrored = np.logical_and(rng.random(n) < 0.5, flip)
    centres = rng.integers(0, size, size=(n, 2))
    return np.column_stack((shifts, mirrored, centres))


def augment(images: np.ndarray, choices: np.ndarray, factor: np.ndarray, offset: np.ndarray, cutout: int) -> np.ndarray:
    """Return the input made from `images` on the CPU. Mirrors `images` in place."""
    mirrored = choices[:, 2].astype(bool)
    images[mirrored] = images[mirrored, :, :, ::-1]
    input = _CPU.empty(images.shape, factor.dtype)
    np.multiply(images, factor[:, None, None], out=input, dtype=factor.dtype)
    np.add(input, offset[:, None, None], out=input)
    if choices[:, :2].any():
        input = _shift(input, choices[:, :2])
    if cutout:
        _cut_out(input, choices[:, 3:], cutout)
    return input


def _shift(input: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    S, C, H, W = input.shape
    crop = np.abs(shifts).max()
    padded = np.zeros((S, C, H + 2 * crop, W + 2 * crop), input.dtype)
    # To normalise row by row into the padded array takes twice as long as this second copy.
    padded[:, :, crop : crop + H, crop : crop + W] = input
    windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(2, 3))
    return windows[np.arange(S), :, crop + shifts[:, 0], crop + shifts[:, 1]]


def _cut_out(input: np.ndarray, centres: np.ndarray, cutout: int) -> None:
    for image, (top, left) in zip(input, centres - cutout // 2, strict=True):
        image[:, max(top, 0) : top + cutout, max(left, 0) : left + cutout] = 0


def minibatch(
    images: Array, labels: Array, choices: Array, factor: Array, offset: Array, cutout: int, device: Device
) -> tuple[Array, Array]:
    """Return a new (input, target), made from images and labels on a GPU by the kernel minibatch.cu.

    images   (n, C, H, W) uint8. All arrays are on the GPU and in C order, which is not checked
    labels   (n,) int64
    choices  (S, 6) int32: for each sample of the minibatch, the index of its image and the five random choices
    """
    S, (C, H, W) = len(choices), images.shape[1:]
    input, target = device.empty((S, C, H, W), factor.dtype), device.empty((S,), np.int64)
    blocks = S, min(ceil(C * H * W / THREADS), MAX_GRID_Y)
    arguments = images, labels, choices, factor, offset, input, target, *np.array([C, H, W, cutout], np.int32)
    launch.run(source(factor.itemsize), "minibatch", blocks, THREADS, arguments, device)
    return input, target


def source(itemsize: int) -> Source:
    """Return the kernel's source for an input of float32 (itemsize 4) or float64 (8)."""
    return make_source("minibatch", {"real": REAL[itemsize]}, THREADS=THREADS)
