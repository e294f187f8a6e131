"""BatchNormalization's definition, map by map, and checks of a layer against it."""

import math

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host

SHAPES = {
    "plain": (4, 3, 5, 6),
    "vectors": (6, 3),
    "batch 1": (1, 3, 4, 5),
    "one map": (4, 1, 3, 3),
    "one pixel": (4, 3, 1, 1),
    "two values": (2, 3),
    "prime sizes": (3, 5, 7, 11),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
modes = pytest.mark.parametrize("train", [True, False], ids=["training", "evaluation"])


def define(x, dy, weight, bias, running_mean, running_var, train, eps=1e-5, momentum=0.1):
    """Return (y, dx, dweight, dbias, running_mean, running_var), map by map with exact sums."""
    y, dx, C = np.zeros(x.shape), np.zeros(x.shape), x.shape[1]
    dweight, dbias = np.zeros(C), np.zeros(C)
    running_mean, running_var = running_mean.copy(), running_var.copy()
    for c in range(C):
        values, grads = x[:, c].ravel().tolist(), dy[:, c].ravel().tolist()
        n = len(values)
        mean, var = running_mean[c], running_var[c]
        if train:
            mean = math.fsum(values) / n
            var = math.fsum((v - mean) ** 2 for v in values) / n
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
            running_var[c] = (1 - momentum) * running_var[c] + momentum * var * n / (n - 1)
        std = math.sqrt(var + eps)
        x_hat = [(v - mean) / std for v in values]
        dbias[c], dweight[c] = math.fsum(grads), math.fsum(g * h for g, h in zip(grads, x_hat, strict=True))
        for i, (g, h) in enumerate(zip(grads, x_hat, strict=True)):
            s, *pixel = np.unravel_index(i, x[:, c].shape)
            y[(s, c, *pixel)] = weight[c] * h + bias[c]
            centred = g - dbias[c] / n - h * dweight[c] / n if train else g
            dx[(s, c, *pixel)] = weight[c] / std * centred
    return y, dx, dweight, dbias, running_mean, running_var


def make(rng, device, C, dtype="float64", **options):
    layer = nn.BatchNormalization(C, dtype=dtype, **options)
    layer.running_mean[...] = device.array(rng.standard_normal(C), dtype)
    layer.running_var[...] = device.array(rng.uniform(0.5, 2, C), dtype)
    for array in layer.parameters()[0]:
        array[...] = device.array(rng.uniform(0.5, 2, C), dtype)
    return layer


def check(device, rng, shape, train, dtype):
    layer = make(rng, device, shape[1], dtype)
    layer.train = train
    x, dy = (2 * rng.standard_normal(shape) + 1).astype(dtype), rng.standard_normal(shape).astype(dtype)
    arrays = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    expected = define(*(np.array(to_host(a), np.float64) for a in (x, dy, *arrays)), train)
    y = layer.forward(device.array(x))
    dx = layer.backward(device.array(x), device.array(dy))
    # For a map of nearly equal values 1/std magnifies rounding errors, so the scale has this factor.
    gain = 1 / np.sqrt(np.min(x.std(axis=(0, *range(2, x.ndim)), dtype=np.float64)) ** 2 + 1e-5) if train else 2
    scale = 8 * max(1.0, gain)
    bound = FP32_BOUND if dtype == "float32" else FP64_BOUND
    sums = np.max(np.abs(dy)) * dy.size / shape[1] * scale
    scales = (scale, scale * scale, sums, sums, 1.0, 2.0)
    results = (y, dx, layer.gradWeight, layer.gradBias, layer.running_mean, layer.running_var)
    for result, reference, size in zip(results, expected, scales, strict=True):
        assert result.dtype == dtype
        assert error(result, reference, size) <= bound


def check_with_relu(device, rng, shape, train, dtype, behind=False, share_of_nan=0.0):
    """Check that a layer with a fused ReLU gives the same bits as the two modules alone.

    With a further layer `behind`, ReLU's gradInput overwrites its gradOutput.
    """

    def build():
        own = np.random.default_rng(7)
        modules = [make(own, device, shape[1], dtype), nn.ReLU(), make(own, device, shape[1], dtype)]
        for module in modules:
            module.train = train
        return modules[: 3 if behind else 2]

    chain, alone = nn.Sequential(*build()), build()
    for clear in (False, False, True):
        x, dy = rng.standard_normal((2, *shape)).astype(dtype)
        x[rng.random(shape) < share_of_nan] = np.nan
        x, dy = device.array(x), device.array(dy)
        if clear:
            chain.clearState()
        y, dx = chain.forward(x), chain.backward(x, dy, 0.5)
        inputs = [x]
        for module in alone:
            inputs.append(module.forward(inputs[-1]))
        gradient = dy
        for module, input in zip(reversed(alone), reversed(inputs[:-1]), strict=True):
            gradient = module.backward(input, gradient, 0.5)
        pairs = [(y, inputs[-1]), (dx, gradient)]
        pairs += [(getattr(chain[1], name), getattr(alone[1], name)) for name in ("output", "gradInput")]
        for ours, theirs in zip((chain[i] for i in range(len(chain))), alone, strict=True):
            pairs += zip(ours.parameters()[1], theirs.parameters()[1], strict=True)
            pairs += zip(ours.state().values(), theirs.state().values(), strict=True)
        for ours, theirs in pairs:
            assert np.array_equal(to_host(ours), to_host(theirs), equal_nan=share_of_nan > 0)
        assert chain[0].output is chain[1].output
        assert dx is chain[0].gradInput
        assert not behind or chain[1].gradInput is chain[2].gradInput
