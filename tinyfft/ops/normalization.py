"""Batch normalization of maps and its gradient, as nn/normalization.py defines them.

statistics      writes mean and inverse_std (C,), and updates running_mean and running_var (C,)
normalize       writes output (S, C, pixels)
gradient_sums   writes total = sum dy and projection = sum dy x_hat (C,)
input_gradient  writes gradInput (S, C, pixels)
Arrays   in C order. dy is gradOutput, or with a fused ReLU `masked`, the gradient of ReLU's input
Buffer   buffer(name, shape, dtype) returns scratch memory, which it keeps
The CPU works on a block of samples at a time. A GPU runs kernels of normalization.cu: one block for each part of a map,
and to add up the sums of a map's parts one thread for each map.
"""

from math import ceil
from typing import Any

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source

THREADS = 256
UNROLL = 4  # values that a thread loads before it uses any
TARGET_BLOCKS = 1024  # more than four for each of an H200's 132 multiprocessors, which can hold eight


def statistics(
    x: Array,
    mean: Array,
    inverse_std: Array,
    running_mean: Array,
    running_var: Array,
    momentum: float,
    eps: float,
    device: Device,
    buffer: Buffer,
) -> None:
    """Write each map's mean and inverse_std = 1 / sqrt(var + eps), and update its running statistics.

    running = (1 - momentum) running + momentum new, where the new variance is the unbiased one.
    """
    S, C, pixels = x.shape
    n = S * pixels
    if device.kind == "cuda":
        sums = _part_sums(x, buffer)
        _launch_parts("moments", x, device, x, sums)
        arrays = (x, sums, mean, inverse_std, running_mean, running_var)
        sizes = np.array([S, C, pixels, _parts(x)], np.int32)
        _launch_maps("statistics", x, device, *arrays, *sizes, np.float64(momentum), np.float64(eps))
        return
    variance = _moments(x, mean, device, buffer)
    inverse_std[...] = 1 / np.sqrt(variance + eps)
    for running, new in ((running_mean, mean), (running_var, variance * (n / (n - 1)))):
        running *= 1 - momentum
        running += momentum * new


def normalize(
    x: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array | None,
    bias: Array | None,
    output: Array,
    device: Device,
    relu: bool = False,
) -> None:
    """Write output = weight inverse_std (x - mean) + bias, or with `relu` the maximum of this and 0."""
    if device.kind == "cuda":
        _launch_parts("normalize", x, device, x, mean, inverse_std, weight, bias, output, np.int32(relu))
        return
    scale = _scale(inverse_std, weight)

    def work(x: Array, y: Array) -> None:
        np.subtract(x, mean[:, None], out=y)
        y *= scale
        if bias is not None:
            y += bias[:, None]
        if relu:
            np.maximum(y, 0, out=y)

    device.blockwise(work, x, output)


def gradient_sums(
    x: Array,
    gradOutput: Array,
    mean: Array,
    inverse_std: Array,
    total: Array,
    projection: Array,
    device: Device,
    buffer: Buffer,
    relu_output: Array | None = None,
    masked: Array | None = None,
) -> None:
    """Write each map's total = sum dy and projection = sum dy x_hat.

    With the `relu_output` of a fused ReLU, also write dy = masked = gradOutput where relu_output > 0, else 0; `masked`
    may be gradOutput.
    """
    if device.kind == "cuda":
        sums = _part_sums(x, buffer)
        _launch_parts("gradient_sums", x, device, x, gradOutput, mean, relu_output, masked, sums)
        sizes = np.array([x.shape[1], _parts(x)], np.int32)
        _launch_maps("totals", x, device, sums, inverse_std, total, projection, *sizes)
        return
    totals, projections = _sample_sums(x, 2, buffer)
    relu_arrays = () if relu_output is None else (relu_output, masked)

    def work(x: Array, dy: Array, totals: Array, projections: Array, *relu_arrays: Array) -> None:
        if relu_arrays:
            relu_output, masked = relu_arrays
            dy = np.multiply(dy, np.greater(relu_output, 0), out=masked)  # NumPy's masked copies are slower
        d = device.empty(x.shape, x.dtype)
        np.subtract(x, mean[:, None], out=d)
        d *= dy
        _sum_pixels(dy, totals)
        _sum_pixels(d, projections)

    device.blockwise(work, x, gradOutput, totals, projections, *relu_arrays)
    np.sum(totals[..., 0], axis=0, out=total)
    np.sum(projections[..., 0], axis=0, out=projection)
    projection *= inverse_std


def input_gradient(
    x: Array,
    dy: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array | None,
    sums: tuple[Array, Array] | None,
    gradInput: Array,
    device: Device,
) -> None:
    """Write gradInput = weight inverse_std (dy - total / n - x_hat projection / n), where sums = (total, projection).

    Without `sums`, in evaluation, write weight inverse_std dy.
    """
    if device.kind == "cuda":
        arrays = (x, dy, mean, inverse_std, weight, *(sums or (None, None)), gradInput)
        _launch_parts("input_gradient", x, device, *arrays)
        return
    scale = _scale(inverse_std, weight)
    if sums is None:
        device.blockwise(lambda dy, dx: np.multiply(dy, scale, out=dx), dy, gradInput)
        return
    n = x.size // x.shape[1]
    mean_dy, slope = (sums[0] / n)[:, None], (inverse_std * sums[1] / -n)[:, None]

    def work(x: Array, dy: Array, dx: Array) -> None:
        np.subtract(x, mean[:, None], out=dx)
        dx *= slope
        dx += dy
        dx -= mean_dy
        dx *= scale

    device.blockwise(work, x, dy, gradInput)


def source(itemsize: int) -> Source:
    """Return the kernels for float32 or float64."""
    return make_source("normalization", {"real": REAL[itemsize]}, THREADS=THREADS, UNROLL=UNROLL)


def _parts(x: Array) -> int:
    """Return the number of parts of each map: TARGET_BLOCKS blocks in all if there are enough values."""
    S, _, pixels = x.shape
    return max(1, ceil(S * pixels / _part_size(x)))


def _part_size(x: Array) -> int:
    """Return the number of values of a part: all parts but the last are whole rounds of a block."""
    S, C, pixels = x.shape
    round_size = THREADS * UNROLL
    return max(1, ceil(S * pixels / ceil(TARGET_BLOCKS / C) / round_size)) * round_size


def _part_sums(x: Array, buffer: Buffer) -> Array:
    """Return a GPU's scratch memory: two numbers for each part of each map."""
    return buffer("_parts", (x.shape[1], _parts(x), 2), "float64")


def _launch_parts(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel with a block for each part of each map. Its arguments are `arguments` and the sizes of x."""
    S, C, pixels = x.shape
    shared_bytes = 8 * THREADS if name in ("moments", "gradient_sums") else 0
    sizes = np.array([S, pixels, _part_size(x)], np.int32)
    launch.run(source(x.itemsize), name, (C, _parts(x)), THREADS, (*arguments, *sizes), device, shared_bytes)


def _launch_maps(name: str, x: Array, device: Device, *arguments: Any) -> None:
    """Launch a kernel with a thread for each map."""
    launch.run(source(x.itemsize), name, (ceil(x.shape[1] / THREADS), 1), THREADS, arguments, device)


def _scale(inverse_std: Array, weight: Array | None) -> Array:
    """Return weight inverse_std, (C, 1)."""
    return (inverse_std if weight is None else inverse_std * weight)[:, None]


def _moments(x: Array, mean: Array, device: Device, buffer: Buffer) -> Array:
    """Write each map's mean, and return its variance, in one pass over x.

    The pass takes, for each map of each sample, its mean m and the sums of d = x - m and of d^2. With shift = m - mean,
    D = x - mean is d + shift, which gives the sums of D and D^2, and var = E(D^2) - E(D)^2. This holds for any m and
    mean, so rounding errors of both are corrected. float32 keeps the variance of maps whose mean is far from zero,
    where E(x^2) - E(x)^2 has no correct digit.
    """
    n, pixels = x.size // x.shape[1], x.shape[2]
    means, sums, squares = _sample_sums(x, 3, buffer)

    def measure(x: Array, means: Array, sums: Array, squares: Array) -> None:
        d = device.empty(x.shape, x.dtype)
        _sum_pixels(x, means)
        means /= pixels
        np.subtract(x, means, out=d)
        _sum_pixels(d, sums)
        d *= d
        _sum_pixels(d, squares)

    device.blockwise(measure, x, means, sums, squares)
    means, sums, squares = (array[..., 0] for array in (means, sums, squares))
    np.mean(means, axis=0, out=mean)
    shift = means - mean
    shifted = sums + pixels * shift
    correction = shifted.sum(axis=0) / n
    variance = (squares + shift * (sums + shifted)).sum(axis=0) / n - correction * correction
    mean += correction
    return variance


def _sample_sums(x: Array, count: int, buffer: Buffer) -> list[Array]:
    """Return `count` scratch arrays (S, C, 1): a number for each map of each sample."""
    return [buffer(f"_sample_sums_{i}", (*x.shape[:2], 1), x.dtype) for i in range(count)]


def _sum_pixels(maps: Array, sums: Array) -> None:
    """Write sums (S, C, 1) of maps (S, C, pixels) as a product with ones: three to seven times as fast as NumPy's sum.

    One product for each sample, since a BLAS sums a row in an order that depends on the number of rows.
    """
    np.matmul(maps, np.ones((maps.shape[2], 1), maps.dtype), out=sums)
