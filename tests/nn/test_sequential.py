"""Sequential: results, parameters, names, shared buffers, and errors that name the module."""

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck


def network():
    return nn.Sequential(
        nn.MaxPool(2),
        nn.Sequential(nn.Flatten(), nn.Linear(12, 6, dtype="float64"), nn.BatchNormalization(6, dtype="float64")),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(6, 4, bias=False, dtype="float64"),
        nn.LogSoftMax(),
    )


def random_arrays(device, rng):
    return device.array(rng.standard_normal((5, 3, 4, 4))), device.array(rng.standard_normal((5, 4)))


def test_definition(device, rng):
    chain = nn.Sequential(nn.Linear(4, 6, dtype="float64"), nn.ReLU(), nn.Linear(6, 2, dtype="float64"))
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    first, _, last = (chain[i] for i in range(3))
    w1, b1, w2, b2 = (to_host(a) for a in (first.weight, first.bias, last.weight, last.bias))
    hidden = x @ w1.T + b1
    d_hidden = (dy @ w2) * (hidden > 0)
    assert error(chain.forward(device.array(x)), np.maximum(hidden, 0) @ w2.T + b2) <= FP64_BOUND
    dx = chain.backward(device.array(x), device.array(dy), 0.5)
    assert error(dx, d_hidden @ w1) <= FP64_BOUND
    assert error(first.gradWeight, 0.5 * d_hidden.T @ x) <= FP64_BOUND
    assert error(last.gradWeight, 0.5 * dy.T @ np.maximum(hidden, 0)) <= FP64_BOUND
    assert chain.output is last.output
    assert chain.gradInput is first.gradInput


@pytest.mark.parametrize("train", [True, False])
def test_central_differences(device, rng, train):
    chain = network()
    if not train:
        chain.evaluate()
    gradcheck(chain, random_arrays(device, rng)[0])


def test_parameters_in_order(device, rng):
    chain = network()
    linear, norm, last = chain[1][1], chain[1][2], chain[4]
    expected = [linear.weight, linear.bias, norm.weight, norm.bias, last.weight]
    assert [a is b for a, b in zip(chain.parameters()[0], expected, strict=True)] == [True] * 5
    values = np.concatenate([to_host(a).ravel() for a in expected])
    weights, gradients = chain.getParameters()
    assert error(weights, values) == 0
    weights += 1
    assert error(last.weight.reshape(24), values[-24:] + 1) == 0
    x, dy = random_arrays(device, rng)
    chain.zeroGradParameters()
    chain.forward(x)
    chain.backward(x, dy)
    assert error(gradients[-24:], to_host(last.gradWeight).ravel()) == 0
    assert np.all(np.isfinite(to_host(gradients)))


def test_state_names():
    names = ["1.1.weight", "1.1.bias", "1.2.weight", "1.2.bias", "1.2.running_mean", "1.2.running_var", "4.weight"]
    chain = network()
    assert list(chain.state()) == names
    assert chain.state()["1.2.running_var"] is chain[1][2].running_var


def test_modules_and_apply():
    chain, seen = network(), []
    names = ["", "0", "1", "1.0", "1.1", "1.2", "2", "3", "4", "5"]
    assert [name for name, _ in chain.modules()] == names
    assert chain.apply(seen.append) is chain
    assert seen == [module for _, module in chain.modules()]
    assert seen[5] is chain[1][2]


def test_modes_and_clearState_reach_all_modules(device, rng):
    chain = network()
    x, dy = random_arrays(device, rng)
    chain.evaluate()
    assert not any(module.train for _, module in chain.modules())
    chain.training()
    assert all(module.train for _, module in chain.modules())
    chain.forward(x)
    chain.backward(x, dy)
    assert chain.clearState() is chain
    assert all(module.output is None and module.gradInput is None for _, module in chain.modules())


def test_weights_changed_reaches_all_modules():
    chain, called = network(), []
    chain[1][1].weights_changed = lambda: called.append(1)
    chain[4].weights_changed = lambda: called.append(4)
    chain.weights_changed()
    assert called == [1, 4]


def test_needs_gradInput_belongs_to_the_first_module(device, rng):
    chain = nn.Sequential(nn.Sequential(nn.Linear(5, 4, dtype="float64")), nn.ReLU(), nn.Linear(4, 3, dtype="float64"))
    assert chain.needs_gradInput
    chain.needs_gradInput = False
    assert not chain[0][0].needs_gradInput
    assert chain[1].needs_gradInput
    x, dy = device.array(rng.standard_normal((2, 5))), device.array(rng.standard_normal((2, 3)))
    chain.forward(x)
    assert chain.backward(x, dy) is None
    assert chain[0][0].gradInput is None
    gradcheck(chain, x)  # checks the gradients of the parameters


def test_buffers_are_reused_while_shapes_stay(device, rng):
    chain = network()
    x, dy = random_arrays(device, rng)
    results = []
    for _ in range(2):
        y, dx = chain.forward(x), chain.backward(x, dy)
        results.append([y, dx, *(m.output for _, m in chain.modules() if not isinstance(m, nn.Flatten))])
    assert [a is b for a, b in zip(*results, strict=True)] == [True] * len(results[0])


def deep(device, rng):
    """Return a chain of six modules that keep the input's shape, an input and a gradient."""
    maps = {"in_channels": 3, "out_channels": 3, "kernel_size": 3, "padding": 1}
    chain = nn.Sequential(
        nn.FFTConvolution(**maps),
        nn.ReLU(),
        nn.BatchNormalization(3),
        nn.ReLU(),
        nn.DirectConvolution(**maps),
        nn.ReLU(),
    )
    return chain, *(device.array(rng.standard_normal((2, 3, 6, 5), dtype=np.float32)) for _ in range(2))


def test_backward_shares_two_arrays(device, rng):
    chain, x, dy = deep(device, rng)
    before = to_host(dy).copy()
    chain.forward(x)
    chain.backward(x, dy)
    assert len({id(chain[i].gradInput.base) for i in range(len(chain))}) == 2
    assert np.array_equal(to_host(dy), before)


def test_updateGradInput_after_backward_uses_no_shared_arrays(device, rng):
    chain, x, dy = deep(device, rng)
    results = []
    for two_calls in (False, True):
        chain.zeroGradParameters()
        chain.forward(x)
        if two_calls:
            chain.updateGradInput(x, dy)
            chain.accGradParameters(x, dy)
        else:
            chain.backward(x, dy)
        results.append([to_host(a).copy() for a in (chain.gradInput, *chain.parameters()[1])])
    for expected, found in zip(*results, strict=True):
        assert error(found, expected) <= FP32_BOUND
    assert len({id(chain[i].gradInput) for i in range(len(chain))}) == len(chain)


def test_relu_overwrites_an_input_that_is_not_read_again(device, rng):
    chain, x, _ = deep(device, rng)
    chain.forward(x)
    assert [chain[i].output is chain[i + 1].output for i in range(5)] == [True, False, True, False, True]


def test_relu_keeps_an_input_that_is_read_again(device, rng):
    chain = nn.Sequential(nn.MaxPool(2), nn.ReLU(), nn.ReLU())
    x = device.array(rng.standard_normal((2, 3, 4, 4)))
    chain.forward(x)
    assert np.array_equal(to_host(chain[0].output), to_host(nn.MaxPool(2).forward(x)))
    assert to_host(chain[0].output).min() < 0
    first = nn.Sequential(nn.ReLU())
    kept = to_host(x).copy()
    first.forward(x)
    assert np.array_equal(to_host(x), kept)


def test_add_and_len():
    chain, last = nn.Sequential(nn.ReLU()), nn.Flatten()
    assert chain.add(nn.ReLU()).add(last) is chain
    assert len(chain) == 3
    assert chain[-1] is last


def test_empty_chain_is_the_identity(device, rng):
    x = device.array(rng.standard_normal((2, 3)))
    chain = nn.Sequential()
    assert chain.forward(x) is x
    assert chain.backward(x, x) is x
    assert chain.needs_gradInput


def test_repr():
    chain = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 2), nn.ReLU()))
    lines = [
        "nn.Sequential {",
        "  (0): nn.Flatten",
        "  (1): nn.Sequential {",
        "    (0): nn.Linear(4 -> 2)",
        "    (1): nn.ReLU",
        "  }",
        "}",
    ]
    assert repr(chain).split("\n") == lines


def test_errors_name_the_module(device, rng):
    chain = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Flatten(), nn.Linear(5, 2, dtype="float64"))
    x = device.array(rng.standard_normal((128, 7)))
    at = r"^Sequential: module 3 \(Linear\): Linear: "
    with pytest.raises(ValueError, match=at + r"input has shape \(128, 7\), expected \(S, 5\)$"):
        chain.forward(x)
    chain.forward(x[:, :5])
    for method in (chain.backward, chain.updateGradInput, chain.accGradParameters):
        with pytest.raises(ValueError, match=at + r"gradOutput has shape \(128, 7\) .* expected \(128, 2\)"):
            method(x[:, :5], x)
    nested = nn.Sequential(nn.ReLU(), chain)
    with pytest.raises(ValueError, match=r"^Sequential: module 1 \(Sequential\): Sequential: module 3 \(Linear\): "):
        nested.forward(x)


def test_only_modules_are_accepted():
    with pytest.raises(TypeError, match=r"Sequential: module 1 is 'relu', expected an nn.Module"):
        nn.Sequential(nn.ReLU(), "relu")
