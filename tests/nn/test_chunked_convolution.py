"""FFTConvolution with a limit of the arena: the passes run in chunks."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import least_bytes, limited, most_chunks
from measure import FP64_BOUND, error
from reference import convolution
from test_convolution_layer import check, layers

import tinyfft
from tinyfft import nn
from tinyfft.arena import ALIGNMENT, LimitError, current_arena, high_water_bytes, reset_high_water
from tinyfft.backend import to_host
from tinyfft.fourier.chunks import chunks


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layer=layers(), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_random_limits_down_to_one_sample_and_one_map(device, layer, share, seed):
    shape, arguments = layer
    layer = nn.FFTConvolution(**arguments)
    plan = layer.plan(shape)
    limit = least_bytes(plan) + int(share * (plan.arena_bytes - least_bytes(plan)))
    reset_high_water(device)
    with limited(device, limit):
        check(layer, shape, np.random.default_rng(seed), scale=0.5)
    assert 0 < high_water_bytes(device) <= limit
    assert current_arena(device).capacity <= limit
    assert (layer.chunks > 1) == (limit < plan.arena_bytes)


HAZARDS = {
    "plain": {},
    "stride": {"stride": 2},
    "stride beyond the kernel": {"stride": 6},
    "tiles": {"tile": 4},
    "tiles of a stride": {"tile": 3, "stride": 2},
    "kept spectra": {"memory": "keep"},
    "no bias": {"bias": False},
    "float64": {"dtype": "float64"},
}


@pytest.mark.parametrize("hazard", HAZARDS)
def test_chunks_of_one_sample_and_one_map(device, hazard, rng):
    layer = nn.FFTConvolution(2, 3, 5, padding=2, **HAZARDS[hazard])
    plan = layer.plan((4, 2, 13, 10))
    with limited(device, least_bytes(plan)):
        check(layer, (4, 2, 13, 10), rng, scale=-2)
    assert layer.chunks == most_chunks(plan)


@pytest.mark.parametrize("hazard", HAZARDS)
def test_chunks_of_unequal_sizes(device, hazard, rng):
    layer = nn.FFTConvolution(3, 7, 5, padding=2, **HAZARDS[hazard])
    plan = layer.plan((5, 3, 13, 10))
    limit = plan.arena_bytes - 1
    assert len({part.plan for maps in "CF" for chunk in chunks(plan, maps, limit) for part in chunk.blocks}) > 2
    with limited(device, limit):
        check(layer, (5, 3, 13, 10), rng)


def test_error_for_a_limit_too_small_names_layer_and_bytes(device, rng):
    layer = nn.FFTConvolution(3, 2, 5)  # its updateOutput needs more bytes than its other passes
    x = device.array(rng.standard_normal((4, 3, 9, 9)).astype("float32"))
    least = least_bytes(layer.plan(x.shape))
    layer_named = r"nn.FFTConvolution\(3 -> 2, 5x5, fp32, recompute\)"
    message = f"one sample and one map need {least} bytes of the arena, arena.limit_bytes allows {least - 1}"
    with limited(device, least - 1), pytest.raises(LimitError, match=f"{layer_named}: {message}: raise it"):
        layer.forward(x)
    assert layer.forward(x).shape == (4, 2, 5, 5)


def test_results_after_a_limit_are_as_before(device, rng):
    layer = nn.FFTConvolution(2, 3, 3)
    x = device.array(rng.standard_normal((4, 2, 9, 9)).astype("float32"))
    before = to_host(layer.forward(x)).copy()
    with limited(device, least_bytes(layer.plan(x.shape))):
        layer.forward(x)
        assert layer.chunks > 1
    assert np.array_equal(to_host(layer.forward(x)), before)
    assert layer.chunks == 1


@pytest.mark.parametrize("in_chunks", [False, True])
def test_results_are_outside_the_arena(device, in_chunks, rng):
    layer = nn.FFTConvolution(2, 3, 3, memory="keep")
    x, gy = (device.array(rng.standard_normal((4, c, n, n)).astype("float32")) for c, n in ((2, 9), (3, 7)))
    plan = layer.plan(x.shape)
    with limited(device, least_bytes(plan) if in_chunks else plan.arena_bytes):
        layer.zeroGradParameters()
        layer.forward(x)
        layer.backward(x, gy)
    assert layer.chunks == (most_chunks(plan) if in_chunks else 1)
    results = (layer.output, layer.gradInput, layer.gradWeight)
    before = [to_host(array).copy() for array in results]
    arena = current_arena(device)
    with arena.frame(arena.capacity):
        arena.take((arena.capacity // ALIGNMENT * ALIGNMENT,), "uint8").fill(0x55)
    assert all(np.array_equal(to_host(array), copy) for array, copy in zip(results, before, strict=True))


def test_results_in_chunks_are_reproducible(device, rng):
    layer = nn.FFTConvolution(2, 3, 3)
    x, gy = (device.array(rng.standard_normal((4, c, n, n)).astype("float32")) for c, n in ((2, 9), (3, 7)))
    runs = []
    with limited(device, least_bytes(layer.plan(x.shape))):
        for _ in range(2):
            layer.zeroGradParameters()
            arrays = (layer.forward(x), layer.backward(x, gy), layer.gradWeight, layer.gradBias)
            runs.append([to_host(array).copy() for array in arrays])
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_no_spectra_are_kept_in_chunks(device, rng):
    layer = nn.FFTConvolution(2, 3, 3, memory="keep", dtype="float64")
    x = device.array(rng.standard_normal((4, 2, 9, 9)))
    layer.forward(x)
    plan = layer.plan(x.shape)
    assert layer.kept_bytes == plan.spectrum_bytes("x") + plan.spectrum_bytes("w")
    with limited(device, plan.arena_bytes - 1):
        layer.forward(x)
        assert layer.kept_bytes == 0
        layer.evaluate()
        layer.forward(x)
        layer.weight += 1  # without weights_changed()
        expected = convolution(to_host(x), to_host(layer.weight), to_host(layer.bias))
        assert error(layer.forward(x), expected) <= FP64_BOUND


def test_recompute_keeps_no_spectra_in_training(device, rng):
    layer = nn.FFTConvolution(2, 3, 3)
    x = device.array(rng.standard_normal((4, 2, 9, 9)).astype("float32"))
    layer.evaluate()
    layer.forward(x)
    assert layer.kept_bytes == layer.plan(x.shape).spectrum_bytes("w")
    layer.training()
    layer.forward(x)
    assert layer.kept_bytes == 0


def test_repr_shows_chunks(rng):
    layer = nn.FFTConvolution(2, 3, 3)
    x = rng.standard_normal((4, 2, 9, 9)).astype("float32")
    layer.forward(x)
    assert repr(layer) == "nn.FFTConvolution(2 -> 3, 3x3, fp32, recompute)"
    with limited(layer.device, least_bytes(layer.plan(x.shape))):
        layer.forward(x)
    count = layer.chunks
    assert count > 1
    assert repr(layer) == f"nn.FFTConvolution(2 -> 3, 3x3, fp32, recompute, {count} chunks)"


def test_each_device_has_its_own_limit():
    assert tinyfft.arena.limit_bytes == {}
    with limited(tinyfft.Device("cuda", 3), 256):
        assert current_arena(tinyfft.Device("cpu")).limit == float("inf")
        assert tinyfft.arena.limit_bytes == {tinyfft.Device("cuda", 3): 256}
