"""DirectConvolution with the GPU's kernels, built for the host, against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import dtypes, examples
from limits import limited
from measure import FP32_BOUND, FP64_BOUND, error
from reference import convolution, gradients

from tinyfft import nn
from tinyfft.arena import LimitError
from tinyfft.cuda import launch as launching
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import plan_convolution
from tinyfft.ops import direct_convolution
from tinyfft.ops.direct_convolution import implicit_gemm

BOUNDS = {("float32", "fp32"): FP32_BOUND, ("float32", "tf32"): 1e-3, ("float64", "fp32"): FP64_BOUND}


def check(layer, shape, bound, scale=-0.5):
    """Check all three passes; gradients are added to ones."""
    rng = np.random.default_rng(shape)
    x = rng.standard_normal(shape).astype(layer.dtype)
    sizes = {"stride": layer.stride, "padding": layer.padding}
    y = layer.forward(x)
    gy = rng.standard_normal(y.shape).astype(layer.dtype)
    for gradient in layer.parameters()[1]:
        gradient.fill(1)
    gx = layer.backward(x, gy, scale)
    of_x, of_weight, of_bias = gradients(x, layer.weight, gy, **sizes)
    abs_x, abs_weight, abs_bias = gradients(abs(x), abs(layer.weight), abs(gy), **sizes)
    abs_y = convolution(abs(x), abs(layer.weight), None if layer.bias is None else abs(layer.bias), **sizes)
    assert error(y, convolution(x, layer.weight, layer.bias, **sizes), np.max(abs_y)) <= bound
    assert error(gx, of_x, np.max(abs_x)) <= bound
    assert error(layer.gradWeight, 1 + scale * of_weight, 1 + np.max(abs_weight)) <= bound
    if layer.bias is not None:
        assert error(layer.gradBias, 1 + scale * of_bias, 1 + np.max(abs_bias)) <= bound


@st.composite
def layers(draw):
    """Draw (input shape, maps, arguments of a layer)."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    same = draw(st.booleans())
    padding = "same" if same else draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    stride = (1, 1) if same else draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "bias": draw(st.booleans())}
    maps = (draw(st.integers(1, 5)), draw(st.integers(1, 40)))
    return (draw(st.integers(1, 3)), maps[0], *size), maps, arguments


@examples(12)
@given(layer=layers(), numbers=st.sampled_from(sorted(BOUNDS)))
def test_layers_of_all_shapes(gpu, layer, numbers):
    shape, maps, arguments = layer
    dtype, precision = numbers
    check(nn.DirectConvolution(*maps, **arguments, dtype=dtype, precision=precision), shape, BOUNDS[numbers])


def test_without_tensor_cores(gpu, monkeypatch):
    monkeypatch.setattr(launching, "architecture", lambda device: 75)
    monkeypatch.setattr(implicit_gemm, "source", lambda *_, **__: pytest.fail("on tensor cores"))
    check(nn.DirectConvolution(3, 5, 3, 2, padding=1), (3, 3, 9, 11), FP32_BOUND)


@pytest.mark.parametrize("out_channels", [33, 5], ids=["wide", "narrow"])
def test_several_tiles_and_k_tiles(gpu, out_channels):
    """In all three passes, along positions, taps and maps."""
    check(nn.DirectConvolution(9, out_channels, 3, padding=1), (3, 9, 9, 11), FP32_BOUND)


@dtypes
def test_positions_in_parts(gpu, monkeypatch, dtype):
    bound = BOUNDS[dtype, "fp32"]
    monkeypatch.setattr(implicit_gemm, "MIN_PART_K_TILES", 1)
    layer = nn.DirectConvolution(2, 3, 3, padding=1, dtype=dtype)
    plan = layer.plan((3, 2, 9, 11))
    assert implicit_gemm._parts(plan, np.inf) == (10, 32)  # 297 positions
    check(layer, (3, 2, 9, 11), bound)
    least = direct_convolution.scratch_bytes(plan)
    with limited(gpu, 3 * least):
        assert implicit_gemm._parts(plan, 3 * least) == (3, 128)
        check(layer, (3, 2, 9, 11), bound)
    with limited(gpu, least - 1), pytest.raises(LimitError, match=f"need {least} bytes of the arena"):
        check(layer, (3, 2, 9, 11), bound)


def test_arrays_in_any_memory_order(gpu, rng):
    layer = nn.DirectConvolution(2, 3, 3)
    x = rng.standard_normal((2, 2, 5, 6)).astype(np.float32).swapaxes(2, 3)
    assert error(layer.forward(x), convolution(x, layer.weight, layer.bias)) <= FP32_BOUND


@pytest.mark.parametrize("S", [2**17, 2**15])
def test_more_positions_than_an_int_can_count(gpu, S):
    """The layer raises an error, and "auto" does not choose the method."""
    layer = nn.Convolution(1, 1, 3, padding=1, algorithm="direct")
    plan = layer.plan((S, 1, 128, 128))
    assert layer.fits_directly(plan) == (S < 2**17)
    if not layer.fits_directly(plan):
        x = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (S, 1, 128, 128), (0, 0, 0, 0))
        layer._buffer = lambda *_: x
        with pytest.raises(ValueError, match="are more than the kernels can count"):
            layer.updateOutput(x)


@pytest.mark.parametrize(("maps", "kernel_size"), [((32, 33), (1, 2)), ((32, 5), (2, 2))])
def test_taps_that_fill_whole_tiles(gpu, maps, kernel_size):
    """The row of ones, for the bias, then has a separate tile."""
    check(nn.DirectConvolution(*maps, kernel_size), (2, 32, 4, 5), FP32_BOUND)


@pytest.mark.parametrize(("maps", "countable"), [((2**15, 2**14), False), ((2**10, 2**10), True)])
def test_offsets_of_the_weights_are_counted(maps, countable):
    plan = plan_convolution(1, *maps, Axis(3, 3), Axis(3, 3), 4, None, "cuda")
    assert implicit_gemm.countable(plan) == countable


@pytest.mark.parametrize("power", [-40, -20, 20, 40])
def test_images_of_any_magnitude(gpu, power, rng):
    """The row of ones, for the bias, shares no scale with the images."""
    layer = nn.DirectConvolution(2, 3, 3, padding=1)
    x = (rng.standard_normal((2, 2, 8, 8)) * 2.0**power).astype(np.float32)
    gy = rng.standard_normal(layer.forward(x).shape).astype(np.float32)
    layer.zeroGradParameters()
    layer.backward(x, gy)
    _, of_weight, of_bias = gradients(x, layer.weight, gy, padding=(1, 1))
    _, abs_weight, abs_bias = gradients(abs(x), abs(layer.weight), abs(gy), padding=(1, 1))
    assert error(layer.gradWeight, of_weight, np.max(abs_weight)) <= FP32_BOUND
    assert error(layer.gradBias, of_bias, np.max(abs_bias)) <= FP32_BOUND
