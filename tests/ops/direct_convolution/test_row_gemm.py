"""Direct convolution on a CPU, in blocks of the minibatch and in threads, against the definition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import limited
from measure import FP64_BOUND, error
from reference import convolution, gradients
from threadpoolctl import threadpool_limits

from tinyfft import nn
from tinyfft.arena import ALIGNMENT, LimitError, current_arena, high_water_bytes, reset_high_water
from tinyfft.backend import to_host
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import plan_convolution
from tinyfft.ops import direct_convolution
from tinyfft.ops.direct_convolution import row_gemm


def passes(layer, x, gy):
    """Return copies of the layer's output and its three gradients."""
    layer.zeroGradParameters()
    return [a.copy() for a in (layer.forward(x), layer.backward(x, gy, -2.0), layer.gradWeight, layer.gradBias)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bound", ["BLOCK_WIDTH", "BLOCK_BYTES"])
def test_blocks_and_threads(monkeypatch, bound, threads, rng):
    two_samples = {"BLOCK_WIDTH": 2 * 3 + 1, "BLOCK_BYTES": 2 * (9 * 2 * 4 * 3) * 8 + 1}[bound]
    monkeypatch.setattr(row_gemm, bound, two_samples)
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


@st.composite
def plans(draw):
    samples, maps, H, W = (draw(st.integers(1, most)) for most in (300, 12, 3000, 600))
    return plan_convolution(samples, maps, 5, Axis(H, 1), Axis(W, draw(st.integers(1, min(W, 5)))))


def sizes(parts):
    return [part.stop - part.start for part in parts]


@settings(deadline=None)
@given(plan=plans(), share=st.floats(0, 1))
def test_blocks_are_as_few_as_the_bounds_allow(plan, share):
    least, most = (row_gemm.scratch_bytes(plan, samples) for samples in (1, plan.S))
    limit = least + int(share * (most - least))
    columns = plan.y.axis.size * plan.C * plan.x.axis.kernel * plan.x.axis.out * plan.itemsize

    def within(n):
        return n == 1 or (
            n * plan.x.axis.out <= row_gemm.BLOCK_WIDTH
            and n * columns <= row_gemm.BLOCK_BYTES
            and row_gemm.scratch_bytes(plan, n) + n * 5 * ALIGNMENT <= limit
        )

    parts = row_gemm.blocks(plan, limit)
    assert [s for part in parts for s in range(part.start, part.stop)] == list(range(plan.S))
    assert row_gemm.scratch_bytes(plan, max(sizes(parts))) <= limit
    assert len(parts) == 1 or not within(-(-plan.S // (len(parts) - 1)))
    with pytest.raises(LimitError, match=f"one sample needs {least} bytes of the arena, .* allows {least - 1}$"):
        row_gemm.blocks(plan, least - 1)


def test_scratch_memory_comes_from_the_arena(device, rng):
    layer = nn.DirectConvolution(2, 3, 3, padding=1)
    x, gy = (device.array(rng.standard_normal((4, maps, 6, 6)).astype("float32")) for maps in (2, 3))
    plan = layer.plan(x.shape)
    reset_high_water(device)
    passes(layer, x, gy)
    all_of_it = row_gemm.scratch_bytes(plan, 4) if device.kind == "cpu" else direct_convolution.scratch_bytes(plan)
    assert high_water_bytes(device) == all_of_it
    assert layer._buffers == {"output", "gradInput"}


def test_under_a_limit(device, rng):
    layer = nn.DirectConvolution(2, 3, 3, padding=1, dtype="float64")
    x, gy = (device.array(rng.standard_normal((4, maps, 6, 6))) for maps in (2, 3))
    least = direct_convolution.scratch_bytes(layer.plan(x.shape))
    expected = passes(layer, x, gy)
    with limited(device, least):
        results = passes(layer, x, gy)
        assert current_arena(device).capacity <= least
    for result, whole in zip(results, expected, strict=True):
        assert error(result, to_host(whole)) <= FP64_BOUND
    with limited(device, least - 1), pytest.raises(LimitError, match=rf"nn.DirectConvolution\(.*\): .* need.? {least}"):
        passes(layer, x, gy)
