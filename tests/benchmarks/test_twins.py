"""Twins: every kind of layer gives PyTorch's output and gradients with the copied weights."""

import numpy as np
import pytest
from measure import FP64_BOUND, error

from tinyfft import nn

pytestmark = pytest.mark.torch

DTYPE = {"dtype": "float64"}
# no bias before a normalisation, which cancels it: the gradient would be rounding alone
NETWORKS = {
    "planes": lambda: (
        nn.FFTConvolution(3, 4, (3, 5), stride=(2, 1), padding=(1, 0), bias=False, **DTYPE),
        nn.BatchNormalization(4, eps=1e-3, momentum=0.3, **DTYPE),
        nn.ReLU(),
        nn.MaxPool((2, 3), stride=1, padding=(1, 0)),
        nn.DirectConvolution(4, 5, 3, padding="same", **DTYPE),
        nn.AveragePool(2, padding=1),
    ),
    "vectors": lambda: (
        nn.Convolution(3, 2, 4, algorithm="fft", bias=False, **DTYPE),
        nn.Flatten(),
        nn.Linear(2 * 6 * 7, 6, bias=False, **DTYPE),
        nn.BatchNormalization(6, affine=False, **DTYPE),
        nn.Linear(6, 4, **DTYPE),
        nn.Dropout(0.0),
        nn.LogSoftMax(),
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_output_and_gradients_equal_the_networks(kind, rng):
    import torch

    from benchmarks.twins import twin

    network = nn.Sequential(*NETWORKS[kind]())
    x = rng.standard_normal((3, 3, 9, 10))
    network.forward(x)  # moves the running statistics, which the twin copies too
    peer, tensor = twin(network), torch.tensor(x, requires_grad=True)
    y = network.forward(x)
    gy = rng.standard_normal(y.shape)
    network.zeroGradParameters()
    gx = network.backward(x, gy)
    theirs = peer(tensor)
    theirs.backward(torch.tensor(gy))
    assert error(y, theirs.detach().numpy()) <= FP64_BOUND
    assert error(gx, tensor.grad.numpy()) <= FP64_BOUND
    for gradient, parameter in zip(network.parameters()[1], peer.parameters(), strict=True):
        assert error(gradient, parameter.grad.numpy()) <= FP64_BOUND
    network.evaluate()
    assert error(network.forward(x), peer.eval()(tensor).detach().numpy()) <= FP64_BOUND


def test_the_weights_are_copies():
    from benchmarks.twins import twin

    network = nn.Sequential(nn.Linear(2, 3))
    peer = twin(network)
    before = peer[0].weight.detach().numpy().copy()
    network[0].weight += 1
    assert np.array_equal(peer[0].weight.detach().numpy(), before)


def test_the_twin_is_in_the_networks_mode():
    from benchmarks.twins import twin

    network = nn.Sequential(nn.Dropout(0.5))
    assert twin(network)[0].training
    network.evaluate()
    assert not twin(network)[0].training


def test_a_module_without_counterpart_is_an_error():
    from benchmarks.twins import twin

    with pytest.raises(TypeError, match="twin: Sequential has no counterpart"):
        twin(nn.Sequential(nn.Sequential()))
