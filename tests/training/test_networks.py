"""Whole networks: gradients compared with PyTorch's, and trainings with both methods of convolution."""

import numpy as np
import pytest
from measure import FP64_BOUND, error

import models
import tinyfft
from tinyfft import nn, optim


def small_network(**named):
    return models.convnet((3, 16, 12), 5, channels=(4, 6, 8), kernel_sizes=(3, 3, 3), **named)


@pytest.mark.torch
@pytest.mark.parametrize("algorithm", ["fft", "direct"])
def test_the_gradient_of_a_network_equals_pytorchs(algorithm, rng):
    import torch

    from benchmarks.twins import twin

    network = small_network(algorithm=algorithm, dtype="float64")
    x, target = rng.standard_normal((7, 3, 16, 12)), rng.integers(5, size=7)
    criterion = nn.CrossEntropyCriterion(label_smoothing=0.1)
    network.zeroGradParameters()
    loss = criterion.forward(network.forward(x), target)
    gradient = network.backward(x, criterion.backward(network.output, target))

    tensor = torch.tensor(x, requires_grad=True)
    peer = twin(network)
    theirs = torch.nn.functional.cross_entropy(peer(tensor), torch.tensor(target), label_smoothing=0.1)
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-13)
    assert error(gradient, tensor.grad.numpy()) <= FP64_BOUND
    pairs = list(zip(network.parameters()[1], peer.parameters(), strict=True))
    assert len(pairs) == 11
    for ours, parameter in pairs:
        assert error(ours, parameter.grad.numpy()) <= FP64_BOUND


@pytest.mark.parametrize("memory", ["recompute", "keep"])
def test_both_methods_have_the_same_losses_from_one_seed(device, memory, rng):
    x = device.array(rng.standard_normal((20, 8, 3, 16, 12), dtype=np.float32))
    target = device.array(rng.integers(5, size=(20, 8)))
    losses = {}
    for algorithm in ("fft", "direct"):
        tinyfft.manual_seed(5)
        network = small_network(algorithm=algorithm, memory=memory)
        sgd = optim.SGD(*network.getParameters(), learning_rate=0.02, momentum=0.9)
        criterion = nn.CrossEntropyCriterion()
        losses[algorithm] = []
        for step in range(20):
            network.zeroGradParameters()
            losses[algorithm].append(criterion.forward(network.forward(x[step]), target[step]))
            network.backward(x[step], criterion.backward(network.output, target[step]))
            sgd.step()
            network.weights_changed()
    assert len(set(losses["fft"])) == 20
    assert losses["fft"] == pytest.approx(losses["direct"], rel=1e-4)
