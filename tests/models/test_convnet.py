import itertools

import numpy as np
import pytest

import models
from tinyfft import nn
from tinyfft.runs.config import load_config


def kinds(network):
    return [type(network[index]).__name__ for index in range(len(network))]


def convolution_weights(network):
    return [m.weight.shape for _, m in network.modules() if isinstance(m, nn.Convolution)]


def linear(network):
    return network[len(network) - 1].weight.shape


def test_cifar_layers():
    network = models.build(load_config("cifar"), (3, 32, 32), 10)
    block = ["Convolution", "BatchNormalization", "ReLU"]
    pooled = [*block, "MaxPool"]
    assert kinds(network) == [*pooled, *block, *pooled, *block, *pooled, "MaxPool", "Flatten", "Linear"]
    maps = [3, 32, 64, 64, 128, 128]
    assert convolution_weights(network) == [(F, C, 5, 5) for C, F in itertools.pairwise(maps)]
    assert linear(network) == (10, 128)


def test_paper_layers():
    network = models.build(load_config("paper"), (3, 32, 32), 1000)
    pair, pooled = ["Convolution", "ReLU"], ["Convolution", "ReLU", "MaxPool"]
    assert kinds(network) == [*pair, *pooled, *pair, *pair, *pooled, "Flatten", "Linear"]
    expected = [(96, 3, 11, 11), (256, 96, 7, 7), (384, 256, 5, 5), (384, 384, 5, 5), (384, 384, 3, 3)]
    assert convolution_weights(network) == expected
    assert linear(network) == (1000, 384 * 8 * 8)


@pytest.mark.parametrize(
    ("name", "shape"), [("convnet", (3, 8, 8)), ("convnet", (1, 9, 13)), ("convnet", (3, 16, 11)), ("paper", (1, 4, 7))]
)
def test_forward_and_backward_on_any_size(device, rng, name, shape):
    small = {"channels": (2, 3, 4)} if name == "convnet" else {}
    network = models.MODELS[name](shape, 4, algorithm="fft", **small)
    x = device.array(rng.standard_normal((2, *shape), dtype=np.float32))
    y = network.forward(x)
    assert y.shape == (2, 4)
    assert bool(device.xp.isfinite(y).all())
    network.zeroGradParameters()
    gx = network.backward(x, device.array(rng.standard_normal((2, 4), dtype=np.float32)))
    assert gx.shape == x.shape
    assert all(bool((gradient != 0).any()) for gradient in network.parameters()[1])


def test_configuration_reaches_the_convolutions():
    overrides = ["algorithm=direct", "memory=keep", "deterministic=true"]
    overrides += ["model.channels=[4, 5, 6]", "model.kernel_sizes=[3, 3, 1]", "model.pool_after=[1]"]
    network = models.build(load_config("cifar", overrides), (3, 8, 8), 2)
    convolutions = [m for _, m in network.modules() if isinstance(m, nn.Convolution)]
    options = [(c.algorithm, c.memory, c.deterministic, c.precision) for c in convolutions]
    assert options == [("direct", "keep", True, "fp32")] * 3
    assert convolution_weights(network) == [(4, 3, 3, 3), (5, 4, 3, 3), (6, 5, 1, 1)]


def test_float64_throughout():
    network = models.convnet((1, 8, 8), 2, algorithm="fft", dtype="float64", channels=(1, 1, 1))
    assert network.forward(np.ones((2, 1, 8, 8))).dtype == np.float64


@pytest.mark.parametrize(("name", "least"), [("cifar", 8), ("paper", 4)])
def test_images_too_small_are_refused(name, least):
    with pytest.raises(ValueError, match=f"{least - 1} x 32 pixels, expected at least {least} x {least}"):
        models.build(load_config(name), (3, least - 1, 32), 10)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_precisions_of_a_gpu_are_refused_on_the_cpu(precision):
    with pytest.raises(ValueError, match=f"precision .*cpu.*'{precision}', expected 'fp32'"):
        models.build(load_config("cifar", [f"precision={precision}"]), (3, 8, 8), 10)


def test_pooling_and_dropout_follow_the_arguments():
    lists = {"channels": (2, 3, 4, 5), "kernel_sizes": (3, 1, 3, 5), "pool_after": (1, 4)}
    network = models.convnet((3, 12, 8), 7, **lists, dropout=0.25)
    behind = [type(network[index + 3]).__name__ for index, m in enumerate(network) if isinstance(m, nn.Convolution)]
    assert behind == ["MaxPool", "Convolution", "Convolution", "MaxPool"]
    assert [m.p for m in network if isinstance(m, nn.Dropout)] == [0.25]
    assert network[-1].weight.shape == (7, 5 * 3 * 2)


def test_global_pooling_keeps_the_maximum_of_each_map():
    network = models.convnet((3, 12, 8), 7, pool_after=(1,), global_pool=True)
    assert network[-1].weight.shape == (7, 128)
    pooling = network[-3]
    maps = np.random.default_rng(1).standard_normal((2, 128, 6, 4), dtype=np.float32)
    assert np.array_equal(pooling.updateOutput(maps), maps.max(axis=(2, 3), keepdims=True))


def test_residual_blocks_follow_the_pooling():
    lists = {"channels": (2, 3), "kernel_sizes": (3, 5), "pool_after": (2,), "residual_after": (2,)}
    network = models.convnet((3, 8, 8), 4, **lists)
    block = ["Convolution", "BatchNormalization", "ReLU"]
    assert kinds(network)[3:8] == [*block, "MaxPool", "Residual"]
    assert [m.weight.shape for m in network[7] if isinstance(m, nn.Convolution)] == [(3, 3, 5, 5)] * 2


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"channels": (2, 3)}, "channels has 2 entries and kernel_sizes 3, expected the same, 1 or more"),
        ({"channels": (), "kernel_sizes": ()}, "channels has 0 entries and kernel_sizes 0, expected"),
        ({"pool_after": (1, 4)}, r"pool_after is \[1, 4\], expected numbers of convolutions, 1 to 3, each once"),
        ({"pool_after": (2, 2)}, r"pool_after is \[2, 2\], expected"),
    ],
)
def test_contradictory_lists_are_refused(lists, message):
    with pytest.raises(ValueError, match=f"convnet: {message}"):
        models.convnet((3, 16, 16), 2, **lists)
