"""BatchNormalization in float32 on data for which a naive sum of squares loses all digits."""

import numpy as np
import pytest
from measure import FP32_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host


@pytest.mark.parametrize("spread", [1.0, 1e-4])
def test_float32_keeps_the_variance_far_from_zero(device, rng, spread):
    x = (1000 + spread * rng.standard_normal((16, 2, 31, 33))).astype(np.float32)
    layer = nn.BatchNormalization(2, momentum=1.0)
    y = to_host(layer.forward(device.array(x)))
    per_map = x.astype(np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
    assert error(layer.running_var, per_map.var(axis=1, ddof=1)) <= 2e-6
    # Near 1000 the spacing of float32 is 6.1e-5: the mean may be off by half of it.
    assert error(layer.running_mean, per_map.mean(axis=1), 1.0) <= 3.1e-5
    gain = 1 / (np.sqrt(per_map.var(axis=1) + 1e-5))
    assert np.max(np.abs(y.mean(axis=(0, 2, 3), dtype=np.float64)) / gain) <= 4e-5


FAR_APART = {  # means of the samples, deviation of their pixels, offset of all
    "one distant sample": ([1000] + 8 * [0], 1.0, 0.0),
    "all samples distant": (300 * np.arange(9), 1.0, -1e4),
    "small distances far from zero": (3e-4 * np.arange(9), 1e-4, 1000.0),
}


@pytest.mark.parametrize(("samples", "pixels", "offset"), FAR_APART.values(), ids=FAR_APART)
@pytest.mark.parametrize("shape", [(9, 2, 13, 7), (9, 2)])
def test_float32_keeps_the_variance_of_samples_far_apart(device, rng, shape, samples, pixels, offset):
    x = offset + np.reshape(samples, (-1, *[1] * (len(shape) - 1))) + pixels * rng.standard_normal(shape)
    x = x.astype(np.float32)
    layer = nn.BatchNormalization(2, momentum=1.0)
    layer.forward(device.array(x))
    per_map = np.moveaxis(x.astype(np.float64), 1, 0).reshape(2, -1)
    assert error(layer.running_var, per_map.var(axis=1, ddof=1)) <= 1e-6
    assert error(layer.running_mean, per_map.mean(axis=1)) <= 1e-6


def test_equal_values_are_normalized_to_the_bias(device):
    layer = nn.BatchNormalization(1)
    layer.bias.fill(0.5)
    x = device.array(np.full((3, 1, 7, 5), 0.1, np.float32))
    assert error(layer.forward(x), np.full(x.shape, 0.5)) <= FP32_BOUND
    assert float(layer.running_var[0]) == pytest.approx(0.9, rel=1e-6)
