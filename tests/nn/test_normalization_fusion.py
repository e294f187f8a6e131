"""BatchNormalization fused with the ReLU after it: the same bits as without fusing."""

import normalizations
import numpy as np
import pytest

from tinyfft import nn
from tinyfft.backend import to_host


@normalizations.shapes
@normalizations.modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("behind", [False, True], ids=["last", "in place"])
def test_results_equal_the_unfused_modules(device, rng, shape, train, dtype, behind):
    normalizations.check_with_relu(device, rng, shape, train, dtype, behind)


@normalizations.modes
@pytest.mark.parametrize("behind", [False, True], ids=["last", "in place"])
def test_nan_stays_nan(device, rng, train, behind):
    normalizations.check_with_relu(device, rng, (6, 5, 4, 4), train, "float32", behind, share_of_nan=0.01)
    chain = nn.Sequential(nn.BatchNormalization(2), nn.ReLU())
    chain.evaluate()
    y = chain.forward(device.array([[np.nan, -1], [-1, 1]], "float32"))
    assert np.isnan(to_host(y)).tolist() == [[True, False], [False, False]]


def test_relu_is_not_called(device, rng, monkeypatch):
    chain = nn.Sequential(nn.BatchNormalization(3), nn.ReLU())
    x = device.array(rng.standard_normal((4, 3, 2, 5), dtype=np.float32))
    for name in ("updateOutput", "updateGradInput"):
        monkeypatch.delattr(nn.ReLU, name)
    assert float(chain.forward(x).min()) == 0
    assert chain.backward(x, x).shape == x.shape


@normalizations.modes
def test_inside_a_chain(device, rng, train):
    """updateGradInput and accGradParameters, which fuse nothing, give the same bits."""

    def build():
        own = np.random.default_rng(7)
        first, inner, last = (normalizations.make(own, device, 3, "float32") for _ in range(3))
        chain = nn.Sequential(first, nn.ReLU(), nn.Residual(inner, nn.ReLU()), last, nn.ReLU(), nn.MaxPool(2))
        chain.training() if train else chain.evaluate()
        return chain

    one_call, two_calls = build(), build()
    x = device.array(rng.standard_normal((3, 3, 8, 6), dtype=np.float32))
    gy = device.array(rng.standard_normal((3, 3, 4, 3), dtype=np.float32))
    assert np.array_equal(to_host(one_call.forward(x)), to_host(two_calls.forward(x)))
    assert np.array_equal(to_host(one_call.backward(x, gy)), to_host(two_calls.updateGradInput(x, gy)))
    two_calls.accGradParameters(x, gy)
    for ours, theirs in zip(one_call.parameters()[1], two_calls.parameters()[1], strict=True):
        assert np.array_equal(to_host(ours), to_host(theirs))


def test_without_gradInput_of_the_chain(device, rng):
    layer, relu, chain = nn.BatchNormalization(3), nn.ReLU(), nn.Sequential(nn.BatchNormalization(3), nn.ReLU())
    x, gy = (device.array(rng.standard_normal((4, 3, 2, 5), dtype=np.float32)) for _ in range(2))
    chain.needs_gradInput = False
    chain.forward(x)
    assert chain.backward(x, gy) is None
    relu.forward(layer.forward(x))
    layer.backward(x, relu.backward(layer.output, gy))
    assert np.array_equal(to_host(chain[1].gradInput), to_host(relu.gradInput))
    assert np.array_equal(to_host(chain[0].gradWeight), to_host(layer.gradWeight))


def test_strided_arrays(device, rng):
    chain, peer = (nn.Sequential(nn.BatchNormalization(3, dtype="float64"), nn.ReLU()) for _ in range(2))
    x, gy = (device.array(rng.standard_normal((4, 3, 4, 10)))[..., ::2] for _ in range(2))
    assert np.array_equal(to_host(chain.forward(x)), to_host(peer.forward(x.copy(order="C"))))
    assert np.array_equal(to_host(chain.backward(x, gy)), to_host(peer.backward(x.copy(order="C"), gy.copy(order="C"))))


def test_an_empty_minibatch_in_evaluation(device):
    chain, x = nn.Sequential(nn.BatchNormalization(3), nn.ReLU()), device.array(np.ones((0, 3, 4, 5), np.float32))
    chain.evaluate()
    assert chain.forward(x).shape == chain.backward(x, x).shape == x.shape


def test_errors(device):
    chain, x = nn.Sequential(nn.BatchNormalization(3), nn.ReLU()), device.array(np.ones((4, 3, 2, 5), np.float32))
    with pytest.raises(ValueError, match="backward was called before forward"):
        chain.backward(x, x)
    chain.forward(x)
    with pytest.raises(ValueError, match=r"gradOutput has shape \(1, 3, 2, 5\) and dtype float32, expected \(4, 3, 2"):
        chain.backward(x, x[:1])
