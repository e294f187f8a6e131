"""BatchNormalization with the GPU's kernels, built for the host, against its definition."""

from math import ceil

import normalizations
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import dtypes, examples
from measure import allocated, error

from tinyfft import nn
from tinyfft.cuda import launch
from tinyfft.ops import normalization


@pytest.fixture
def gpu(gpu, monkeypatch):
    """Use small blocks."""
    monkeypatch.setattr(normalization, "THREADS", 16)
    return gpu


@normalizations.shapes
@normalizations.modes
@dtypes
def test_definition(gpu, rng, shape, train, dtype):
    normalizations.check(gpu, rng, shape, train, dtype)


@examples(30)
@given(
    S=st.integers(2, 9), C=st.integers(1, 4), pixels=st.integers(1, 40), train=st.booleans(), blocks=st.integers(1, 9)
)
def test_random_sizes(gpu, monkeypatch, S, C, pixels, train, blocks):
    """Planes are smaller and larger than a block, parts differ in size."""
    monkeypatch.setattr(normalization, "TARGET_BLOCKS", blocks)
    normalizations.check(gpu, np.random.default_rng(5), (S, C, pixels, 1), train, "float64")


@pytest.mark.parametrize("blocks", [1, 1024], ids=["one part", "many parts"])
@pytest.mark.parametrize("pixels", [1, 5, 16, 40])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_about_as_many_values_as_one_round_of_a_block(gpu, rng, monkeypatch, blocks, pixels, times, more):
    """Also with a fused ReLU, whose gradInput overwrites gradOutput."""
    monkeypatch.setattr(normalization, "TARGET_BLOCKS", blocks)
    round_size = normalization.THREADS * normalization.UNROLL
    shape = (times * ceil(round_size / pixels) + more, 2, pixels, 1)
    normalizations.check(gpu, rng, shape, True, "float64")
    normalizations.check_with_relu(gpu, rng, shape, True, "float64", behind=True)


@pytest.mark.parametrize("shape", [(256, 64, 1024), (256, 128, 256), (128, 16, 1024), (128, 512, 16), (8, 3, 1 << 18)])
def test_large_arrays_have_enough_parts_and_none_is_empty(shape):
    S, C, pixels = shape
    x = np.broadcast_to(np.float32(0), shape)
    parts, part_size = normalization._parts(x), normalization._part_size(x)
    assert C * parts >= 4 * 132  # multiprocessors of an H200
    assert (parts - 1) * part_size < S * pixels <= parts * part_size


def test_more_maps_than_threads(gpu, rng):
    normalizations.check(gpu, rng, (3, 37, 2, 2), True, "float64")


def test_results_are_deterministic(gpu, rng):
    x, dy = rng.standard_normal((2, 7, 3, 5, 5)).astype(np.float32)
    layers = [nn.BatchNormalization(3) for _ in range(2)]
    for layer in layers:
        layer.forward(x)
        layer.backward(x, dy)
    for name in ("output", "gradInput", "gradWeight", "gradBias", "running_mean", "running_var"):
        assert np.array_equal(*(getattr(layer, name) for layer in layers))


def test_without_parameters(gpu, rng):
    x, dy = rng.standard_normal((2, 5, 3, 4, 4))
    plain, unit = nn.BatchNormalization(3, affine=False, dtype="float64"), nn.BatchNormalization(3, dtype="float64")
    assert np.array_equal(plain.forward(x), unit.forward(x))
    assert np.array_equal(plain.backward(x, dy), unit.backward(x, dy))


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_keeps_the_variance_far_from_zero(gpu, rng, offset):
    """Also if the first value, which the kernel subtracts from all, is an outlier."""
    x = (offset + 0.01 * rng.standard_normal((9, 2, 13, 7))).astype(np.float32)
    x[0, :, 0, 0] += 100
    layer = nn.BatchNormalization(2, momentum=1.0)
    layer.forward(x)
    per_map = np.moveaxis(x.astype(np.float64), 1, 0).reshape(2, -1)
    assert error(layer.running_var, per_map.var(axis=1, ddof=1)) <= 1e-6
    assert error(layer.running_mean, per_map.mean(axis=1)) <= 1e-6


def test_nan_stays_in_its_map(gpu, rng):
    x = rng.standard_normal((4, 2, 3, 3)).astype(np.float32)
    x[1, 1, 2, 0] = np.nan
    layer = nn.BatchNormalization(2)
    y = layer.forward(x)
    assert np.isnan(y[:, 1]).all()
    assert np.isnan(layer.running_mean).tolist() == np.isnan(layer.running_var).tolist() == [False, True]
    assert np.isfinite(y[:, 0]).all()


@normalizations.shapes
@normalizations.modes
@dtypes
@pytest.mark.parametrize("behind", [False, True], ids=["last", "in place"])
def test_fused_relu(gpu, rng, shape, train, dtype, behind):
    normalizations.check_with_relu(gpu, rng, shape, train, dtype, behind)


def test_nan_passes_a_fused_relu(gpu, rng):
    normalizations.check_with_relu(gpu, rng, (6, 5, 4, 4), True, "float32", share_of_nan=0.01)
    chain = nn.Sequential(nn.BatchNormalization(2), nn.ReLU())
    chain.evaluate()
    y = chain.forward(np.array([[np.nan, -1], [-1, 1]], np.float32))
    assert np.isnan(y).tolist() == [[True, False], [False, False]]


@normalizations.modes
def test_nothing_is_allocated_between_the_kernels(gpu, monkeypatch, train):
    monkeypatch.setattr(launch, "run", lambda *_: None)
    layer, x = nn.BatchNormalization(1 << 16), np.ones((2, 1 << 16), np.float32)
    layer.train = train
    assert allocated(lambda: (layer.forward(x), layer.backward(x, x))) < layer.weight.nbytes / 8


def test_strided_arrays(gpu, rng):
    x, dy = rng.standard_normal((2, 4, 3, 4, 10))[..., ::2]
    layer, peer = nn.BatchNormalization(3, dtype="float64"), nn.BatchNormalization(3, dtype="float64")
    assert np.array_equal(layer.forward(x), peer.forward(x.copy()))
    assert np.array_equal(layer.backward(x, dy), peer.backward(x.copy(), dy.copy()))


def test_an_empty_minibatch(gpu):
    layer, x = nn.BatchNormalization(3, dtype="float64"), np.ones((0, 3, 4, 4))
    layer.evaluate()
    assert layer.forward(x).shape == layer.backward(x, x).shape == x.shape
