"""ReLU and LogSoftMax against their definitions, central differences and PyTorch."""

import math

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck

SHAPES = {"plain": (4, 5), "batch 1": (1, 5), "one class": (4, 1), "all 1": (1, 1)}


def log_softmax(x, dy):
    y, dx = np.zeros(x.shape), np.zeros(x.shape)
    for s, row in enumerate(x):
        largest = max(row)
        log_sum = largest + math.log(math.fsum(math.exp(v - largest) for v in row))
        for k, v in enumerate(row):
            y[s, k] = v - log_sum
        for k in range(len(row)):
            dx[s, k] = dy[s, k] - math.exp(y[s, k]) * math.fsum(dy[s])
    return y, dx


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 2, 5, 4), (1, 1, 1, 1), (4, 7), (9,)])
def test_relu_is_exact(device, rng, shape, dtype):
    x, dy = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
    layer = nn.ReLU()
    y = layer.forward(device.array(x))
    dx = layer.backward(device.array(x), device.array(dy))
    assert y.dtype == dx.dtype == dtype
    assert error(y, np.where(x > 0, x, 0), 1.0) == 0
    assert error(dx, np.where(x > 0, dy, 0), 1.0) == 0


def test_relu_gradient_at_zero_is_zero(device):
    x = device.array(np.array([[-1.0, -0.0, 0.0, 2.0]]))
    layer = nn.ReLU()
    assert to_host(layer.forward(x)).tolist() == [[0, 0, 0, 2]]
    assert to_host(layer.backward(x, x * 0 + 5)).tolist() == [[0, 0, 0, 5]]


def test_relu_keeps_nan(device):
    x = device.array(np.array([[np.nan, 1.0]]))
    assert np.isnan(to_host(nn.ReLU().forward(x))[0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_log_softmax_definition(device, rng, shape, dtype):
    x, dy = (3 * rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)
    y, dx = log_softmax(x.astype(np.float64), dy.astype(np.float64))
    layer = nn.LogSoftMax()
    bound = FP32_BOUND if dtype == "float32" else FP64_BOUND
    assert error(layer.forward(device.array(x)), y, max(1.0, np.max(np.abs(y)))) <= bound
    assert error(layer.backward(device.array(x), device.array(dy)), dx, np.max(np.abs(dy))) <= bound
    assert layer.output.dtype == layer.gradInput.dtype == dtype


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_log_softmax_is_stable(device, offset):
    x = np.array([[0.0, 1.0, 2.0], [-3000.0, 0.0, 3000.0]]) + offset
    y, _ = log_softmax(x, np.zeros(x.shape))
    assert error(nn.LogSoftMax().forward(device.array(x)), y) <= FP64_BOUND


@pytest.mark.parametrize("layer", [nn.ReLU, nn.LogSoftMax])
def test_central_differences(device, rng, layer):
    x = rng.uniform(0.1, 1, (4, 5)) * rng.choice([-1, 1], (4, 5))  # away from ReLU's kink
    gradcheck(layer(), device.array(x))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("layer", "peer"), [(nn.ReLU, lambda t: t.nn.ReLU()), (nn.LogSoftMax, lambda t: t.nn.LogSoftmax(dim=1))]
)
def test_against_torch(device, rng, layer, peer):
    import torch

    x, dy = rng.standard_normal((6, 9)), rng.standard_normal((6, 9))
    peer_x = torch.from_numpy(x).requires_grad_()
    peer_y = peer(torch)(peer_x)
    peer_y.backward(torch.from_numpy(dy))
    module = layer()
    assert error(module.forward(device.array(x)), peer_y.detach().numpy()) <= FP64_BOUND
    assert error(module.backward(device.array(x), device.array(dy)), peer_x.grad.numpy()) <= FP64_BOUND


def test_wrong_shape_is_named(device):
    with pytest.raises(ValueError, match=r"LogSoftMax: input has shape \(3,\), expected \(S, K\)"):
        nn.LogSoftMax().forward(device.array(np.ones(3)))
