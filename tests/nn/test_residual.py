"""Residual against its definition and central differences."""

import numpy as np
import pytest
from measure import FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck


def chain():
    """Return a chain whose last module, a ReLU, reads its output in the backward pass."""
    return nn.Residual(nn.FFTConvolution(3, 3, 3, padding=1, dtype="float64"), nn.ReLU())


def test_definition(device, rng):
    layer, x, gy = chain(), *(device.array(rng.standard_normal((2, 3, 5, 4))) for _ in range(2))
    alone = nn.FFTConvolution(3, 3, 3, padding=1, dtype="float64")
    alone.weight[...], alone.bias[...] = layer[0].weight, layer[0].bias
    f = to_host(alone.forward(x)).copy()
    assert error(layer.forward(x), to_host(x) + np.maximum(f, 0)) <= FP64_BOUND
    inner = to_host(alone.backward(x, device.array(to_host(gy) * (f > 0))))
    assert error(layer.backward(x, gy), to_host(gy) + inner) <= FP64_BOUND


def test_central_differences(device, rng):
    gradcheck(chain(), device.array(rng.standard_normal((2, 3, 5, 4))))


def test_between_modules_that_overwrite_their_input(device, rng):
    network = nn.Sequential(
        nn.BatchNormalization(3, dtype="float64"),
        nn.ReLU(),
        nn.Residual(nn.BatchNormalization(3, dtype="float64"), nn.ReLU()),
        nn.Residual(nn.ReLU(), nn.FFTConvolution(3, 3, 3, padding=1, dtype="float64")),
        nn.ReLU(),
    )
    gradcheck(network, device.array(rng.standard_normal((4, 3, 4, 4))))


def test_a_chain_that_changes_the_shape_is_an_error(device, rng):
    layer = nn.Residual(nn.FFTConvolution(3, 3, 3, dtype="float64"))
    message = r"Residual: chain has output shape \(2, 3, 3, 2\), expected \(2, 3, 5, 4\), as the input"
    with pytest.raises(ValueError, match=message):
        layer.forward(device.array(rng.standard_normal((2, 3, 5, 4))))


def test_repr_and_names():
    layer = chain()
    assert repr(layer).startswith("nn.Residual {\n  (0): nn.FFTConvolution(")
    assert set(nn.Sequential(nn.ReLU(), layer).state()) == {"1.0.weight", "1.0.bias"}
