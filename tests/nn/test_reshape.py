"""Flatten: the order of the numbers in both passes."""

import numpy as np
import pytest
from measure import error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 4, 5), (2, 1, 1, 1), (3, 7), (2, 3, 4)])
def test_definition(device, rng, shape):
    x = rng.standard_normal(shape)
    expected = np.array([[x[(s, *i)] for i in np.ndindex(*shape[1:])] for s in range(shape[0])])
    layer = nn.Flatten()
    assert error(layer.forward(device.array(x)), expected) == 0
    assert error(layer.backward(device.array(x), device.array(expected)), x) == 0


def test_no_copy(device, rng):
    x = device.array(rng.standard_normal((2, 3, 4, 5)))
    layer = nn.Flatten()
    y = layer.forward(x)
    x[1, 2, 3, 4] = 7
    assert float(y[1, 59]) == 7


def test_strided_input(device, rng):
    x = rng.standard_normal((2, 4, 5, 3)).transpose(0, 3, 1, 2)
    expected = np.array([[x[(s, *i)] for i in np.ndindex(3, 4, 5)] for s in range(2)])
    assert error(nn.Flatten().forward(device.array(x)), expected) == 0


def test_central_differences(device, rng):
    gradcheck(nn.Flatten(), device.array(rng.standard_normal((2, 3, 4))))


@pytest.mark.torch
def test_against_torch(device, rng):
    import torch

    x = rng.standard_normal((2, 3, 4, 5))
    expected = torch.nn.Flatten()(torch.from_numpy(x)).numpy()
    assert error(nn.Flatten().forward(device.array(x)), expected) == 0


def test_errors(device):
    layer, x = nn.Flatten(), device.array(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"Flatten: input has shape \(2,\), expected \(S, ...\)"):
        layer.forward(x[:, 0, 0])
    y = layer.forward(x)
    with pytest.raises(ValueError, match=r"gradOutput has shape \(2, 11\) and dtype float64, expected \(2, 12\)"):
        layer.backward(x, y[:, :11])
    assert to_host(y).shape == (2, 12)
