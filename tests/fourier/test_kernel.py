"""The real CUDA sources, built for the host, against numpy.fft: every radix, padded and cropped, tiles and phases."""

import atexit
import shutil
from dataclasses import replace
from types import SimpleNamespace

import host_gpu
import numpy as np
import pytest
from bfloat16 import from_bfloat16, to_bfloat16
from limits import least_bytes, limited
from measure import FP32_BOUND, error
from reference import convolution, gradients

from tinyfft import backend
from tinyfft.fourier import arena, kernel, product, textbook
from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.kernel import launches, specialise
from tinyfft.fourier.plan import Plan
from tinyfft.nn import fft_convolution

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")
atexit.register(lambda: shutil.rmtree(host_gpu._folder(), ignore_errors=True))

SHARED = 99 << 10  # bytes a block may have on a small GPU


def planned(lengths, sizes, kernel, S=2, C=3, F=2, itemsize=4, tile=None):
    axes = (AxisPlan(Axis(n, k), N, tile) for n, k, N in zip(sizes, kernel, lengths, strict=True))
    return Plan(S, C, F, *axes, itemsize)


def stored(full, lengths):
    """The stored frequencies of full spectra (A, B, Ny, Nx) as (Q, A, B)."""
    Ny, Nx = lengths
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    return np.stack([full[..., ky, kx] for ky, kx in chosen])


def poisoned(shape, dtype):
    return np.full(shape, np.nan, dtype)


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
    plan = Plan(2, 3, 2, *axes)
    circle = rng.standard_normal((2, 3, *lengths))
    hat = stored(np.fft.fft2(circle), lengths).astype(np.complex64)
    hat = np.ascontiguousarray(np.conj(hat) if conjugate else hat)
    bias = rng.standard_normal(3).astype(np.float32)
    y = poisoned((2, 3, *sizes), np.float32)
    special = specialise("signal", plan, "x", sizes, SHARED, conjugate=conjugate)
    for layout in launches(y.shape, plan.windows("x"), apart=False):
        host_gpu.run(special, layout, hat, y, bias, 1.0, None)
    rows, columns = (
        (np.arange(n) + window.shift) % N for n, N, window in zip(sizes, lengths, plan.windows("x"), strict=True)
    )
    expected = circle[:, :, rows][:, :, :, columns] + bias[:, None, None]
    assert error(y, expected, np.max(np.abs(circle)) + np.max(np.abs(bias))) <= FP32_BOUND


@pytest.mark.parametrize("lengths", [(6, 7), (18, 16), (36, 35)], ids=str)
def test_bf16_spectra_are_three_planes_of_two_bytes(lengths, rng):
    plan = replace(planned(lengths, lengths, (1, 1)), precision="bf16")
    x = rng.standard_normal((2, 3, *lengths)).astype(np.float32)
    out = np.full(plan.spectrum_shape("x"), 0xFFFF, np.uint16)
    assert out.nbytes == 6 * plan.Q * 2 * 3 == plan.spectrum_bytes("x")
    special = specialise("spectrum", plan, "x", lengths, SHARED, conjugate=True)
    for layout in launches(x.shape, plan.windows("x"), apart=False):
        host_gpu.run(special, layout, x, out, None, None)
    hat = np.conj(stored(np.fft.fft2(x.astype(np.float64)), lengths))
    scale = np.max(np.abs(x).sum(axis=(2, 3)))
    for plane, expected in zip(from_bfloat16(out), (hat.real, hat.imag, hat.real + hat.imag), strict=True):
        # eight bits, rounded to the nearest: within 2^-8 of each value, and the float32 error before it
        assert np.all(np.abs(plane - expected) <= 2.0**-8 * np.abs(expected) + FP32_BOUND * scale)


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize("lengths", [(6, 7), (18, 16), (36, 35)], ids=str)
def test_signal_makes_complex_numbers_of_three_real_products(lengths, conjugate, rng):
    """For each number a product of two: (a + i b)(c + i d) from ac, bd and (a + b)(c + d), all rounded to two bytes."""
    plan = replace(planned(lengths, lengths, (1, 1)), precision="bf16")
    a, b, c, d = (rng.standard_normal((plan.Q, 2, 3)) for _ in range(4))
    products = [to_bfloat16(part) for part in (a * c, b * d, (a + b) * (c + d))]
    re_re, im_im, sums = (from_bfloat16(part).astype(np.float64) for part in products)
    hat = re_re - im_im + 1j * (sums - re_re - im_im)
    expected = from_stored(np.conj(hat) if conjugate else hat, lengths)
    y = poisoned((2, 3, *lengths), np.float32)
    special = specialise("signal", plan, "x", lengths, SHARED, conjugate=conjugate)
    for layout in launches(y.shape, plan.windows("x"), apart=False):
        host_gpu.run(special, layout, np.stack(products), y, None, 1.0, None)
    assert error(y, expected) <= FP32_BOUND


@pytest.mark.parametrize("tile", [None, 4])
@pytest.mark.parametrize("width", [8, 7])
def test_relu_and_its_mask_on_the_way(tile, width, rng):
    """Columns in pairs and one by one, whole and in tiles: what ReLU would write is written, and goes on."""
    axes = (AxisPlan(Axis(n, 3, 1, 1, 1), n + 2 if tile is None else 6, tile) for n in (6, width))
    plan = Plan(2, 3, 3, *axes)
    shape = (2, 3, 6, width)
    gy, hat = rng.standard_normal(shape).astype(np.float32), poisoned(plan.spectrum_shape("y"), np.complex64)
    rectified = np.maximum(rng.standard_normal(shape), 0).astype(np.float32)
    masked, plain, y, y_rectified = (poisoned(shape, np.float32) for _ in range(4))
    unfused = poisoned(hat.shape, np.complex64)
    options = {"conjugate": False, "shared_limit": SHARED, "plane": shape[2:]}
    (layout,) = launches(shape, plan.windows("y"), apart=False)
    host_gpu.run(specialise("spectrum", plan, "y", relu=True, **options), layout, gy, hat, rectified, masked)
    assert np.array_equal(masked, np.where(rectified > 0, gy, 0))
    host_gpu.run(specialise("spectrum", plan, "y", **options), layout, masked, unfused, None, None)
    assert np.array_equal(hat, unfused)
    bias = rng.standard_normal(3).astype(np.float32)
    host_gpu.run(specialise("signal", plan, "y", **options), layout, hat, plain, bias, 1.0, None)
    host_gpu.run(specialise("signal", plan, "y", relu=True, **options), layout, hat, y, bias, 1.0, y_rectified)
    assert np.array_equal(y, plain)
    assert np.array_equal(y_rectified, np.maximum(plain, 0))


def from_stored(hat, lengths):
    """Real planes (A, B, Ny, Nx) of stored frequencies (Q, A, B), imaginary parts of self-mirrored ones left out."""
    Ny, Nx = lengths
    full = np.zeros((*hat.shape[1:], Ny, Nx), complex)
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    for value, (ky, kx) in zip(hat, chosen, strict=True):
        mirror = (-ky % Ny, -kx % Nx)
        full[..., ky, kx] = value if mirror != (ky, kx) else value.real
        if mirror != (ky, kx):
            full[..., mirror[0], mirror[1]] = np.conj(value)
    return np.fft.ifft2(full).real


@pytest.mark.parametrize(("kind", "bound"), [(np.float32, FP32_BOUND), (np.float64, 1e-14)])
@pytest.mark.parametrize(("tile", "stride"), [(None, 1), (None, 2), (None, 3), (3, 1), (2, 2), (1, 3)])
def test_tiles_and_phases_there_and_back(tile, stride, kind, bound, rng):
    """Windows cut to the plane on the way in, added to it on the way back: a row comes back once a reading."""
    axis = Axis(11, 4, stride, 2, 1)
    taps = -(-4 // stride)
    N = 14 if tile is None else tile + taps - 1
    plan = Plan(2, 2, 2, AxisPlan(axis, N, tile), AxisPlan(axis, N, tile), np.dtype(kind).itemsize)
    windows = plan.windows("x")
    x = rng.standard_normal((2, 2, 11, 11)).astype(kind)
    hat = poisoned(plan.spectrum_shape("x"), plan.spectrum_dtype)
    forward = specialise("spectrum", plan, "x", (11, 11), SHARED, conjugate=True)
    for layout in launches(x.shape, windows, apart=False):
        host_gpu.run(forward, layout, x, hat, None, None)
    assert np.isfinite(hat).all()
    back = np.ones_like(x)
    inverse = specialise("signal", plan, "x", (11, 11), SHARED, conjugate=True, accumulate=True)
    if tile is None:  # the input lies at the start of its circle, the crop begins at `shift`: turn the spectrum there
        shifts = tuple(window.shift for window in windows)
        hat = np.stack([_turned(hat[q], q, plan.lengths, shifts) for q in range(plan.Q)]).astype(hat.dtype)
    for layout in launches(x.shape, windows, apart=True):
        host_gpu.run(inverse, layout, hat, back, None, -0.5, None)
    readings = np.zeros(11)
    for t in range(windows[0].tiles):
        for r in range(windows[0].phases):
            for rows, _ in windows[0].cuts(t, r):
                readings[rows] += 1
    assert error(back, 1 - 0.5 * x * np.outer(readings, readings), 10) <= bound


def test_some_maps_of_each_sample(rng):
    """Planes that are maps 1 and 2 of 5: the others are neither read nor written."""
    plan = planned((6, 5), (6, 5), (1, 1), C=2)
    every = rng.standard_normal((2, 5, 6, 5)).astype(np.float32)
    hat, back = poisoned(plan.spectrum_shape("x"), np.complex64), poisoned(every.shape, np.float32)
    options = {"conjugate": False, "aligned": False}
    (layout,) = launches((2, 2, 6, 5), plan.windows("x"), apart=False, pitch=5)
    host_gpu.run(specialise("spectrum", plan, "x", (6, 5), SHARED, **options), layout, every[:, 1:3], hat, None, None)
    host_gpu.run(specialise("signal", plan, "x", (6, 5), SHARED, **options), layout, hat, back[:, 1:3], None, 1.0, None)
    assert error(hat.real, stored(np.fft.fft2(every[:, 1:3].astype(np.float64)), (6, 5)).real) <= FP32_BOUND
    assert error(back[:, 1:3], every[:, 1:3]) <= FP32_BOUND
    assert np.isnan(back[:, [0, 3, 4]]).all()


def _turned(hat, q, lengths, shifts):
    """The conjugated spectrum of a plane shifted by `shifts` around the circle, at stored frequency q."""
    Ny, Nx = lengths
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    ky, kx = chosen[q]
    return hat * np.exp(2j * np.pi * (ky * shifts[0] / Ny + kx * shifts[1] / Nx))


def test_textbook_and_kernel_agree_on_what_is_stored(rng):
    plan = planned((6, 9), (6, 9), (1, 1))
    x = rng.standard_normal((2, 3, 6, 9)).astype(np.float32)
    out = poisoned(plan.spectrum_shape("x"), np.complex64)
    (layout,) = launches(x.shape, plan.windows("x"), apart=False)
    host_gpu.run(specialise("spectrum", plan, "x", (6, 9), SHARED, conjugate=False), layout, x, out, None, None)
    full = np.zeros((2, 3, 6, 9), complex)
    full[:, :, :4] = textbook.half_spectrum(x)
    assert np.max(np.abs(out - stored(full, (6, 9)))) <= 1e-4


class OnDevice(np.ndarray):
    """A NumPy array with a CuPy array's `data.ptr`, for what a launcher asks of its arguments."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_whole_layer_through_the_launcher(stride, count, monkeypatch, rng):
    """FFTConvolution's three passes take the GPU's path, its kernels being the host's and its products NumPy's; also
    in chunks of one sample and one map."""
    monkeypatch.setattr(kernel, "shared_limit", lambda device: SHARED)
    monkeypatch.setattr(
        kernel,
        "launcher",
        lambda special, layout, device: lambda arguments: host_gpu.run(special, layout, *map(_for_host, arguments)),
    )
    monkeypatch.setattr(arena.Arena, "take", _poisoned_on_device)
    monkeypatch.setattr(backend.Device, "xp", property(lambda self: np))
    monkeypatch.setattr(backend.Device, "empty", _poisoned_on_device)
    monkeypatch.setattr(product, "_cublas", _by_numpy)
    monkeypatch.setattr(fft_convolution, "current_arena", lambda device: arena.Arena(device))
    monkeypatch.setattr(backend, "_current", backend.Device("cuda", 7))
    layer = fft_convolution.FFTConvolution(2, 3, 3, stride, padding=1)
    x = rng.standard_normal((2, 2, 7, 6)).astype(np.float32).view(OnDevice)
    gy = rng.standard_normal((2, 3, *(-(-n // stride) for n in (7, 6)))).astype(np.float32).view(OnDevice)
    plan = layer.plan(x.shape)
    with limited(layer.device, plan.arena_bytes if count == 1 else least_bytes(plan)):
        y = layer.forward(x)
        gx = layer.backward(x, gy, 0.5)
    assert layer.chunks == count
    sizes = {"stride": (stride, stride), "padding": (1, 1)}
    of_x, of_weight, _ = gradients(x, layer.weight, gy, **sizes)
    assert error(y, convolution(x, layer.weight, layer.bias, **sizes)) <= FP32_BOUND
    assert error(gx, of_x) <= FP32_BOUND
    assert error(layer.gradWeight, 0.5 * of_weight) <= FP32_BOUND


def _poisoned_on_device(owner, shape, dtype):
    return (np.zeros(shape, dtype) if np.dtype(dtype).kind == "u" else poisoned(shape, dtype)).view(OnDevice)


def _for_host(argument):
    return argument if argument is None or isinstance(argument, np.ndarray) else float(argument)


def _by_numpy(a, b, out, transpose_a, transpose_b, precision):
    a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
    out[...] = np.matmul(a, b)


@pytest.mark.parametrize("stem", ["spectrum", "signal"])
def test_a_missing_barrier_is_seen(stem, rng):
    plan = planned((6, 6), (6, 6), (1, 1), S=8)
    special = specialise(stem, plan, "x", (6, 6), SHARED, conjugate=False)
    planes = rng.standard_normal((8, 3, 6, 6)).astype(np.float32)
    hat = rng.standard_normal((*plan.spectrum_shape("x"), 2)).astype(np.float32).view(np.complex64)[..., 0].copy()
    (layout,) = launches(planes.shape, plan.windows("x"), apart=False)

    def result(edit):
        out = (
            poisoned(plan.spectrum_shape("x"), np.complex64)
            if stem == "spectrum"
            else poisoned(planes.shape, np.float32)
        )
        arguments = (planes, out, None, None) if stem == "spectrum" else (hat, out, None, 1.0, None)
        host_gpu.run(special, layout, *arguments, edit=edit)
        return out

    def without_barrier(source):
        assert source.count("__syncthreads();") == 1
        return source.replace("__syncthreads();", "")

    assert np.isfinite(result(None)).all()
    assert np.isnan(result(without_barrier)).any()


def test_a_plane_too_large_for_shared_memory_is_an_error():
    plan = planned((256, 256), (256, 256), (1, 1))
    with pytest.raises(ValueError, match="a plane of 256 x 256 takes 265224 bytes of shared memory"):
        specialise("spectrum", plan, "x", (256, 256), SHARED, conjugate=False)
