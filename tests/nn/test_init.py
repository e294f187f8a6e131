"""Initial values: bounds and moments, and the same numbers for all dtypes and devices."""

import numpy as np
import pytest
from measure import error

import tinyfft
from tinyfft import nn
from tinyfft.backend import Device, to_host
from tinyfft.nn.init import add_parameters, initialize, kaiming_normal, uniform_fan_in


def test_uniform_fan_in_fills_its_interval():
    values = uniform_fan_in((400, 100), fan_in=25)
    assert values.dtype == np.float64
    assert np.max(np.abs(values)) <= 0.2
    # 40000 numbers: each deviation allowed is more than six times the standard error of the moment.
    assert abs(np.mean(values)) <= 0.004
    assert abs(np.var(values) / (0.2**2 / 3) - 1) <= 0.03


def test_kaiming_normal_has_its_variance():
    values = kaiming_normal((400, 100), fan_in=50)
    assert abs(np.mean(values)) <= 0.006
    assert abs(np.var(values) / (2 / 50) - 1) <= 0.05
    assert np.max(np.abs(values)) > 3 * 0.2  # tails, which a uniform distribution lacks


def test_kaiming_keeps_the_variance_through_relu():
    x = np.random.default_rng(3).standard_normal((200, 300))
    for _ in range(3):
        x = np.maximum(x, 0) @ kaiming_normal((300, 300), fan_in=300).T
    assert 0.7 <= np.var(x) <= 1.4


@pytest.mark.parametrize("rule", ["torch7", "kaiming"])
def test_initialize_writes_weight_and_bias(device, rule):
    weight, bias = device.empty((3, 5), "float64"), device.empty((3,), "float64")
    tinyfft.manual_seed(7)
    initialize(weight, bias, rule, 5, device)
    tinyfft.manual_seed(7)
    sample = uniform_fan_in if rule == "torch7" else kaiming_normal
    assert error(weight, sample((3, 5), 5)) == 0
    assert error(bias, sample((3,), 5) if rule == "torch7" else np.zeros(3)) == 0


def test_fan_in_of_linear_is_its_inputs(device):
    layer = nn.Linear(4, 1000)
    for values in (to_host(layer.weight), to_host(layer.bias)):
        assert 0.49 <= np.max(np.abs(values)) <= 0.5


def test_float32_values_are_the_rounded_float64_values(device):
    layers = []
    for dtype in ("float32", "float64"):
        tinyfft.manual_seed(5)
        layers.append(nn.Linear(6, 4, dtype=dtype))
    assert np.array_equal(to_host(layers[0].weight), to_host(layers[1].weight).astype(np.float32))


def test_same_seed_same_numbers_on_every_device(device):
    tinyfft.manual_seed(5)
    here = nn.Linear(6, 4)
    tinyfft.use_device("cpu")
    tinyfft.manual_seed(5)
    there = nn.Linear(6, 4)
    assert np.array_equal(to_host(here.weight), there.weight)
    assert not np.array_equal(nn.Linear(6, 4).weight, there.weight)


def test_add_parameters(device):
    layer = nn.Module()
    add_parameters(layer, "float64", weight=(2, 3), bias=None)
    assert layer.parameter_names == ("weight",)
    assert layer.weight.shape == layer.gradWeight.shape == (2, 3)
    assert layer.weight.dtype == layer.gradWeight.dtype == layer.dtype == "float64"
    assert float(abs(layer.gradWeight).max()) == 0
    assert layer.bias is None
    assert layer.gradBias is None


def test_errors():
    weight = Device("cpu").empty((3, 5), "float32")
    with pytest.raises(ValueError, match="init is 'glorot', expected 'torch7' or 'kaiming'"):
        initialize(weight, None, "glorot", 5)
    with pytest.raises(ValueError, match="Module: dtype is float16, expected float32 or float64"):
        add_parameters(nn.Module(), "float16", weight=(2, 3))
