"""FFTConvolution's kept spectra: which arrays and weights they are valid for, and their memory."""

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error
from reference import convolution, gradients

from tinyfft import nn, optim
from tinyfft.arena import high_water_bytes, reset_high_water
from tinyfft.backend import to_host


def test_kept_spectra_are_used_for_the_same_array_only(device, rng):
    layer = nn.FFTConvolution(2, 3, 3, memory="keep", dtype="float64")
    x, other = (rng.standard_normal((2, 2, 6, 6)) for _ in range(2))
    gy = rng.standard_normal((2, 3, 4, 4))
    layer.forward(device.array(x))
    layer.backward(device.array(other), device.array(gy))
    assert error(layer.gradWeight, gradients(other, to_host(layer.weight), gy)[1]) <= FP64_BOUND


def test_kept_spectra_come_from_the_last_forward_pass(device, rng):
    layer = nn.FFTConvolution(2, 3, 3, memory="keep", dtype="float64")
    x, gy = device.array(rng.standard_normal((2, 2, 6, 6))), device.array(rng.standard_normal((2, 3, 4, 4)))
    layer.forward(x)
    x *= 2
    layer.weight *= 3
    layer.evaluate()
    layer.forward(x)
    gx = layer.backward(x, gy)
    of_x, of_weight, _ = gradients(to_host(x), to_host(layer.weight), to_host(gy))
    assert error(gx, of_x) <= FP64_BOUND
    assert error(layer.gradWeight, of_weight) <= FP64_BOUND


def test_weights_changed_by_hand(device, rng):
    layer = nn.FFTConvolution(2, 3, 3, memory="keep", dtype="float64")
    x, gy = device.array(rng.standard_normal((2, 2, 6, 6))), device.array(rng.standard_normal((2, 3, 4, 4)))
    layer.forward(x)
    layer.weight *= 3
    layer.weights_changed()
    gx = layer.backward(x, gy)
    assert error(gx, gradients(to_host(x), to_host(layer.weight), to_host(gy))[0]) <= FP64_BOUND


def test_evaluation_keeps_the_spectra_of_the_weights(device, rng):
    layer = nn.FFTConvolution(2, 3, 3, dtype="float64")
    x = device.array(rng.standard_normal((2, 2, 6, 6)))
    layer.evaluate()
    before = to_host(layer.forward(x)).copy()
    layer.weight += 1  # without weights_changed()
    assert error(layer.forward(x), before) <= FP64_BOUND


CHANGES = {
    "weights_changed": lambda layer, sgd: layer.weights_changed(),
    "training": lambda layer, sgd: (layer.training(), layer.evaluate()),
    "an optimizer's step": lambda layer, sgd: sgd.step(),
    "reset": lambda layer, sgd: layer.reset(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_spectra_of_changed_weights_are_computed_again(device, change, rng):
    layer = nn.FFTConvolution(2, 3, 3, dtype="float64")
    sgd = optim.SGD(*layer.getParameters(), learning_rate=0.1)
    sgd.gradients.fill(1)
    x = device.array(rng.standard_normal((2, 2, 6, 6)))
    layer.evaluate()
    layer.forward(x)
    layer.weight += 1
    CHANGES[change](layer, sgd)
    expected = convolution(to_host(x), to_host(layer.weight), to_host(layer.bias))
    assert error(layer.forward(x), expected) <= FP64_BOUND


def test_layers_share_the_arena(device, rng):
    layers = [nn.FFTConvolution(4, 4, 5, padding=2) for _ in range(5)]
    x = device.array(rng.standard_normal((8, 4, 24, 24)).astype("float32"))
    peaks = []
    for count in (1, 5):
        reset_high_water(device)
        network = nn.Sequential(*layers[:count])
        network.backward(x, network.forward(x).copy())
        peaks.append(high_water_bytes(device))
    plan = layers[0].plan(x.shape)
    assert peaks[0] == peaks[1]
    assert plan.spectra_bytes <= peaks[0] <= plan.arena_bytes


def test_input_with_an_odd_offset_in_memory(device, rng):
    """A slice of a larger array is contiguous, but may start at an address that is not aligned to two numbers."""
    layer = nn.FFTConvolution(2, 3, 3, padding=1)
    x = device.array(rng.standard_normal(2 * 2 * 6 * 6 + 1, dtype=np.float32))[1:].reshape(2, 2, 6, 6)
    expected = convolution(to_host(x), to_host(layer.weight), to_host(layer.bias), padding=(1, 1))
    assert error(layer.forward(x), expected) <= FP32_BOUND
