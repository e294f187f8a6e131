"""Pooling's definition, and the sizes for tests of all its implementations."""

import numpy as np
import pytest
from hypothesis import strategies as st
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host

CASES = {  # (S, C, H, W), kernel_size, stride, padding
    "2x2": ((2, 3, 6, 8), 2, None, 0),
    "batch 1": ((1, 3, 4, 4), 2, None, 0),
    "one map": ((2, 1, 4, 4), 2, None, 0),
    "one pixel": ((2, 3, 1, 1), 1, None, 0),
    "one pixel, padding": ((2, 3, 1, 1), 3, 1, 1),
    "odd size": ((2, 3, 5, 7), 2, None, 0),
    "non-square image": ((2, 3, 4, 9), 2, 2, 0),
    "non-square kernel": ((2, 3, 6, 7), (3, 2), None, 0),
    "kernel is the input": ((2, 3, 5, 4), (5, 4), None, 0),
    "overlap": ((2, 3, 7, 7), 3, 2, 0),
    "overlap on one axis": ((2, 3, 7, 6), (3, 2), (1, 2), 0),
    "stride beyond kernel": ((2, 3, 8, 9), 2, 3, 0),
    "padding": ((2, 3, 6, 6), 2, 2, 1),
    "padding and overlap": ((2, 3, 7, 8), 3, 2, 1),
    "padding on one axis": ((2, 3, 5, 6), (3, 4), (2, 3), (0, 2)),
}
case = pytest.mark.parametrize(("shape", "kernel_size", "stride", "padding"), CASES.values(), ids=CASES.keys())


axis_sizes = st.integers(1, 4).flatmap(
    lambda k: st.tuples(st.integers(k, 9), st.just(k), st.integers(1, 5), st.integers(0, k // 2))
)


def pair(value):
    return (value, value) if isinstance(value, int) else value


def define(kind, x, kernel_size, stride, padding, dy=None):
    """Return (y, dx, dy) from loops over the windows in float64; `dy` is an array, or a function of its shape."""
    (S, C, H, W), (kH, kW), (pH, pW) = x.shape, pair(kernel_size), pair(padding)
    sH, sW = pair(kernel_size if stride is None else stride)
    oH, oW = (H + 2 * pH - kH) // sH + 1, (W + 2 * pW - kW) // sW + 1
    dy = dy((S, C, oH, oW)) if callable(dy) else dy
    y, dx = np.zeros((S, C, oH, oW)), np.zeros(x.shape)
    for s, c, i, j in np.ndindex(S, C, oH, oW):
        window = [(i * sH - pH + a, j * sW - pW + b) for a in range(kH) for b in range(kW)]
        window = [(h, w) for h, w in window if 0 <= h < H and 0 <= w < W]
        values = [float(x[s, c, h, w]) for h, w in window]
        if kind == "MaxPool":
            y[s, c, i, j] = np.max(values)  # NaN if any value is NaN; then no value equals the maximum
            if not np.isnan(y[s, c, i, j]):
                dx[(s, c, *window[values.index(max(values))])] += dy[s, c, i, j]
        else:
            y[s, c, i, j] = sum(values) / (kH * kW)
            for h, w in window:
                dx[s, c, h, w] += dy[s, c, i, j] / (kH * kW)
    return y, dx, dy


def random_input(rng, shape, values, dtype="float64"):
    """Return an input of "any" values, of few values so that most windows have "ties", or of these and some "nan"."""
    x = rng.standard_normal(shape) if values == "any" else rng.integers(-1, 2, shape).astype(np.float64)
    if values == "nan":
        x[rng.random(shape) < 0.1] = np.nan
    return x.astype(dtype)


def check(kind, device, x, rng, kernel_size, stride, padding):
    bound = FP32_BOUND if x.dtype == np.float32 else FP64_BOUND
    y, dx, dy = define(kind, x, kernel_size, stride, padding, lambda shape: rng.standard_normal(shape).astype(x.dtype))
    layer = getattr(nn, kind)(kernel_size, stride, padding)
    result, known = to_host(layer.forward(device.array(x))), ~np.isnan(y)
    assert np.array_equal(known, ~np.isnan(result))
    assert error(result[known], y[known], np.nanmax(np.abs(x))) <= (0 if kind == "MaxPool" else bound)
    assert error(layer.backward(device.array(x), device.array(dy)), dx, np.max(np.abs(dy))) <= bound
    assert layer.output.dtype == layer.gradInput.dtype == x.dtype
    return layer
