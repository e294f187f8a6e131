"""The protocol: what Module does for every layer."""

import numpy as np
import pytest
from measure import FP64_BOUND, error

import tinyfft
from tinyfft import nn
from tinyfft.backend import to_host

LAYERS = {  # constructor for float64, shape of its input
    "Linear": (lambda: nn.Linear(5, 3, dtype="float64"), (4, 5)),
    "ReLU": (nn.ReLU, (4, 5)),
    "LogSoftMax": (nn.LogSoftMax, (4, 5)),
    "MaxPool": (lambda: nn.MaxPool(3, 2, 1), (2, 3, 6, 5)),
    "AveragePool": (lambda: nn.AveragePool(3, 2, 1), (2, 3, 6, 5)),
    "BatchNormalization": (lambda: nn.BatchNormalization(3, dtype="float64"), (2, 3, 6, 5)),
    "Dropout": (nn.Dropout, (4, 5)),
    "Flatten": (nn.Flatten, (2, 3, 4)),
}
layers = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS.keys())
owners = pytest.mark.parametrize(
    ("make", "shape"), [v for k, v in LAYERS.items() if k != "Flatten"], ids=[k for k in LAYERS if k != "Flatten"]
)


@layers
def test_forward_and_backward_call_the_three_passes(device, rng, make, shape):
    layer, calls = make(), []

    def record(name, method):
        setattr(layer, name, lambda *arguments: calls.append((name, *arguments)) or method(*arguments))

    for name in ("updateOutput", "updateGradInput", "accGradParameters"):
        record(name, getattr(layer, name))
    x = device.array(rng.standard_normal(shape))
    y = layer.forward(x)
    dx = layer.backward(x, y, 0.5)
    assert [call[0] for call in calls] == ["updateOutput", "updateGradInput", "accGradParameters"]
    assert calls[2][3] == 0.5
    assert y is layer.output
    assert dx is layer.gradInput
    assert dx.shape == x.shape


@owners
def test_buffers_are_written_again_while_the_shape_stays(device, rng, make, shape):
    layer = make()
    x, other = (device.array(rng.standard_normal(shape)) for _ in range(2))
    first, dy = layer.forward(x), layer.output.copy()
    gradient = layer.backward(x, dy)
    arrays = {name: id(a) for name, a in vars(layer).items() if isinstance(a, device.xp.ndarray) and name != "_mask"}
    assert layer.forward(other) is first
    assert layer.backward(other, dy) is gradient
    assert {name: id(getattr(layer, name)) for name in arrays} == arrays
    assert layer.forward(other[:1]).shape[0] == 1
    assert layer.backward(other[:1], dy[:1]).shape == other[:1].shape


@owners
def test_results_share_no_memory_with_arguments(device, rng, make, shape):
    layer, x = make(), device.array(rng.standard_normal(shape))
    for mode in (layer.training, layer.evaluate):
        mode()
        y = layer.forward(x)
        dy = y.copy()
        dx = layer.backward(x, dy)
        for result in (y, dx):
            for argument in (x, dy):
                assert not device.xp.shares_memory(result, argument)


@layers
def test_inputs_are_not_written(device, rng, make, shape):
    layer, x = make(), rng.standard_normal(shape)
    on_device = device.array(x.copy())
    dy = rng.standard_normal(layer.forward(on_device).shape)
    on_device_dy = device.array(dy.copy())
    layer.backward(on_device, on_device_dy)
    assert error(on_device, x) == 0
    assert error(on_device_dy, dy) == 0


@layers
def test_clearState_then_the_same_again(device, rng, make, shape):
    layer, x = make(), device.array(rng.standard_normal(shape))
    tinyfft.manual_seed(2)
    y = to_host(layer.forward(x)).copy()
    dx = to_host(layer.backward(x, device.array(y))).copy()
    assert layer.clearState() is layer
    assert layer.output is None
    assert layer.gradInput is None
    tinyfft.manual_seed(2)
    assert error(layer.forward(x), y) == 0
    assert error(layer.backward(x, device.array(y)), dx) == 0


def test_needs_gradInput_off(device, rng):
    layer = nn.Linear(5, 3, dtype="float64")
    layer.needs_gradInput = False
    x, dy = device.array(rng.standard_normal((4, 5))), device.array(rng.standard_normal((4, 3)))
    layer.forward(x)
    assert layer.backward(x, dy) is None
    assert layer.gradInput is None
    assert error(layer.gradWeight, to_host(dy).T @ to_host(x)) <= FP64_BOUND


def test_parameters_and_zeroGradParameters(device, rng):
    layer = nn.Linear(5, 3)
    weights, gradients = layer.parameters()
    assert [a is b for a, b in zip(weights, (layer.weight, layer.bias), strict=True)] == [True, True]
    assert [a is b for a, b in zip(gradients, (layer.gradWeight, layer.gradBias), strict=True)] == [True, True]
    for gradient in gradients:
        gradient.fill(3)
    layer.zeroGradParameters()
    assert all(float(abs(gradient).max()) == 0 for gradient in gradients)
    assert float(abs(layer.weight).max()) > 0


def test_getParameters_returns_what_the_layer_uses(device, rng):
    layer = nn.Linear(5, 3, dtype="float64")
    weight, bias = to_host(layer.weight).copy(), to_host(layer.bias).copy()
    layer.gradBias.fill(2)
    weights, gradients = layer.getParameters()
    assert weights.shape == gradients.shape == (18,)
    assert error(weights, np.concatenate([weight.ravel(), bias])) == 0
    assert error(gradients, np.concatenate([np.zeros(15), np.full(3, 2.0)])) == 0
    weights[0], gradients[17] = 9, 8
    assert float(layer.weight[0, 0]) == 9
    assert float(layer.gradBias[2]) == 8
    x, dy = device.array(rng.standard_normal((4, 5))), device.array(rng.standard_normal((4, 3)))
    layer.zeroGradParameters()
    layer.forward(x)
    layer.backward(x, dy)
    assert error(gradients[:15].reshape(3, 5), to_host(dy).T @ to_host(x)) <= FP64_BOUND


def test_gradients_are_set_to_zero_wherever_they_lie(device):
    """In one array of getParameters, in parts of their own behind a second one, or apart."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    for again in (lambda: None, network.getParameters, network[0].getParameters, network.getParameters):
        again()
        for gradient in network.parameters()[1]:
            gradient.fill(1)
        network.zeroGradParameters()
        assert all(not gradient.any() for gradient in network.parameters()[1])


def test_getParameters_errors():
    with pytest.raises(ValueError, match=r"getParameters: parameters have dtypes \[\], expected one"):
        nn.ReLU().getParameters()
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype="float64"))
    with pytest.raises(ValueError, match=r"parameters have dtypes \['float32', 'float64'\], expected one"):
        mixed.getParameters()


def test_state_holds_the_arrays_themselves():
    layer = nn.BatchNormalization(3)
    state = layer.state()
    assert list(state) == ["weight", "bias", "running_mean", "running_var"]
    assert all(array is getattr(layer, name) for name, array in state.items())


def test_modes_and_apply():
    layer, seen = nn.Dropout(), []
    assert layer.train
    layer.evaluate()
    assert not layer.train
    layer.training()
    assert layer.train
    assert layer.apply(seen.append) is layer
    assert seen == [layer]
    assert list(layer.modules()) == [("", layer)]


def test_a_module_stays_on_the_device_it_was_made_on(device):
    layer = nn.Linear(3, 2)
    tinyfft.use_device("cpu")
    assert layer.device == device
    assert layer.forward(device.array(np.ones((1, 3), np.float32))).shape == (1, 2)
    layer.reset()
    assert np.all(np.isfinite(to_host(layer.weight)))


def test_a_bare_module():
    module = nn.Module()
    assert repr(module) == "nn.Module"
    with pytest.raises(NotImplementedError, match="Module has no updateOutput"):
        module.forward(None)
    with pytest.raises(NotImplementedError, match="Module has no updateGradInput"):
        module.backward(None, None)


LAYERS = {
    "Linear": (4, 2),
    "ReLU": (),
    "MaxPool": (2,),
    "Dropout": (),
    "BatchNormalization": (4,),
    "LogSoftMax": (),
    "FFTConvolution": (4, 2, 1),
    "DirectConvolution": (4, 2, 1),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_input_that_is_no_array_of_the_device_is_named(kind):
    layer = getattr(nn, kind)(*LAYERS[kind])
    with pytest.raises(TypeError, match=f"{kind}: input is a builtins.list, expected a numpy.ndarray on cpu"):
        layer.forward([[1.0, 2.0, 3.0, 4.0]])
