"""Parameters of a layer: their arrays, the arrays of their gradients, and their initial values.

    torch7    weight and bias uniform in [-1/sqrt(fan_in), 1/sqrt(fan_in)]
    kaiming   weight normal with mean 0 and variance 2/fan_in, bias zero: layers with ReLU keep the variance

fan_in is the number of inputs that one output sums over: in_features, or in_channels kH kW.
Dtypes  float32, float64. The host samples in float64 and then casts, so all devices get the same numbers.
Raises  ValueError for any other dtype or rule.
Source  torch/nn, Linear.lua, reset; He et al. 2015, arXiv:1502.01852 (the rule as CS231n's notes give it)
"""

from typing import Any

import numpy as np

from tinyfft.backend import Array, Device, current_device
from tinyfft.nn.module import Module, gradient_name
from tinyfft.random import generator

RULES = ("torch7", "kaiming")


def add_parameters(layer: Module, dtype: Any, **shapes: tuple[int, ...] | None) -> None:
    """Set the layer's `dtype`, an uninitialized array for each name in `shapes`, and a gradient of zeros for each.

    A name whose shape is None becomes an attribute with the value None: `bias=(F,) if bias else None`.
    """
    layer.dtype = np.dtype(dtype)
    if layer.dtype.name not in ("float32", "float64"):
        raise ValueError(f"{type(layer).__name__}: dtype is {layer.dtype}, expected float32 or float64")
    layer.parameter_names = tuple(name for name, shape in shapes.items() if shape is not None)
    for name, shape in shapes.items():
        setattr(layer, name, None if shape is None else layer.device.empty(shape, layer.dtype))
        setattr(layer, gradient_name(name), None if shape is None else layer.device.empty(shape, layer.dtype))
        if shape is not None:
            getattr(layer, gradient_name(name)).fill(0)


def initialize(weight: Array, bias: Array | None, rule: str, fan_in: int, device: Device | None = None) -> None:
    """Write initial values by `rule` into arrays of `device`, by default the current device."""
    if rule not in RULES:
        raise ValueError(f"initialize: init is {rule!r}, expected 'torch7' or 'kaiming'")
    device = device or current_device()
    sample = uniform_fan_in if rule == "torch7" else kaiming_normal
    weight[...] = device.array(sample(weight.shape, fan_in), weight.dtype)
    if bias is not None and rule == "torch7":
        bias[...] = device.array(uniform_fan_in(bias.shape, fan_in), bias.dtype)
    elif bias is not None:
        bias.fill(0)


def uniform_fan_in(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Return float64 samples on the host, uniform in +-1/sqrt(fan_in)."""
    bound = fan_in**-0.5
    return generator().uniform(-bound, bound, shape)


def kaiming_normal(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Return float64 samples on the host, normal with standard deviation sqrt(2/fan_in)."""
    return generator().normal(0.0, (2 / fan_in) ** 0.5, shape)
