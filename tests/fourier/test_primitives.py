"""spectrum, product and signal against numpy.fft and plain sums."""

import numpy as np
import pytest
from measure import FP32_BOUND, error
from spectra import in_three_planes, in_three_products

from tinyfft.arena import Arena
from tinyfft.backend import to_host
from tinyfft.fourier.axis import Axis, candidates
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.product import product
from tinyfft.fourier.signal import signal
from tinyfft.fourier.spectrum import spectrum

AXES = [
    (Axis(1, 1), Axis(1, 1)),
    (Axis(8, 3, 1, 1, 1), Axis(5, 5)),
    (Axis(7, 3, 1, 1, 1), Axis(12, 2, 1, 0, 1)),
    (Axis(14, 1), Axis(3, 2)),
    (Axis(9, 9), Axis(10, 10)),
    (Axis(32, 7, 1, 3, 3), Axis(33, 5, 1, 2, 2)),
    (Axis(2, 2, 1, 4, 4), Axis(50, 3)),
]


def layer(device, axes, S=3, C=2, F=4):
    """A plan without tiles, and an arena."""
    whole = (next(c for c in candidates(axis, kind=device.kind) if c.tile is None) for axis in axes)
    return Plan(S, C, F, *whole, kind=device.kind), Arena(device)


def independent(full, lengths):
    """(Q, ...): the stored frequencies of full spectra (..., Ny, Nx), one by one from their definition."""
    Ny, Nx = lengths
    stored = [
        full[..., ky, kx]
        for ky in range(Ny // 2 + 1)
        for kx in range(Nx)
        if not (ky in (0, Ny - ky) and kx > Nx // 2)  # the conjugate of another kx of the same row
    ]
    return np.stack(stored)


def half_spectra(planes, plan):
    """The stored frequencies (Q, A, B) of planes (A, B, Ny, Nx); on the CPU, where x is halved, kx by kx."""
    if plan.kind == "cuda":
        return independent(np.fft.fft2(planes), plan.lengths)
    return independent(np.fft.fft2(planes.swapaxes(2, 3)), plan.lengths[::-1])


def products(hat, plan, rng):
    """Those frequencies as products that `signal` takes."""
    return hat.astype(np.complex64) if plan.kind == "cuda" else in_three_products(hat, plan.lengths, rng).astype("f")


def padded(planes, plan):
    """The planes with zeros behind them, as large as the transform."""
    full = np.zeros((*planes.shape[:2], *plan.lengths))
    full[:, :, : planes.shape[2], : planes.shape[3]] = planes
    return full


def sizes(axes, name):
    """The shape of the planes of "x", "w" or "y" in a `layer`."""
    maps = {"x": (3, 2), "w": (4, 2), "y": (3, 4)}[name]
    return *maps, *({"x": axis.size, "w": axis.kernel, "y": axis.out}[name] for axis in axes)


@pytest.mark.parametrize("name", ["x", "w", "y"])
@pytest.mark.parametrize("axes", AXES)
def test_spectrum_of_padded_planes(device, axes, name, rng):
    plan, arena = layer(device, axes)
    planes = rng.standard_normal(sizes(axes, name)).astype(np.float32)
    out = device.empty(plan.spectrum_shape(name), plan.spectrum_dtype)
    with arena.frame(plan.arena_bytes):
        spectrum(device.array(planes), plan, name, out, arena)
    expected = half_spectra(padded(planes, plan), plan)
    expected = expected if name == "x" else np.conj(expected)
    expected = in_three_planes(expected, plan.lengths) if plan.kind == "cpu" else expected
    scale = np.max(np.abs(planes).sum(axis=(2, 3)))
    for part in ("real", "imag"):
        assert error(getattr(to_host(out), part), getattr(expected, part), scale) <= FP32_BOUND


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("axes", AXES)
def test_signal_is_the_cropped_inverse_around_the_circle(device, axes, name, rng):
    plan, arena = layer(device, axes)
    shape = sizes(axes, name)
    circle = rng.standard_normal((*shape[:2], *plan.lengths))
    hat = half_spectra(circle, plan)
    hat = products(np.conj(hat) if name == "x" else hat, plan, rng)
    bias = rng.standard_normal(shape[1]).astype(np.float32)
    planes = device.empty(shape, np.float32)
    with arena.frame(plan.arena_bytes):
        signal(device.array(hat), plan, name, planes, arena, bias=device.array(bias))
    shift = 1 if name == "x" else -1
    of_rows, of_columns = (
        (np.arange(n) + shift * axis.before) % N for n, axis, N in zip(shape[2:], axes, plan.lengths, strict=True)
    )
    expected = circle[:, :, of_rows][:, :, :, of_columns] + bias[:, None, None]
    assert error(planes, expected, np.max(np.abs(circle)) + np.max(np.abs(bias))) <= FP32_BOUND


def test_signal_adds_scaled_planes(device, rng):
    axes = (Axis(6, 3), Axis(5, 2))
    plan, arena = layer(device, axes)
    circle = rng.standard_normal((4, 2, *plan.lengths))
    hat = products(half_spectra(circle, plan), plan, rng)
    before = rng.standard_normal((4, 2, 3, 2)).astype(np.float32)
    planes = device.array(before.copy())
    with arena.frame(plan.arena_bytes):
        signal(device.array(hat), plan, "w", planes, arena, scale=-0.5)
    assert error(planes, before - 0.5 * circle[:, :, :3, :2]) <= FP32_BOUND


@pytest.mark.parametrize(("itemsize", "bound"), [(4, FP32_BOUND), (8, 1e-14)])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, False), (True, True)])
def test_product_of_every_frequency(device, transpose_a, transpose_b, itemsize, bound, rng):
    dtype = f"float{8 * itemsize}" if device.kind == "cpu" else f"complex{16 * itemsize}"

    def matrices(rows, columns, transposed):
        shape = (5, columns, rows) if transposed else (5, rows, columns)
        parts = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        return (parts.real if device.kind == "cpu" else parts).astype(dtype)

    a, b = matrices(3, 7, transpose_a), matrices(7, 4, transpose_b)
    out = device.empty((5, 3, 4), dtype)
    product(device.array(a), device.array(b), out, device, transpose_a=transpose_a, transpose_b=transpose_b)
    left, right = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
    expected = np.einsum("qik,qkj->qij", left.astype(np.complex128), right.astype(np.complex128))
    for part in ("real", "imag"):
        assert error(getattr(to_host(out), part), getattr(expected, part)) <= bound
