"""MaxPool and AveragePool against their definitions, an adjoint identity, central differences and PyTorch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure import FP64_BOUND, error
from pools import axis_sizes, case, check, random_input

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck

kinds = pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])


@kinds
@case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_definition(device, rng, kind, shape, kernel_size, stride, padding, dtype):
    check(kind, device, rng.standard_normal(shape).astype(dtype), rng, kernel_size, stride, padding)


@case
@pytest.mark.parametrize("values", ["ties", "nan"])
def test_ties_go_to_the_first_and_nan_has_no_gradient(device, rng, values, shape, kernel_size, stride, padding):
    check("MaxPool", device, random_input(rng, shape, values), rng, kernel_size, stride, padding)


def test_padding_is_never_a_maximum(device):
    x = device.array(np.full((1, 1, 2, 2), -3.0))
    assert to_host(nn.MaxPool(2, 2, 1).forward(x)).tolist() == [[[[-3, -3], [-3, -3]]]]


@kinds
@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(S=st.integers(1, 2), C=st.integers(1, 2), rows=axis_sizes, columns=axis_sizes, ties=st.booleans())
def test_random_sizes(device, kind, S, C, rows, columns, ties):
    rng = np.random.default_rng(5)
    (H, kH, sH, pH), (W, kW, sW, pW) = rows, columns
    shape = (S, C, H, W)
    x = rng.integers(-2, 2, shape).astype(np.float64) if ties else rng.standard_normal(shape)
    check(kind, device, x, rng, (kH, kW), (sH, sW), (pH, pW))


@case
def test_average_adjoint(device, rng, shape, kernel_size, stride, padding):
    layer = nn.AveragePool(kernel_size, stride, padding)
    x = device.array(rng.standard_normal(shape))
    y = layer.forward(x)
    dy = device.array(rng.standard_normal(y.shape))
    left, right = float((y * dy).sum()), float((x * layer.backward(x, dy)).sum())
    assert abs(left - right) <= FP64_BOUND * float((abs(y) * abs(dy)).sum() + 1)


@kinds
@case
def test_central_differences(device, rng, kind, shape, kernel_size, stride, padding):
    x = rng.permutation(np.arange(np.prod(shape), dtype=np.float64)).reshape(shape)  # no two values are close
    gradcheck(getattr(nn, kind)(kernel_size, stride, padding), device.array(x / x.size), eps=1e-6)


@kinds
def test_strided_input(device, rng, kind):
    x = rng.standard_normal((6, 2, 3, 8)).transpose(1, 2, 0, 3)[..., ::2]
    check(kind, device, x, rng, 2, None, 0)


def test_gradients_in_evaluation(device, rng):
    layer = nn.MaxPool(2)
    layer.evaluate()
    gradcheck(layer, device.array(rng.standard_normal((2, 2, 4, 4))))


@pytest.mark.torch
@kinds
@case
def test_against_torch(device, rng, kind, shape, kernel_size, stride, padding):
    import torch

    peer = {"MaxPool": torch.nn.MaxPool2d, "AveragePool": torch.nn.AvgPool2d}[kind](kernel_size, stride, padding)
    for x in (rng.standard_normal(shape), rng.integers(0, 2, shape).astype(np.float64)):
        peer_x = torch.from_numpy(x).requires_grad_()
        peer_y = peer(peer_x)
        dy = rng.standard_normal(tuple(peer_y.shape))
        peer_y.backward(torch.from_numpy(dy))
        layer = getattr(nn, kind)(kernel_size, stride, padding)
        assert error(layer.forward(device.array(x)), peer_y.detach().numpy()) <= FP64_BOUND
        assert error(layer.backward(device.array(x), device.array(dy)), peer_x.grad.numpy()) <= FP64_BOUND


def test_repr():
    assert repr(nn.MaxPool(2)) == "nn.MaxPool(2x2)"
    assert repr(nn.AveragePool((3, 2), 2, (1, 0))) == "nn.AveragePool(3x2, stride 2x2, padding (1, 0))"


@kinds
def test_errors(device, kind):
    layer, x = getattr(nn, kind)(3, 2), device.array(np.ones((2, 3, 5, 5)))
    with pytest.raises(ValueError, match=f"{kind}: kernel_size is 0, expected at least 1"):
        getattr(nn, kind)(0)
    with pytest.raises(ValueError, match=rf"{kind}: stride is 0, expected at least 1"):
        getattr(nn, kind)(2, (1, 0))
    with pytest.raises(ValueError, match=f"{kind}: padding is -1, expected at least 0"):
        getattr(nn, kind)(2, 2, -1)
    with pytest.raises(ValueError, match=rf"{kind}: padding is \(2, 2\), expected at most half of kernel_size"):
        getattr(nn, kind)(3, 2, 2)
    with pytest.raises(ValueError, match=rf"{kind}: input has shape \(5, 5\), expected \(S, C, H, W\)"):
        layer.forward(x[0, 0])
    with pytest.raises(ValueError, match=rf"{kind}: input has shape \(2, 3, 5, 2\), expected planes of at least"):
        layer.forward(x[..., :2])
