"""Dropout: values and frequencies of its mask, the same mask in both passes, and the identity in evaluation."""

import numpy as np
import pytest
from measure import FP64_BOUND, error

import tinyfft
from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_drops_with_probability_p_and_scales_the_rest(device, p, dtype):
    layer = nn.Dropout(p)
    y = to_host(layer.forward(device.array(np.ones((200, 10, 5), dtype))))
    kept = y != 0
    assert y.dtype == dtype
    assert np.max(np.abs(y[kept] * (1 - p) - 1)) <= 1e-6
    # 10000 numbers: six standard errors.
    assert abs(np.mean(kept) - (1 - p)) <= 6 * (p * (1 - p) / y.size) ** 0.5
    for axis in range(3):  # neighbours on each axis are independent
        equal = np.mean(np.diff(kept, axis=axis) == 0)
        assert abs(equal - (p * p + (1 - p) * (1 - p))) <= 0.05


def test_backward_uses_the_mask_of_the_last_forward_pass(device, rng):
    layer = nn.Dropout(0.4)
    x, dy = (device.array(rng.uniform(1, 2, (3, 4, 5))) for _ in range(2))
    mask = to_host(layer.forward(x)) / to_host(x)
    assert 0 < np.count_nonzero(mask) < mask.size
    assert error(layer.backward(x, dy), mask * to_host(dy)) <= FP64_BOUND


def test_each_forward_pass_has_a_new_mask_that_the_seed_reproduces(device):
    layer, x = nn.Dropout(0.5), device.array(np.ones((8, 16)))
    tinyfft.manual_seed(3)
    first, second = (to_host(layer.forward(x)).copy() for _ in range(2))
    tinyfft.manual_seed(3)
    again = to_host(nn.Dropout(0.5).forward(x))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_same_mask_on_every_device(device):
    tinyfft.manual_seed(3)
    here = to_host(nn.Dropout(0.5).forward(device.array(np.ones((8, 16)))))
    tinyfft.use_device("cpu")
    tinyfft.manual_seed(3)
    assert np.array_equal(here, nn.Dropout(0.5).forward(np.ones((8, 16))))


@pytest.mark.parametrize(("p", "train"), [(0.5, False), (0.0, True)], ids=["evaluation", "p = 0"])
def test_identity(device, rng, p, train):
    layer, x = nn.Dropout(p), device.array(rng.standard_normal((4, 6)))
    layer.forward(x)  # in training: a mask that must not be used below
    layer.train = train
    state = tinyfft.random.generator().bit_generator.state
    assert error(layer.forward(x), to_host(x)) == 0
    assert error(layer.backward(x, 3 * x), 3 * to_host(x)) == 0
    assert tinyfft.random.generator().bit_generator.state == state


def test_a_captured_forward_pass_gets_a_new_mask_before_each_replay(device):
    layer, x = nn.Dropout(0.5), device.array(np.ones((8, 16)))
    tinyfft.manual_seed(3)
    expected = [to_host(layer.forward(x)).copy() for _ in range(2)]
    tinyfft.manual_seed(3)
    state = tinyfft.random.generator().bit_generator.state
    with tinyfft.backend.capturing() as before_replay:
        layer.forward(x)
    assert tinyfft.random.generator().bit_generator.state == state
    for mask in expected:  # a forward pass stands for the replay
        for resample in before_replay:
            resample()
        with tinyfft.backend.capturing():
            assert np.array_equal(to_host(layer.forward(x)), mask)


def test_output_in_evaluation_is_not_the_input(device):
    layer, x = nn.Dropout(0.5), device.array(np.ones((4, 6)))
    layer.evaluate()
    layer.forward(x)
    layer.training()
    layer.forward(x)
    assert error(x, np.ones((4, 6))) == 0


def test_central_differences(device, rng):
    gradcheck(nn.Dropout(0.3), device.array(rng.standard_normal((3, 4, 5))))


def test_repr():
    assert repr(nn.Dropout()) == "nn.Dropout(0.5)"


def test_wrong_p_is_named():
    for p in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=f"Dropout: p is {p}, expected 0 <= p < 1"):
            nn.Dropout(p)
