"""Options of spectrum.cu and signal.cu: bf16, fused ReLU, and threads that loop."""

from dataclasses import replace

import host_gpu
import numpy as np
import pytest
from bfloat16 import BF16_BLOCK, from_bf16_blocks, to_bf16_blocks
from measure import FP32_BOUND, error
from spectra import SHARED, from_stored, planned, poisoned, stored

from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.gpu.kernel import MAX_BLOCK_THREADS, launches, specialise
from tinyfft.fourier.plan import Plan

STEMS = ("spectrum", "signal")

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")


@pytest.mark.parametrize(("S", "C"), [(2, 3), (4, 10), (1, 1), (2, 33)])
@pytest.mark.parametrize("lengths", [(6, 7), (18, 16), (36, 35)], ids=str)
def test_spectrum_in_bf16(lengths, S, C, rng):
    plan = replace(planned(lengths, lengths, (1, 1), S, C), precision="bf16")
    x = rng.standard_normal((S, C, *lengths)).astype(np.float32)
    out = np.full(plan.spectrum_shape("x"), 0xFFFFFFFF, np.uint32)
    room = -(-C // BF16_BLOCK) * BF16_BLOCK  # maps, in whole blocks
    assert plan.padded_shape("x") == (S, room)
    assert out.nbytes == 4 * plan.Q * S * room == plan.spectrum_bytes("x")
    special = specialise("spectrum", plan, "x", lengths, SHARED, conjugate=True)
    for layout in launches(x.shape, plan.windows("x"), apart=False, padded=plan.padded_shape("x")):
        host_gpu.run(special, layout, x, out, None, None)
    hat, found = np.conj(stored(np.fft.fft2(x.astype(np.float64)), lengths)), from_bf16_blocks(out)
    assert np.all(found[..., C:] == 0)
    found = found[..., :C]
    scale = np.max(np.abs(x).sum(axis=(2, 3)))
    for part in ("real", "imag"):
        plane, expected = getattr(found, part), getattr(hat, part)
        # rounded to eight bits: within 2^-8 of each value, on top of the float32 error
        assert np.all(np.abs(plane - expected) <= 2.0**-8 * np.abs(expected) + FP32_BOUND * scale)


@pytest.mark.parametrize("conjugate", [False, True])
@pytest.mark.parametrize(("S", "C"), [(2, 3), (4, 10), (1, 1), (2, 33)])
@pytest.mark.parametrize("lengths", [(6, 7), (18, 16), (36, 35)], ids=str)
def test_signal_of_bf16(lengths, S, C, conjugate, rng):
    plan = replace(planned(lengths, lengths, (1, 1), S, C), precision="bf16")
    words = to_bf16_blocks(rng.standard_normal((plan.Q, S, C)) + 1j * rng.standard_normal((plan.Q, S, C)))
    hat = from_bf16_blocks(words)[..., :C].astype(np.complex128)
    expected = from_stored(np.conj(hat) if conjugate else hat, lengths)
    y = poisoned((S, C, *lengths), np.float32)
    special = specialise("signal", plan, "x", lengths, SHARED, conjugate=conjugate)
    for layout in launches(y.shape, plan.windows("x"), apart=False, padded=plan.padded_shape("x")):
        host_gpu.run(special, layout, words, y, None, 1.0)
    assert error(y, expected) <= FP32_BOUND


def test_bf16_takes_two_planes_at_least():
    """A lane exchanges numbers with its neighbour."""
    whole = planned((128, 128), (128, 128), (1, 1))
    assert specialise("spectrum", whole, "x", (128, 128), SHARED, conjugate=False).planes == 1
    with pytest.raises(ValueError, match=f"planes of 128 x 128 take {65 * 146 * 16} bytes of shared memory"):
        specialise("spectrum", replace(whole, precision="bf16"), "x", (128, 128), SHARED, conjugate=False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("N", "kernel"), [(18, 3), (36, 7)])
def test_few_threads_for_many_narrow_windows(N, kernel, precision, rng):
    """Threads that loop over the lines compute the same numbers as threads that have a line each."""
    plan = replace(planned((N, N), (16, 16), (kernel, kernel), C=18, F=2), precision=precision)
    many = replace(plan, C=64, F=128)
    w = rng.standard_normal((2, 18, kernel, kernel)).astype(np.float32)
    hats = [np.full(plan.spectrum_shape("w"), 0xFFFFFFFF, plan.spectrum_dtype) for _ in range(2)]
    planes = [poisoned(w.shape, np.float32) for _ in range(2)]
    for hat, back, of in zip(hats, planes, (plan, many), strict=True):
        (layout,) = launches(w.shape, plan.windows("w"), apart=False, padded=plan.padded_shape("w"))
        forward, inverse = (specialise(stem, of, "w", w.shape[2:], SHARED, conjugate=True) for stem in STEMS)
        assert (forward.threads < forward.planes * (N // 2 + 1)) == (of is many)
        host_gpu.run(forward, layout, w, hat, None, None)
        host_gpu.run(inverse, layout, hat, back, None, 1.0)
    numbers = hats if precision == "fp32" else [from_bf16_blocks(hat) for hat in hats]  # in which -0 is 0
    assert np.array_equal(*numbers)
    assert np.array_equal(*planes)
    assert error(planes[0], w) <= (FP32_BOUND if precision == "fp32" else 2.0**-7)


@pytest.mark.parametrize(("N", "rounds"), [(36, 1), (40, 2)])
def test_two_blocks_of_bf16_whose_threads_loop(N, rounds, rng):
    """One block fits without looping; the numbers are the same."""
    plan = replace(planned((N, 10), (30, 8), (5, 3), S=2, C=18), precision="bf16")
    x = rng.standard_normal((2, 18, 30, 8)).astype(np.float32)
    kernels = [specialise(stem, plan, "x", (30, 8), SHARED, conjugate=False) for stem in STEMS]
    assert all((of.blocks, of.planes) == (2, 16) and of.threads < 16 * (N // 2 + 1) / rounds + 32 for of in kernels)
    found = []
    (layout,) = launches(x.shape, plan.windows("x"), apart=False, padded=plan.padded_shape("x"))
    for forward, inverse in (kernels, [replace(of, max_threads=MAX_BLOCK_THREADS) for of in kernels]):
        hat, back = np.full(plan.spectrum_shape("x"), 0xFFFFFFFF, np.uint32), poisoned(x.shape, np.float32)
        host_gpu.run(forward, layout, x, hat, None, None)
        host_gpu.run(inverse, layout, hat, back, None, 1.0)
        found.append((hat, back))
    for looped, direct in zip(*found, strict=True):
        assert np.array_equal(looped, direct)
    assert error(found[0][1], x) <= 2.0**-7


def test_threads_that_do_not_loop():
    """The window is not narrow, or the planes are not many."""
    plan = planned((18, 18), (16, 16), (3, 3), S=128, C=64, F=128)
    for of, name, plane in ((plan, "x", 16), (replace(plan, C=63), "w", 3)):
        special = specialise("spectrum", of, name, (plane, plane), SHARED, conjugate=False)
        assert special.threads == special.planes * 10


@pytest.mark.parametrize("tile", [None, 4])
@pytest.mark.parametrize("width", [8, 7])
def test_fused_relu(tile, width, rng):
    """Columns in pairs and one by one, planes whole and in tiles: ReLU's result is written and transformed."""
    axes = (AxisPlan(Axis(n, 3, 1, 1, 1), n + 2 if tile is None else 6, tile) for n in (6, width))
    plan = Plan(2, 3, 3, *axes, kind="cuda")
    shape = (2, 3, 6, width)
    gy, hat = rng.standard_normal(shape).astype(np.float32), poisoned(plan.spectrum_shape("y"), np.complex64)
    relu_output = np.maximum(rng.standard_normal(shape), 0).astype(np.float32)
    masked, plain, y = (poisoned(shape, np.float32) for _ in range(3))
    unfused = poisoned(hat.shape, np.complex64)
    options = {"conjugate": False, "shared_limit": SHARED, "plane": shape[2:]}
    (layout,) = launches(shape, plan.windows("y"), apart=False)
    host_gpu.run(specialise("spectrum", plan, "y", relu=True, **options), layout, gy, hat, relu_output, masked)
    assert np.array_equal(masked, np.where(relu_output > 0, gy, 0))
    host_gpu.run(specialise("spectrum", plan, "y", **options), layout, masked, unfused, None, None)
    assert np.array_equal(hat, unfused)
    in_place = gy.copy()
    host_gpu.run(specialise("spectrum", plan, "y", relu=True, **options), layout, in_place, hat, relu_output, in_place)
    assert np.array_equal(in_place, masked)
    assert np.array_equal(hat, unfused)
    bias = rng.standard_normal(3).astype(np.float32)
    host_gpu.run(specialise("signal", plan, "y", **options), layout, hat, plain, bias, 1.0)
    host_gpu.run(specialise("signal", plan, "y", relu=True, **options), layout, hat, y, bias, 1.0)
    assert np.array_equal(y, np.maximum(plain, 0))
