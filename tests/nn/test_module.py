"""The module protocol: the tests that every layer must pass, and the methods of Module."""

import inspect
import re

import numpy as np
import pytest
import test_residual
import test_sequential
from measure import FP64_BOUND, error

import tinyfft
from tinyfft import nn, optim
from tinyfft.backend import to_host

CONVOLUTIONS = {
    kind: (lambda kind=kind: getattr(nn, kind)(3, 2, 3, padding=1, dtype="float64"), (2, 3, 6, 5))
    for kind in ("FFTConvolution", "DirectConvolution", "Convolution")
}
LAYERS = {  # constructor for float64, shape of its input
    "Linear": (lambda: nn.Linear(5, 3, dtype="float64"), (4, 5)),
    "ReLU": (nn.ReLU, (4, 5)),
    "LogSoftMax": (nn.LogSoftMax, (4, 5)),
    "MaxPool": (lambda: nn.MaxPool(3, 2, 1), (2, 3, 6, 5)),
    "AveragePool": (lambda: nn.AveragePool(3, 2, 1), (2, 3, 6, 5)),
    "BatchNormalization": (lambda: nn.BatchNormalization(3, dtype="float64"), (2, 3, 6, 5)),
    "Dropout": (nn.Dropout, (4, 5)),
}
CHAINS = {"Sequential": (test_sequential.network, (5, 3, 4, 4)), "Residual": (test_residual.chain, (2, 3, 5, 4))}
VIEWS = {"Flatten": (nn.Flatten, (2, 3, 4))}
PARAMETRIC = {kind: case for kind, case in (LAYERS | CONVOLUTIONS).items() if case[0]().parameter_names}


def each(cases):
    return pytest.mark.parametrize(("make", "shape"), cases.values(), ids=cases)


def test_every_layer_has_a_case():
    layers = {name for name in nn.__all__ if issubclass(getattr(nn, name), nn.Module)} - {"Module"}
    assert {*LAYERS, *CONVOLUTIONS, *CHAINS, *VIEWS} == layers


@each(LAYERS | VIEWS)
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


@each(LAYERS | CONVOLUTIONS)
def test_buffers_are_reused_while_the_shape_stays(device, rng, make, shape):
    layer = make()
    x = device.array(rng.standard_normal(shape))
    tinyfft.manual_seed(2)
    output, dy = layer.forward(x), layer.output.copy()
    gradient = layer.backward(x, dy)
    dx = to_host(gradient).copy()
    arrays = {name: id(a) for name, a in vars(layer).items() if isinstance(a, device.xp.ndarray) and name != "_mask"}
    output.fill(np.nan)
    gradient.fill(np.nan)
    tinyfft.manual_seed(2)
    assert layer.forward(x) is output
    assert layer.backward(x, dy) is gradient
    assert error(output, to_host(dy)) <= FP64_BOUND
    assert error(gradient, dx) <= FP64_BOUND
    assert {name: id(getattr(layer, name)) for name in arrays} == arrays
    assert layer.forward(x[:1]).shape[0] == 1
    assert layer.backward(x[:1], dy[:1]).shape == x[:1].shape


@each(LAYERS | CONVOLUTIONS)
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


@each(LAYERS | CONVOLUTIONS | CHAINS | VIEWS)
def test_arguments_are_not_written(device, rng, make, shape):
    layer, x = make(), rng.standard_normal(shape)
    on_device = device.array(x.copy())
    dy = rng.standard_normal(layer.forward(on_device).shape)
    on_device_dy = device.array(dy.copy())
    layer.backward(on_device, on_device_dy)
    assert error(on_device, x) == 0
    assert error(on_device_dy, dy) == 0


@each(LAYERS | CONVOLUTIONS | CHAINS | VIEWS)
def test_results_after_clearState_are_the_same(device, rng, make, shape):
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


@each(PARAMETRIC | CHAINS)
def test_backward_equals_its_two_passes(device, rng, make, shape):
    layer, x = make(), device.array(rng.standard_normal(shape))
    dy = device.array(rng.standard_normal(layer.forward(x).shape))
    dx = to_host(layer.backward(x, dy, 0.5)).copy()
    gradients = [to_host(gradient).copy() for gradient in layer.parameters()[1]]

    def check_gradients():
        for gradient, expected in zip(layer.parameters()[1], gradients, strict=True):
            assert error(gradient, expected) <= FP64_BOUND
        layer.zeroGradParameters()

    layer.zeroGradParameters()
    assert error(layer.updateGradInput(x, dy), dx) <= FP64_BOUND
    layer.accGradParameters(x, dy, 0.5)
    assert error(layer.gradInput, dx) <= FP64_BOUND
    check_gradients()
    layer.gradInput, layer.needs_gradInput = None, False
    assert layer.backward(x, dy, 0.5) is None
    assert layer.gradInput is None
    check_gradients()


@each(PARAMETRIC)
@pytest.mark.parametrize("train", [True, False])
def test_gradients_of_parameters_accumulate_with_scale(device, rng, make, shape, train):
    layer, x = make(), device.array(rng.standard_normal(shape))
    layer.train = train
    dy = device.array(rng.standard_normal(layer.forward(x).shape))
    layer.accGradParameters(x, dy)
    once = [to_host(gradient).copy() for gradient in layer.parameters()[1]]
    layer.accGradParameters(x, dy, scale=-3.25)
    layer.accGradParameters(x, dy)
    for gradient, expected in zip(layer.parameters()[1], once, strict=True):
        assert error(gradient, -1.25 * expected) <= FP64_BOUND


@each(LAYERS | CONVOLUTIONS)
def test_wrong_arrays_are_named(device, rng, make, shape):
    layer, x = make(), device.array(rng.standard_normal(shape))
    kind = type(layer).__name__
    with pytest.raises(TypeError, match=rf"{kind}: input is a builtins.list, expected a \w+.ndarray on {device}"):
        layer.forward([[1.0, 2.0, 3.0, 4.0]])
    with pytest.raises(ValueError, match=f"{kind}: input has dtype int64, expected float"):
        layer.forward(x.astype("int64"))
    if kind in LAYERS:
        with pytest.raises(ValueError, match=f"{kind}: backward was called before forward"):
            layer.backward(x, x)
    y = layer.forward(x)
    came, expected = re.escape(f"{y[:, :1].shape}"), re.escape(f"{y.shape}")
    methods = (layer.updateGradInput, layer.accGradParameters) if layer.parameter_names else (layer.backward,)
    for method in methods:
        with pytest.raises(ValueError, match=f"gradOutput has shape {came} and dtype float64, expected {expected} and"):
            method(x, y[:, :1])


CONSTRUCTORS = [*(getattr(nn, kind) for kind in nn.__all__), optim.SGD, optim.Schedule]


@pytest.mark.parametrize("kind", CONSTRUCTORS, ids=lambda kind: kind.__name__)
def test_every_argument_of_a_constructor_is_documented(kind):
    text = kind.__doc__ if kind is optim.Schedule else kind.__init__.__doc__
    for name in inspect.signature(kind).parameters:
        assert re.search(rf"^ *{name}  +\S", text, re.MULTILINE), name


def test_all_convolutions_have_the_same_arguments():
    base, *others = (inspect.signature(getattr(nn, kind)).parameters for kind in CONVOLUTIONS)
    for parameters in others:
        assert {name: parameters[name] for name in base} == dict(base)
        assert list(parameters)[: len(base)] == list(base)


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


def test_getParameters_returns_the_memory_of_the_layers(device, rng):
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


def test_zeroGradParameters_after_any_getParameters(device):
    """The gradients are separate arrays, views of one flat array, or views of two flat arrays."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    for prepare in (lambda: None, network.getParameters, network[0].getParameters, network.getParameters):
        prepare()
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


def test_a_module_stays_on_the_device_of_its_construction(device):
    layer = nn.Linear(3, 2)
    tinyfft.use_device("cpu")
    assert layer.device == device
    assert layer.forward(device.array(np.ones((1, 3), np.float32))).shape == (1, 2)
    layer.reset()
    assert np.all(np.isfinite(to_host(layer.weight)))


def test_a_bare_module():
    module = nn.Module()
    assert repr(module) == "nn.Module"
    assert repr(nn.LogSoftMax()) == "nn.LogSoftMax"
    with pytest.raises(NotImplementedError, match="Module has no updateOutput"):
        module.forward(None)
    with pytest.raises(NotImplementedError, match="Module has no updateGradInput"):
        module.backward(None, None)
