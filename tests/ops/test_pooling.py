"""MaxPool with the GPU's kernels, built for the host, against the definition and the CPU."""

import numpy as np
import pools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import CPU, dtypes, examples

from tinyfft import nn
from tinyfft.cuda import launch as kernels
from tinyfft.fourier.axis import Axis
from tinyfft.ops import pooling

WINDOWS = (Axis(4, 2, 2), Axis(6, 2, 2))


def check(device, x, rng, *sizes):
    """Compare with the definition, and bit for bit with the CPU."""
    layer, peer = pools.check("MaxPool", device, x, rng, *sizes), nn.MaxPool(*sizes)
    peer.device = CPU
    dy = rng.standard_normal(layer.output.shape).astype(x.dtype)
    assert np.array_equal(layer.output, peer.forward(x), equal_nan=True)
    assert np.array_equal(layer.backward(x, dy), peer.backward(x, dy))


@pools.case
@dtypes
def test_definition(gpu, rng, shape, kernel_size, stride, padding, dtype):
    for values in ("any", "ties", "nan"):
        check(gpu, pools.random_input(rng, shape, values, dtype), rng, kernel_size, stride, padding)


@examples(30)
@given(S=st.integers(1, 2), C=st.integers(1, 2), rows=pools.axis_sizes, columns=pools.axis_sizes)
def test_random_sizes(gpu, S, C, rows, columns):
    rng = np.random.default_rng(5)
    (H, kH, sH, pH), (W, kW, sW, pW) = rows, columns
    for values in ("any", "ties", "nan"):
        check(gpu, pools.random_input(rng, (S, C, H, W), values), rng, (kH, kW), (sH, sW), (pH, pW))


@pytest.mark.parametrize("name", ["2x2", "one pixel, padding", "padding and overlap", "stride beyond kernel"])
def test_fused_relu(gpu, rng, name):
    """The gradient of ReLU's input equals the separate layers'."""
    shape, kernel_size, stride, padding = pools.CASES[name]
    x = pools.random_input(rng, shape, "any")
    relu, pool = nn.ReLU(), nn.MaxPool(kernel_size, stride, padding)
    dy = rng.standard_normal(pool.forward(relu.forward(x)).shape)
    expected = relu.backward(x, pool.backward(relu.output, dy)).copy()
    assert np.array_equal(pool.backward(relu.output, dy, relu=relu), expected)
    assert relu.gradInput is pool.gradInput


def test_many_blocks(gpu, rng):
    """Planes end within a block, and the last block is not full."""
    check(gpu, pools.random_input(rng, (3, 7, 13, 9), "ties", "float32"), rng, 3, 2, 1)


def test_indices_of_64_bits(gpu, rng, monkeypatch):
    """Arrays of 2^31 values need them; the test lowers the limit."""
    launched, launch = [], kernels.run
    monkeypatch.setattr(pooling, "INT_MAX", 100)
    monkeypatch.setattr(kernels, "run", lambda source, *rest: (launched.append(source), launch(source, *rest)))
    check(gpu, pools.random_input(rng, (2, 3, 7, 8), "ties"), rng, 3, 2, 1)
    assert launched
    assert all("typedef long long index_t;" in source.head for source in launched)


@dtypes
def test_planes_at_an_odd_address(gpu, rng, dtype):
    """Pairs of numbers are not aligned, so a GPU must not load them at once."""
    numbers = rng.standard_normal(2 * 3 * 4 * 6 + 1).astype(dtype)
    for begin in (0, 1):
        x = numbers[begin : begin + 2 * 3 * 4 * 6].reshape(2, 3, 4, 6)
        check(gpu, x, rng, 2, None, 0)


def test_which_windows_are_disjoint():
    def disjoint(*axis):
        return pooling.PoolKernel(Axis(8, 2, 2), Axis(*axis), 4).disjoint

    assert disjoint(8, 2, 2)
    assert disjoint(9, 2, 5)
    assert not disjoint(8, 3, 2)  # overlap
    assert not disjoint(8, 2, 2, 1, 1)  # padding
    assert not disjoint(40, 9, 9)  # a cell has more pixels than a thread can hold


def test_infinite_values(gpu):
    x = np.full((1, 1, 2, 4), -np.inf)
    x[0, 0, 1, 2] = np.inf
    layer = nn.MaxPool(2)
    assert layer.forward(x).tolist() == [[[[-np.inf, np.inf]]]]
    assert layer.backward(x, np.ones((1, 1, 1, 2))).tolist() == [[[[1, 0, 0, 0], [0, 0, 1, 0]]]]


def test_strided_arrays_are_copied_to_buffers(gpu, rng):
    layer, copies = nn.MaxPool(2), []
    for _ in range(2):
        x = rng.standard_normal((6, 2, 4, 8)).transpose(1, 2, 0, 3)[..., ::2]
        dy = rng.standard_normal((2, 4, 2, 3)).swapaxes(2, 3)
        y, dx, _ = pools.define("MaxPool", x, 2, None, 0, dy)
        assert np.array_equal(layer.forward(x), y)
        assert np.array_equal(layer.backward(x, dy), dx)
        copies.append((layer._input, layer._gradOutput))
    assert all(first is second for first, second in zip(*copies, strict=True))


def test_an_empty_minibatch(gpu):
    layer, x = nn.MaxPool(2), np.ones((0, 3, 4, 4))
    assert layer.forward(x).shape == (0, 3, 2, 2)
    assert layer.backward(x, np.ones((0, 3, 2, 2))).shape == x.shape


def test_errors(gpu):
    x, y = np.ones((2, 3, 4, 6)), np.ones((2, 3, 2, 3))
    with pytest.raises(TypeError, match=r"max_pool: input is a list, expected a numpy.ndarray on cuda:7"):
        pooling._launch("max_pool", WINDOWS, gpu, input=x.tolist(), output=y)
    with pytest.raises(ValueError, match=r"max_pool: output of shape \(2, 3, 2, 3\) has strides .*, expected C order"):
        pooling._launch("max_pool", WINDOWS, gpu, input=x, output=np.asfortranarray(y))
