"""Batch normalisation on maps, forwards and backwards, as nn/normalization.py defines it.

statistics      writes mean and inverse_std (C,), and moves running_mean and running_var (C,)
normalize       writes output (S, C, pixels), with `relu` max(output, 0)
gradient_sums   writes total = sum dy and projection = sum dy x_hat (C,); with `rectified`, ReLU's output, those of
                masked = dy where rectified > 0, else 0: ReLU's gradInput on the way; `masked` may be dy
pass_back       writes gradInput (S, C, pixels)
Buffer   called with a name, a shape and a dtype, it gives scratch memory and keeps it
On the CPU they go over some samples at a time, in NumPy. On a GPU each is a kernel (normalization_kernels.py), the sums
two: each block takes a part of a map's values, then a thread for each map adds the parts up. Arrays are in C order.
"""

import numpy as np

from tinyfft.backend import Array, Buffer, Device
from tinyfft.spatial import normalization_kernels as kernels


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
    """mean and 1/sqrt(var + eps) of each map; running = (1 - momentum) running + momentum new, var being unbiased."""
    S, C, pixels = x.shape
    n = S * pixels
    if device.kind == "cuda":
        sums = _sums(x, buffer)
        kernels.over_maps("moments", x, device, x, sums)
        arrays = (x, sums, mean, inverse_std, running_mean, running_var)
        sizes = np.array([S, C, pixels, kernels.parts(x)], np.int32)
        kernels.for_each_map("statistics", x, device, *arrays, *sizes, np.float64(momentum), np.float64(eps))
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
    """output = weight inverse_std (x - mean) + bias; with `relu` max(that, 0)."""
    if device.kind == "cuda":
        kernels.over_maps("normalize", x, device, x, mean, inverse_std, weight, bias, output, np.int32(relu))
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
    dy: Array,
    mean: Array,
    inverse_std: Array,
    total: Array,
    projection: Array,
    device: Device,
    buffer: Buffer,
    rectified: Array | None = None,
    masked: Array | None = None,
) -> None:
    """total = sum dy and projection = sum dy x_hat of each map; with `rectified` those of masked, which is written."""
    if device.kind == "cuda":
        sums = _sums(x, buffer)
        kernels.over_maps("gradient_sums", x, device, x, dy, mean, rectified, masked, sums)
        sizes = np.array([x.shape[1], kernels.parts(x)], np.int32)
        kernels.for_each_map("totals", x, device, sums, inverse_std, total, projection, *sizes)
        return
    totals, projections = _for_each_map(x, 2, buffer)
    of_relu = () if rectified is None else (rectified, masked)

    def work(x: Array, dy: Array, totals: Array, projections: Array, *of_relu: Array) -> None:
        if of_relu:
            rectified, masked = of_relu
            dy = np.multiply(dy, np.greater(rectified, 0), out=masked)  # as nn/activation.py does, and why
        d = device.empty(x.shape, x.dtype)
        np.subtract(x, mean[:, None], out=d)
        d *= dy
        _sum_pixels(dy, totals)
        _sum_pixels(d, projections)

    device.blockwise(work, x, dy, totals, projections, *of_relu)
    np.sum(totals[..., 0], axis=0, out=total)
    np.sum(projections[..., 0], axis=0, out=projection)
    projection *= inverse_std


def pass_back(
    x: Array,
    dy: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array | None,
    sums: tuple[Array, Array] | None,
    gradInput: Array,
    device: Device,
) -> None:
    """gradInput = weight inverse_std (dy - total / n - x_hat projection / n), the sums being (total, projection);
    without them, as in evaluation, weight inverse_std dy."""
    if device.kind == "cuda":
        kernels.over_maps("pass_back", x, device, x, dy, mean, inverse_std, weight, *(sums or (None, None)), gradInput)
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


def _sums(x: Array, buffer: Buffer) -> Array:
    """Scratch memory of a GPU: two numbers for each part of each map."""
    return buffer("_parts", (x.shape[1], kernels.parts(x), 2), "float64")


def _scale(inverse_std: Array, weight: Array | None) -> Array:
    """What x - mean is multiplied with, (C, 1)."""
    return (inverse_std if weight is None else inverse_std * weight)[:, None]


def _moments(x: Array, mean: Array, device: Device, buffer: Buffer) -> Array:
    """The mean of each map is written, its variance returned.

    In one pass over x, of each map of each sample, the mean m and the sums of d = x - m and of d^2. Then with
    shift = m - mean, D = x - mean is d + shift, which gives the sums of D and D^2, and var = E(D^2) - E(D)^2. That
    is so whatever m and mean are: what rounding left over of them is made good, and float32 keeps the variance of
    maps whose mean is far from zero, where E(x^2) - E(x)^2 has no correct digit.
    """
    n, pixels = x.size // x.shape[1], x.shape[2]
    means, sums, squares = _for_each_map(x, 3, buffer)

    def measure(x: Array, means: Array, sums: Array, squares: Array) -> None:
        d = device.empty(x.shape, x.dtype)
        _sum_pixels(x, means)
        means /= pixels
        np.subtract(x, means, out=d)
        _sum_pixels(d, sums)
        d *= d
        _sum_pixels(d, squares)

    device.blockwise(measure, x, means, sums, squares)
    means, sums, squares = (each[..., 0] for each in (means, sums, squares))
    np.mean(means, axis=0, out=mean)
    shift = means - mean
    shifted = sums + pixels * shift
    rest = shifted.sum(axis=0) / n
    variance = (squares + shift * (sums + shifted)).sum(axis=0) / n - rest * rest
    mean += rest
    return variance


def _for_each_map(x: Array, count: int, buffer: Buffer) -> list[Array]:
    """`count` arrays (S, C, 1) of scratch memory: a number for each map of each sample."""
    return [buffer(f"_number_{i}", (*x.shape[:2], 1), x.dtype) for i in range(count)]


def _sum_pixels(maps: Array, sums: Array) -> None:
    """sums (S, C, 1) of maps (S, C, pixels): a product with ones, three to seven times as fast as NumPy's sum.

    One product for each sample, since a BLAS sums a row in an order that depends on how many rows there are.
    """
    np.matmul(maps, np.ones((maps.shape[2], 1), maps.dtype), out=sums)
