"""spectrum.cu and signal.cu, built for the host, against numpy.fft: radices, padding, cropping, tiles and phases."""

import host_gpu
import numpy as np
import pytest
from measure import FP32_BOUND, error
from spectra import SHARED, planned, poisoned, stored

from tinyfft.fourier import textbook
from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.gpu.kernel import launches, specialise
from tinyfft.fourier.plan import Plan

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")

LENGTHS = [
    *((N, N) for N in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 18, 36, 38)),
    *((12, 5), (5, 12), (16, 21), (7, 40)),
]


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_spectrum_of_planes_with_zeros_behind_them(lengths, conjugate, rng):
    sizes = tuple(max(1, N - 2) for N in lengths)
    plan = planned(lengths, sizes, (1, 1))
    x = rng.standard_normal((2, 3, *sizes)).astype(np.float32)
    out = poisoned(plan.spectrum_shape("x"), np.complex64)
    special = specialise("spectrum", plan, "x", sizes, SHARED, conjugate=conjugate)
    for layout in launches(x.shape, plan.windows("x"), apart=False):
        host_gpu.run(special, layout, x, out, None, None)
    expected = stored(np.fft.fft2(x.astype(np.float64), s=lengths), lengths)
    expected = np.conj(expected) if conjugate else expected
    scale = np.max(np.abs(x).sum(axis=(2, 3)))
    assert error(out.real, expected.real, scale) <= FP32_BOUND
    assert error(out.imag, expected.imag, scale) <= FP32_BOUND


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_signal_is_cropped_around_the_circle(lengths, conjugate, rng):
    sizes = tuple(max(1, N - 2) for N in lengths)
    axes = (AxisPlan(Axis(n, 1, 1, 1 if N > 2 else 0, 0), N) for n, N in zip(sizes, lengths, strict=True))
    plan = Plan(2, 3, 2, *axes, kind="cuda")
    circle = rng.standard_normal((2, 3, *lengths))
    hat = stored(np.fft.fft2(circle), lengths).astype(np.complex64)
    hat = np.ascontiguousarray(np.conj(hat) if conjugate else hat)
    bias = rng.standard_normal(3).astype(np.float32)
    y = poisoned((2, 3, *sizes), np.float32)
    special = specialise("signal", plan, "x", sizes, SHARED, conjugate=conjugate)
    for layout in launches(y.shape, plan.windows("x"), apart=False):
        host_gpu.run(special, layout, hat, y, bias, 1.0)
    rows, columns = (
        (np.arange(n) + window.shift) % N for n, N, window in zip(sizes, lengths, plan.windows("x"), strict=True)
    )
    expected = circle[:, :, rows][:, :, :, columns] + bias[:, None, None]
    assert error(y, expected, np.max(np.abs(circle)) + np.max(np.abs(bias))) <= FP32_BOUND


@pytest.mark.parametrize(("kind", "bound"), [(np.float32, FP32_BOUND), (np.float64, 1e-14)])
@pytest.mark.parametrize(("tile", "stride"), [(None, 1), (None, 2), (None, 3), (3, 1), (2, 2), (1, 3)])
def test_tiles_and_phases_there_and_back(tile, stride, kind, bound, rng):
    """Windows are clipped to the plane and accumulated into it: a row comes back as often as it was read."""
    axis = Axis(11, 4, stride, 2, 1)
    taps = -(-4 // stride)
    N = 14 if tile is None else tile + taps - 1
    plan = Plan(2, 2, 2, AxisPlan(axis, N, tile), AxisPlan(axis, N, tile), np.dtype(kind).itemsize, "cuda")
    windows = plan.windows("x")
    x = rng.standard_normal((2, 2, 11, 11)).astype(kind)
    hat = poisoned(plan.spectrum_shape("x"), plan.spectrum_dtype)
    forward = specialise("spectrum", plan, "x", (11, 11), SHARED, conjugate=True)
    for layout in launches(x.shape, windows, apart=False):
        host_gpu.run(forward, layout, x, hat, None, None)
    assert np.isfinite(hat).all()
    back = np.ones_like(x)
    inverse = specialise("signal", plan, "x", (11, 11), SHARED, conjugate=True, accumulate=True)
    if tile is None:  # the crop begins at `shift`: shift the spectrum there
        shifts = tuple(window.shift for window in windows)
        hat = np.stack([_shifted(hat[q], q, plan.lengths, shifts) for q in range(plan.Q)]).astype(hat.dtype)
    for layout in launches(x.shape, windows, apart=True):
        host_gpu.run(inverse, layout, hat, back, None, -0.5)
    readings = np.zeros(11)
    for t in range(windows[0].tiles):
        for r in range(windows[0].phases):
            rows, _ = windows[0].cut(t, r)
            readings[rows] += 1
    assert error(back, 1 - 0.5 * x * np.outer(readings, readings), 10) <= bound


def test_some_maps_of_each_sample(rng):
    """Maps 1 and 2 of 5: the others are neither read nor written."""
    plan = planned((6, 5), (6, 5), (1, 1), C=2)
    every = rng.standard_normal((2, 5, 6, 5)).astype(np.float32)
    hat, back = poisoned(plan.spectrum_shape("x"), np.complex64), poisoned(every.shape, np.float32)
    options = {"conjugate": False, "aligned": False}
    (layout,) = launches((2, 2, 6, 5), plan.windows("x"), apart=False, pitch=5)
    host_gpu.run(specialise("spectrum", plan, "x", (6, 5), SHARED, **options), layout, every[:, 1:3], hat, None, None)
    host_gpu.run(specialise("signal", plan, "x", (6, 5), SHARED, **options), layout, hat, back[:, 1:3], None, 1.0)
    assert error(hat.real, stored(np.fft.fft2(every[:, 1:3].astype(np.float64)), (6, 5)).real) <= FP32_BOUND
    assert error(back[:, 1:3], every[:, 1:3]) <= FP32_BOUND
    assert np.isnan(back[:, [0, 3, 4]]).all()


def _shifted(hat, q, lengths, shifts):
    """Return the conjugated spectrum of a cyclically shifted plane, at stored frequency q."""
    Ny, Nx = lengths
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    ky, kx = chosen[q]
    return hat * np.exp(2j * np.pi * (ky * shifts[0] / Ny + kx * shifts[1] / Nx))


def test_textbook_and_kernel_store_the_same_frequencies(rng):
    plan = planned((6, 9), (6, 9), (1, 1))
    x = rng.standard_normal((2, 3, 6, 9)).astype(np.float32)
    out = poisoned(plan.spectrum_shape("x"), np.complex64)
    (layout,) = launches(x.shape, plan.windows("x"), apart=False)
    host_gpu.run(specialise("spectrum", plan, "x", (6, 9), SHARED, conjugate=False), layout, x, out, None, None)
    full = np.zeros((2, 3, 6, 9), complex)
    full[:, :, :4] = textbook.half_spectrum(x)
    assert np.max(np.abs(out - stored(full, (6, 9)))) <= 1e-4


@pytest.mark.parametrize("stem", ["spectrum", "signal"])
def test_a_missing_barrier_is_detected(stem, rng):
    plan = planned((6, 6), (6, 6), (1, 1))
    special = specialise(stem, plan, "x", (6, 6), SHARED, conjugate=False)
    planes = rng.standard_normal((2, 3, 6, 6)).astype(np.float32)
    hat = rng.standard_normal((*plan.spectrum_shape("x"), 2)).astype(np.float32).view(np.complex64)[..., 0].copy()
    (layout,) = launches(planes.shape, plan.windows("x"), apart=False)
    arguments = (planes, hat, None, None) if stem == "spectrum" else (hat, planes, None, np.float32(1))

    def without_barrier(source):
        assert source.count("__syncthreads();") == 1
        return source.replace("__syncthreads();", "")

    host_gpu.run(special, layout, *arguments)
    assert np.isfinite(hat if stem == "spectrum" else planes).all()
    host_gpu.run(special, layout, *arguments, edit=without_barrier)
    assert np.isnan(hat if stem == "spectrum" else planes).any()


def test_a_plane_too_large_for_shared_memory_is_an_error():
    plan = planned((256, 256), (256, 256), (1, 1))
    with pytest.raises(ValueError, match="planes of 256 x 256 take 299280 bytes of shared memory"):
        specialise("spectrum", plan, "x", (256, 256), SHARED, conjugate=False)
