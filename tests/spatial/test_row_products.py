"""Blocks of the minibatch and threads: however a layer's work is cut, it is the definition's result."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure import FP64_BOUND, error
from reference import convolution, gradients
from threadpoolctl import threadpool_limits

from tinyfft import backend, nn, parallel
from tinyfft.backend import Device
from tinyfft.spatial import row_products


def passes(layer, x, gy):
    """Copies of the layer's output and its three gradients."""
    layer.zeroGradParameters()
    return [a.copy() for a in (layer.forward(x), layer.backward(x, gy, -2.0), layer.gradWeight, layer.gradBias)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bound", ["WIDTH", "BLOCK_BYTES"])
def test_blocks_and_threads(monkeypatch, bound, threads, rng):
    of_two_samples = {"WIDTH": 2 * 3 + 1, "BLOCK_BYTES": 2 * (9 * 2 * 4 * 3) * 8 + 1}[bound]
    monkeypatch.setitem(getattr(row_products, bound), "cpu", of_two_samples)
    layer = nn.DirectConvolution(2, 5, (3, 4), stride=(2, 1), padding=(1, 0), dtype="float64")
    x, gy = rng.standard_normal((7, 2, 9, 6)), rng.standard_normal((7, 5, 5, 3))
    sizes = {"stride": (2, 1), "padding": (1, 0)}
    with threadpool_limits(threads, user_api="blas"):
        first = passes(layer, x, gy)
        again = passes(layer, x, gy)
    gx, gw, gb = gradients(x, layer.weight, gy, **sizes)
    expected = [convolution(x, layer.weight, layer.bias, **sizes), gx, -2 * gw, -2 * gb]
    for a, b, truth in zip(first, again, expected, strict=True):
        assert error(a, truth) <= FP64_BOUND
        assert a.tobytes() == b.tobytes()


def test_a_gpu_takes_all_at_once(monkeypatch, rng):
    x, gy = rng.standard_normal((7, 2, 9, 6)), rng.standard_normal((7, 5, 5, 6))
    layer = nn.DirectConvolution(2, 5, 3, stride=(2, 1), padding=1, dtype="float64")
    expected = passes(layer, x, gy)
    monkeypatch.setattr(backend.Device, "xp", property(lambda self: np))
    monkeypatch.delattr(parallel, "run")
    layer.device = Device("cuda", 7)
    assert len(row_products.blocks(1000, (9, 2, 3, 6), 8, layer.device)) == 1
    for result, of_cpu in zip(passes(layer, x, gy), expected, strict=True):
        assert error(result, of_cpu) <= FP64_BOUND


@given(samples=st.integers(1, 300), oW=st.integers(1, 600), H=st.integers(1, 10**6))
def test_blocks_are_as_few_as_both_bounds_allow(samples, oW, H):
    def within(n):
        return n == 1 or (
            n * oW <= row_products.WIDTH["cpu"] and n * 4 * H * 3 * 5 * oW <= row_products.BLOCK_BYTES["cpu"]
        )

    parts = row_products.blocks(samples, (H, 3, 5, oW), 4, Device("cpu"))
    assert [s for part in parts for s in range(part.start, part.stop)] == list(range(samples))
    assert within(max(part.stop - part.start for part in parts))
    assert len(parts) == 1 or not within(-(-samples // (len(parts) - 1)))


def test_scratch_memory_is_used_again(rng):
    layer = nn.DirectConvolution(2, 3, 3, padding=1)
    x, gy = (rng.standard_normal((4, maps, 6, 6)).astype("float32") for maps in (2, 3))
    passes(layer, x, gy)
    held = {name: getattr(layer, name) for name in layer._buffers}
    passes(layer, x, gy)
    passes(layer, x[:1], gy[:1])
    scratch = [name for name in held if name.endswith("_scratch")]
    assert len(scratch) == 5
    assert all(getattr(layer, name) is held[name] for name in scratch)
    assert not any(np.shares_memory(held[name], layer.output) for name in scratch)
