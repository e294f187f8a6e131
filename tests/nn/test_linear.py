"""Linear against its definition, an adjoint identity, central differences and PyTorch."""

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck

SHAPES = {  # (S, in_features, out_features)
    "plain": (4, 5, 3),
    "batch 1": (1, 5, 3),
    "one input": (4, 1, 3),
    "one output": (4, 5, 1),
    "all 1": (1, 1, 1),
    "prime sizes": (7, 31, 13),
}


def define(x, weight, bias, dy):
    """Return (y, dx, dweight, dbias) from loops in float64."""
    S, O, I = len(x), *weight.shape  # noqa: E741
    y, dx, dweight, dbias = np.zeros((S, O)), np.zeros((S, I)), np.zeros((O, I)), np.zeros(O)
    for s in range(S):
        for o in range(O):
            y[s, o] += bias[o]
            dbias[o] += dy[s, o]
            for i in range(I):
                y[s, o] += x[s, i] * weight[o, i]
                dx[s, i] += dy[s, o] * weight[o, i]
                dweight[o, i] += dy[s, o] * x[s, i]
    return y, dx, dweight, dbias


def random_case(rng, device, shape, dtype):
    S, I, O = shape  # noqa: E741
    layer = nn.Linear(I, O, dtype=dtype)
    return layer, device.array(rng.standard_normal((S, I)), dtype), device.array(rng.standard_normal((S, O)), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_definition(device, rng, shape, dtype):
    layer, x, dy = random_case(rng, device, shape, dtype)
    expected = define(*(to_host(a).astype(np.float64) for a in (x, layer.weight, layer.bias, dy)))
    scales = define(*(np.abs(to_host(a).astype(np.float64)) for a in (x, layer.weight, layer.bias, dy)))
    y = layer.forward(x)
    dx = layer.backward(x, dy)
    bound = FP32_BOUND if dtype == "float32" else FP64_BOUND
    for result, reference, scale in zip((y, dx, layer.gradWeight, layer.gradBias), expected, scales, strict=True):
        assert result.dtype == dtype
        assert error(result, reference, np.max(scale)) <= bound


def test_without_bias(device, rng):
    layer = nn.Linear(5, 3, bias=False, dtype="float64")
    x, dy = device.array(rng.standard_normal((4, 5))), device.array(rng.standard_normal((4, 3)))
    expected = define(to_host(x), to_host(layer.weight), np.zeros(3), to_host(dy))
    assert error(layer.forward(x), expected[0]) <= FP64_BOUND
    layer.backward(x, dy)
    assert error(layer.gradWeight, expected[2]) <= FP64_BOUND
    assert layer.bias is None
    assert len(layer.parameters()[0]) == 1
    assert list(layer.state()) == ["weight"]


def test_adjoint(device, rng):
    layer, x, dy = random_case(rng, device, (4, 5, 3), "float64")
    layer.bias.fill(0)
    left = float((layer.forward(x) * dy).sum())
    right = float((x * layer.updateGradInput(x, dy)).sum())
    layer.accGradParameters(x, dy)
    by_weight = float((layer.weight * layer.gradWeight).sum())
    scale = float((abs(layer.output) * abs(dy)).sum())
    assert abs(left - right) <= FP64_BOUND * scale
    assert abs(left - by_weight) <= FP64_BOUND * scale


def test_central_differences(device, rng):
    layer, x, _ = random_case(rng, device, (4, 5, 3), "float64")
    gradcheck(layer, x)


def test_strided_arrays(device, rng):
    layer = nn.Linear(5, 3, dtype="float64")
    x, dy = device.array(rng.standard_normal((5, 8))).T[::2], device.array(rng.standard_normal((3, 4))).T
    y, dx, dweight, _ = define(*(to_host(a) for a in (x, layer.weight, layer.bias, dy)))
    assert error(layer.forward(x), y) <= FP64_BOUND
    assert error(layer.backward(x, dy), dx) <= FP64_BOUND
    assert error(layer.gradWeight, dweight) <= FP64_BOUND


def test_reset_writes_new_values_in_place(device):
    layer = nn.Linear(5, 3)
    weights, _ = layer.getParameters()
    before = to_host(weights).copy()
    layer.reset("kaiming")
    after = to_host(weights)
    assert np.all(after[:15] != before[:15])
    assert np.all(after[15:] == 0)


@pytest.mark.torch
@pytest.mark.parametrize("bias", [True, False])
def test_against_torch(device, rng, bias):
    import torch

    layer = nn.Linear(7, 4, bias=bias, dtype="float64")
    x, dy = rng.standard_normal((5, 7)), rng.standard_normal((5, 4))
    peer = torch.nn.Linear(7, 4, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        for theirs, ours in zip(peer.parameters(), layer.parameters()[0], strict=True):
            theirs.copy_(torch.from_numpy(to_host(ours)))
    peer_x = torch.from_numpy(x).requires_grad_()
    peer(peer_x).backward(torch.from_numpy(dy))
    assert error(layer.forward(device.array(x)), peer(peer_x).detach().numpy()) <= FP64_BOUND
    assert error(layer.backward(device.array(x), device.array(dy)), peer_x.grad.numpy()) <= FP64_BOUND
    for theirs, ours in zip(peer.parameters(), layer.parameters()[1], strict=True):
        assert error(ours, theirs.grad.numpy()) <= FP64_BOUND


def test_repr():
    assert repr(nn.Linear(784, 10)) == "nn.Linear(784 -> 10)"
    assert repr(nn.Linear(784, 10, bias=False)) == "nn.Linear(784 -> 10, no bias)"


def test_errors(device, rng):
    layer, x, dy = random_case(rng, device, (4, 5, 3), "float32")
    with pytest.raises(ValueError, match="in_features is 0, expected at least 1"):
        nn.Linear(0, 3)
    with pytest.raises(ValueError, match="out_features is -1, expected at least 1"):
        nn.Linear(3, -1)
    with pytest.raises(ValueError, match="Linear: dtype is int32, expected float32 or float64"):
        nn.Linear(3, 3, dtype="int32")
    with pytest.raises(ValueError, match="init is 'xavier', expected 'torch7' or 'kaiming'"):
        nn.Linear(3, 3, init="xavier")
    layer.forward(x)
    with pytest.raises(ValueError, match=r"Linear: input has shape \(4, 4\), expected \(S, 5\)"):
        layer.forward(x[:, :4])
    with pytest.raises(ValueError, match=r"Linear: input has shape \(5,\), expected \(S, 5\)"):
        layer.forward(x[0])
    with pytest.raises(ValueError, match="Linear: input has dtype float64, expected float32"):
        layer.forward(x.astype("float64"))
    for backward_pass in (layer.updateGradInput, layer.accGradParameters):
        with pytest.raises(ValueError, match=r"Linear: input has shape \(4, 4\), expected \(S, 5\)"):
            backward_pass(x[:, :4], dy)
