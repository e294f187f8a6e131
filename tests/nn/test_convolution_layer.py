"""All convolution layers against float64 sums from the definition: each hazard alone, then random combinations."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from measure import FP32_BOUND, FP64_BOUND, error
from reference import convolution, gradients

import tinyfft
from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck

METHODS = [nn.FFTConvolution, nn.DirectConvolution]
ALL = [*METHODS, nn.Convolution]


def check(layer, shape, rng, scale=1.0):
    """Check all three passes of `layer` on an input of `shape` against the definition."""
    device, dtype = layer.device, layer.dtype
    bound = FP32_BOUND if dtype == np.float32 else FP64_BOUND
    x = rng.standard_normal(shape).astype(dtype)
    sizes = {"stride": layer.stride, "padding": layer.padding}
    weight = to_host(layer.weight)
    bias = None if layer.bias is None else to_host(layer.bias)
    y = layer.forward(device.array(x))
    gy = rng.standard_normal(y.shape).astype(dtype)
    layer.zeroGradParameters()
    gx = layer.backward(device.array(x), device.array(gy), scale)
    of_x, of_weight, of_bias = gradients(x, weight, gy, **sizes)
    abs_x, abs_weight, abs_bias = gradients(abs(x), abs(weight), abs(gy), **sizes)
    most = np.max(convolution(abs(x), abs(weight), None if bias is None else abs(bias), **sizes))
    assert error(y, convolution(x, weight, bias, **sizes), most) <= bound
    assert error(gx, of_x, np.max(abs_x)) <= bound
    assert error(layer.gradWeight, scale * of_weight, abs(scale) * np.max(abs_weight)) <= bound
    if bias is not None:
        assert error(layer.gradBias, scale * of_bias, abs(scale) * np.max(abs_bias)) <= bound


def check_against_pytorch(layer, shape, rng):
    """Check all three passes of a float64 layer against PyTorch's automatic differentiation."""
    import torch

    x = rng.standard_normal(shape)
    tensor, weight = (torch.tensor(a, requires_grad=True) for a in (x, layer.weight))
    bias = None if layer.bias is None else torch.tensor(layer.bias, requires_grad=True)
    theirs = torch.nn.functional.conv2d(tensor, weight, bias, layer.stride, layer.padding)
    gy = rng.standard_normal(theirs.shape)
    theirs.backward(torch.tensor(gy))
    sizes = {"stride": layer.stride, "padding": layer.padding}
    most = np.max(convolution(abs(x), abs(layer.weight), None if bias is None else abs(layer.bias), **sizes))
    scales = [np.max(gradient) for gradient in gradients(abs(x), abs(layer.weight), abs(gy), **sizes)]
    assert error(layer.forward(x), theirs.detach().numpy(), most) <= FP64_BOUND
    gx = layer.backward(x, gy)
    assert error(gx, tensor.grad.numpy(), scales[0]) <= FP64_BOUND
    assert error(layer.gradWeight, weight.grad.numpy(), scales[1]) <= FP64_BOUND
    if bias is not None:
        assert error(layer.gradBias, bias.grad.numpy(), scales[2]) <= FP64_BOUND


HAZARDS = {
    "one pixel": ((2, 3, 1, 1), 1, 1, 0),
    "one pixel inside padding": ((1, 1, 1, 1), 3, 1, 4),
    "one map in": ((2, 1, 9, 9), 3, 1, 1),
    "batch of one": ((1, 3, 8, 8), 3, 1, 0),
    "non-square image": ((2, 2, 5, 17), 3, 1, 1),
    "non-square kernel": ((2, 2, 9, 9), (1, 4), 1, (0, 2)),
    "kernel as large as the input": ((2, 2, 6, 7), (6, 7), 1, 0),
    "kernel as large as the padded input": ((2, 2, 4, 4), 8, 1, 2),
    "prime sizes": ((3, 2, 13, 11), 5, 1, 2),
    "1 x 1 kernel": ((2, 3, 6, 6), 1, 1, 0),
    "padding beyond the kernel": ((2, 2, 5, 5), 2, 1, 5),
    "output that reads only padding": ((2, 2, 1, 1), 1, 4, 4),
    "stride 3": ((2, 2, 14, 13), 5, 3, 2),
    "stride beyond the kernel": ((2, 2, 13, 13), 2, 5, 0),
    "stride leaves the end unread": ((2, 2, 10, 10), 3, 4, 0),
    "two strides": ((2, 2, 12, 12), 3, (2, 3), 1),
    "same, even kernel": ((2, 2, 9, 8), (4, 6), 1, "same"),
    "same, odd kernel": ((2, 2, 9, 8), (5, 3), 1, "same"),
    "many samples": ((67, 2, 5, 5), 3, 1, 1),
    "many maps": ((2, 70, 6, 6), 3, 1, 1),
}


@pytest.mark.parametrize("hazard", HAZARDS)
@pytest.mark.parametrize("method", ALL, ids=lambda method: method.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hazard(device, method, dtype, hazard, rng):
    shape, kernel_size, stride, padding = HAZARDS[hazard]
    check(method(shape[1], 4, kernel_size, stride, padding, dtype=dtype), shape, rng)


@st.composite
def layers(draw):
    """Draw (input shape, arguments of a convolution layer) with any combination of hazards."""
    small = st.integers(1, 4)
    kernel = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    same = draw(st.integers(0, 4)) == 0
    arguments = {
        "in_channels": draw(small),
        "out_channels": draw(small),
        "kernel_size": kernel,
        "stride": (1, 1) if same else draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        "padding": "same" if same else draw(st.tuples(st.integers(0, 6), st.integers(0, 6))),
        "bias": draw(st.booleans()),
        "memory": draw(st.sampled_from(["recompute", "keep"])),
        "tile": draw(st.none() | st.integers(1, 12)),
    }
    size = draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    padding = kernel if same else tuple(2 * p for p in arguments["padding"])
    assume(all(n + p >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    return (draw(small), arguments["in_channels"], *size), arguments


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layer=layers(), seed=st.integers(0, 2**32 - 1))
def test_random_combinations_of_hazards(device, method, layer, seed):
    shape, arguments = layer
    tinyfft.manual_seed(seed)  # the weights too are the same in any order of the examples
    check(method(**arguments), shape, np.random.default_rng(seed))


@pytest.mark.parametrize("stride", [1, 2])
def test_tiles_of_16_pixels_on_every_pass(device, stride, rng):
    layer = nn.FFTConvolution(3, 4, 5, stride, padding=2, tile=16)
    assert layer.plan((2, 3, 70, 45)).tiles > 2
    check(layer, (2, 3, 70, 45), rng)


def test_tiles_of_one_sample_at_a_time(device, rng):
    layer = nn.FFTConvolution(33, 34, 9, padding=2, tile=18)
    shape = (3, 33, 40, 33)
    plan = layer.plan(shape)
    assert plan.kind == "cuda" or [plan.one_sample_at_a_time("x", 33), plan.one_sample_at_a_time("y", 34)] == [
        True,
        True,
    ]
    check(layer, shape, rng)


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.__name__)
def test_central_differences(device, method, rng):
    layer = method(2, 3, (3, 4), stride=(2, 1), padding=(1, 2), dtype="float64")
    gradcheck(layer, device.array(rng.standard_normal((2, 2, 7, 5))))


def test_all_methods_have_the_same_initial_weights():
    weights = []
    for method in ALL:
        tinyfft.manual_seed(3)
        weights.append(method(3, 4, 5).weight)
    assert np.array_equal(weights[0], weights[1])
    assert np.array_equal(weights[0], weights[2])


def test_auto_chooses_a_method_once(device, rng):
    layer = nn.Convolution(3, 4, 3)
    x, gy = (device.array(rng.standard_normal(s).astype("float32")) for s in ((2, 3, 8, 8), (2, 4, 6, 6)))
    assert set(layer.algorithms.values()) == {None}
    layer.forward(x)
    layer.backward(x, gy)
    chosen = dict(layer.algorithms)
    assert set(chosen.values()) <= {"fft", "direct"}
    layer.forward(x)
    layer.backward(x, gy)
    assert layer.algorithms == chosen
    assert "auto: " in repr(layer)


BAD_INPUT = [
    ((2, 3, 8, 8), r"input has 3 maps \(shape \(2, 3, 8, 8\)\), expected in_channels = 2"),
    ((2, 8, 8), r"input has shape \(2, 8, 8\), expected 4 axes \(S, C, H, W\)"),
    ((0, 2, 8, 8), r"input has shape \(0, 2, 8, 8\), expected at least 1 on each axis"),
    ((2, 2, 4, 8), r"input has shape \(2, 2, 4, 8\), 4 x 8 when padded, expected at least the kernel's 5 x 5"),
]


@pytest.mark.parametrize(("shape", "message"), BAD_INPUT)
@pytest.mark.parametrize("method", ALL, ids=lambda method: method.__name__)
def test_wrong_input_is_named(method, shape, message):
    with pytest.raises(ValueError, match=f"{method.__name__}: {message}"):
        method(2, 3, 5).forward(np.zeros(shape, "float32"))


BAD_ARGUMENTS = [
    ({"in_channels": 0}, ValueError, "in_channels is 0, expected at least 1"),
    ({"kernel_size": (3, 0)}, ValueError, "kernel_size is 0, expected at least 1"),
    ({"kernel_size": (3, 3, 3)}, TypeError, r"kernel_size is \(3, 3, 3\), expected an integer or a pair"),
    ({"kernel_size": 2.5}, TypeError, "kernel_size is 2.5, expected an integer"),
    ({"stride": 0}, ValueError, "stride is 0, expected at least 1"),
    ({"padding": -1}, ValueError, "padding is -1, expected at least 0"),
    ({"padding": "valid"}, TypeError, "padding is 'valid', expected an integer or a pair"),
    ({"padding": "same", "stride": 2}, ValueError, r"padding is 'same' with stride \(2, 2\), expected stride 1"),
    ({"groups": 2}, ValueError, "groups = 2, dilation = 1: only 1 is supported, for both"),
    ({"dilation": 2}, ValueError, "groups = 1, dilation = 2: only 1 is supported, for both"),
    ({"precision": "tf32"}, ValueError, "precision on cpu is 'tf32', expected 'fp32'"),
    ({"precision": "bf16"}, ValueError, "precision on cpu is 'bf16', expected 'fp32'"),
    ({"memory": "forget"}, ValueError, "memory is 'forget', expected 'recompute' or 'keep'"),
    ({"dtype": "float16"}, ValueError, "dtype is float16, expected float32 or float64"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD_ARGUMENTS)
@pytest.mark.parametrize("method", ALL, ids=lambda method: method.__name__)
def test_wrong_arguments_are_named(method, arguments, kind, message):
    with pytest.raises(kind, match=f"{method.__name__}: {message}"):
        method(**{"in_channels": 2, "out_channels": 3, "kernel_size": 3, **arguments})


def test_unknown_algorithm_is_named():
    with pytest.raises(ValueError, match="algorithm is 'winograd', expected one of auto, fft, direct"):
        nn.Convolution(2, 3, 3, algorithm="winograd")


def test_repr_shows_sizes():
    layer = nn.FFTConvolution(3, 16, (5, 7), stride=2, padding=1, bias=False, tile=8)
    assert repr(layer) == (
        "nn.FFTConvolution(3 -> 16, 5x7, stride 2x2, padding (1, 1), no bias, tile 8, fp32, recompute)"
    )


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # a warning about PyTorch's speed
@pytest.mark.parametrize("hazard", HAZARDS)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_pytorch_agrees(method, hazard, rng):
    shape, kernel_size, stride, padding = HAZARDS[hazard]
    check_against_pytorch(method(shape[1], 4, kernel_size, stride, padding, dtype="float64"), shape, rng)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layer=layers(), seed=st.integers(0, 2**32 - 1))
def test_pytorch_agrees_on_random_combinations(method, layer, seed):
    shape, arguments = layer
    check_against_pytorch(method(**arguments, dtype="float64"), shape, np.random.default_rng(seed))


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "least", "most"), [("tf32", 1e-7, 1e-3), ("bf16", 1e-5, 2e-2)])
def test_precision_of_tensor_cores(precision, least, most, rng):
    device = tinyfft.use_device("cuda")
    layer = nn.FFTConvolution(64, 64, 5, padding=2, precision=precision)
    x = rng.standard_normal((8, 64, 16, 16)).astype("float32")
    expected = convolution(x, to_host(layer.weight), to_host(layer.bias), padding=(2, 2))
    assert least < error(layer.forward(device.array(x)), expected) <= most
    assert layer.output.dtype == layer.weight.dtype == np.float32
