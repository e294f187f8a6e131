"""BatchNormalization against its definition, central differences and PyTorch, in both modes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure import FP64_BOUND, error
from normalizations import check, define, make, modes, shapes

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck


@shapes
@modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_definition(device, rng, shape, train, dtype):
    check(device, rng, shape, train, dtype)


@settings(deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(S=st.integers(2, 4), C=st.integers(1, 4), H=st.integers(1, 5), W=st.integers(1, 5), train=st.booleans())
def test_random_sizes(device, S, C, H, W, train):
    check(device, np.random.default_rng(5), (S, C, H, W), train, "float64")


@shapes
@modes
def test_central_differences(device, rng, shape, train):
    layer = make(rng, device, shape[1])
    layer.train = train
    gradcheck(layer, device.array(rng.standard_normal(shape)))


@modes
def test_backward_equals_its_two_passes(device, rng, train):
    x, dy = (device.array(rng.standard_normal((4, 3, 2, 5))) for _ in range(2))
    one_call, two_calls = (make(np.random.default_rng(5), device, 3) for _ in range(2))
    for layer in (one_call, two_calls):
        layer.train = train
        layer.forward(x)
    dx = one_call.backward(x, dy, 0.5)
    assert dx is one_call.gradInput
    assert error(dx, to_host(two_calls.updateGradInput(x, dy))) == 0
    two_calls.accGradParameters(x, dy, 0.5)
    for ours, theirs in zip(one_call.parameters()[1], two_calls.parameters()[1], strict=True):
        assert error(ours, to_host(theirs)) == 0
    one_call.needs_gradInput = False
    assert one_call.backward(x, dy) is None


def test_an_empty_minibatch_in_evaluation(device):
    layer = nn.BatchNormalization(3)
    layer.evaluate()
    x = device.array(np.ones((0, 3, 4, 5), np.float32))
    assert layer.forward(x).shape == layer.backward(x, x).shape == x.shape


def test_backward_uses_the_mode_of_the_last_forward_pass(device, rng):
    layer = make(rng, device, 3)
    x, dy = (device.array(rng.standard_normal((4, 3, 2, 5))) for _ in range(2))
    layer.forward(x)
    in_training = to_host(layer.updateGradInput(x, dy)).copy()
    layer.evaluate()
    assert error(layer.updateGradInput(x, dy), in_training) == 0


def test_evaluation_does_not_change_the_running_statistics(device, rng):
    layer = make(rng, device, 3)
    before = to_host(layer.running_mean).copy(), to_host(layer.running_var).copy()
    layer.evaluate()
    layer.forward(device.array(rng.standard_normal((1, 3))))
    assert error(layer.running_mean, before[0]) == 0
    assert error(layer.running_var, before[1]) == 0


def test_not_affine(device, rng):
    layer = nn.BatchNormalization(3, affine=False, dtype="float64")
    x = device.array(rng.standard_normal((4, 3, 2, 5)))
    y, *_ = define(to_host(x), to_host(x), np.ones(3), np.zeros(3), np.zeros(3), np.ones(3), True)
    assert error(layer.forward(x), y) <= FP64_BOUND
    assert layer.parameters() == ([], [])
    assert list(layer.state()) == ["running_mean", "running_var"]
    gradcheck(layer, x)


def test_a_new_layer_is_the_identity_in_evaluation(device, rng):
    layer = nn.BatchNormalization(3, eps=1e-12, dtype="float64")
    layer.evaluate()
    x = rng.standard_normal((4, 3))
    assert error(layer.forward(device.array(x)), x) <= FP64_BOUND
    assert list(layer.state()) == ["weight", "bias", "running_mean", "running_var"]


@pytest.mark.torch
@shapes
@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_against_torch(device, rng, shape, momentum):
    import torch

    layer = make(rng, device, shape[1], momentum=momentum, eps=1e-3)
    kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
    peer = kind(shape[1], eps=1e-3, momentum=momentum, dtype=torch.float64)
    with torch.no_grad():
        for name, array in layer.state().items():
            getattr(peer, name).copy_(torch.from_numpy(to_host(array)))
    for train in (True, True, False):  # evaluation uses the running statistics of two steps
        layer.train = train
        peer.train(train)
        x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
        peer_x = torch.from_numpy(x).requires_grad_()
        peer_y = peer(peer_x)
        peer_y.backward(torch.from_numpy(dy))
        assert error(layer.forward(device.array(x)), peer_y.detach().numpy()) <= FP64_BOUND
        dx = layer.backward(device.array(x), device.array(dy))
        # With two values in a map dx nearly cancels, so its terms are the scale.
        assert error(dx, peer_x.grad.numpy(), 100.0) <= FP64_BOUND
        assert error(layer.running_mean, peer.running_mean.numpy()) <= FP64_BOUND
        assert error(layer.running_var, peer.running_var.numpy()) <= FP64_BOUND
    assert error(layer.gradWeight, peer.weight.grad.numpy()) <= FP64_BOUND
    assert error(layer.gradBias, peer.bias.grad.numpy()) <= FP64_BOUND


def test_repr():
    assert repr(nn.BatchNormalization(16)) == "nn.BatchNormalization(16)"
    assert repr(nn.BatchNormalization(16, affine=False)) == "nn.BatchNormalization(16, not affine)"


def test_errors(device):
    layer, x = nn.BatchNormalization(3), device.array(np.ones((2, 3, 4, 5), np.float32))
    with pytest.raises(ValueError, match="num_features is 0, expected at least 1"):
        nn.BatchNormalization(0)
    with pytest.raises(ValueError, match="eps is 0, expected more than 0"):
        nn.BatchNormalization(3, eps=0)
    with pytest.raises(ValueError, match=r"momentum is 1.5, expected 0 to 1"):
        nn.BatchNormalization(3, momentum=1.5)
    with pytest.raises(ValueError, match=r"input has shape \(2, 2, 4, 5\), expected \(S, 3\) or \(S, 3, H, W\)"):
        layer.forward(x[:, :2])
    with pytest.raises(ValueError, match=r"input has shape \(2, 3, 4\), expected \(S, 3\) or \(S, 3, H, W\)"):
        layer.forward(x[..., 0])
    for single in (x[:1, :, 0, 0], x[:1, :, :1, :1]):
        with pytest.raises(ValueError, match="expected more than one value per map in training"):
            layer.forward(single)
    layer.evaluate()
    assert layer.forward(x[:1, :, 0, 0]).shape == (1, 3)
