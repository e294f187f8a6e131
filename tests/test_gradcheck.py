"""gradcheck finds planted errors in every array, and restores all arrays."""

import re

import numpy as np
import pytest
from measure import error

from tinyfft import nn, random
from tinyfft.backend import to_host
from tinyfft.gradcheck import GradientError, gradcheck


class WrongInput(nn.Linear):
    def updateGradInput(self, input, gradOutput):
        super().updateGradInput(input, gradOutput)
        self.gradInput[1, 2] *= 1.001  # one number of twenty, by a thousandth
        return self.gradInput


class WrongWeight(nn.Linear):
    def accGradParameters(self, input, gradOutput, scale=1):
        super().accGradParameters(input, gradOutput, scale)
        self.gradWeight[2, 3] += 1e-3


class ForgottenBias(nn.Linear):
    def accGradParameters(self, input, gradOutput, scale=1):
        kept = self.gradBias.copy()
        super().accGradParameters(input, gradOutput, scale)
        self.gradBias[...] = kept


class IgnoredScale(nn.Linear):
    def accGradParameters(self, input, gradOutput, scale=1):
        super().accGradParameters(input, gradOutput, 1)


class Overwriting(nn.Linear):
    def accGradParameters(self, input, gradOutput, scale=1):
        self.zeroGradParameters()
        super().accGradParameters(input, gradOutput, scale)


class NanInput(nn.Linear):
    def updateGradInput(self, input, gradOutput):
        super().updateGradInput(input, gradOutput).fill(np.nan)
        return self.gradInput


class ZeroGradient(nn.ReLU):
    def updateGradInput(self, input, gradOutput):
        super().updateGradInput(input, gradOutput).fill(0)
        return self.gradInput


class WrongLoss(nn.CrossEntropyCriterion):
    def updateGradInput(self, input, target):
        super().updateGradInput(input, target)
        self.gradInput *= len(target)  # the gradient of the sum instead of the mean
        return self.gradInput


PLANTED = [WrongInput, WrongWeight, ForgottenBias, IgnoredScale, Overwriting, NanInput]


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_errors_are_found(device, rng, kind):
    x = device.array(rng.standard_normal((4, 5)))
    for seed in range(3):
        gradcheck(nn.Linear(5, 3, dtype="float64"), x, seed=seed)
        with pytest.raises(GradientError, match="the central difference"):
            gradcheck(kind(5, 3, dtype="float64"), x, seed=seed)


def test_planted_errors_without_parameters_are_found(device, rng):
    with pytest.raises(GradientError):
        gradcheck(ZeroGradient(), device.array(rng.uniform(0.1, 1, (3, 4))))
    with pytest.raises(GradientError):
        gradcheck(WrongLoss(), device.array(rng.standard_normal((3, 4))), device.array(np.array([0, 3, 1])))


def test_an_error_inside_a_chain_is_found(device, rng):
    def chain(layer):
        return nn.Sequential(nn.Flatten(), layer(12, 6, dtype="float64"), nn.LogSoftMax())

    x = device.array(rng.standard_normal((5, 3, 4)))
    gradcheck(chain(nn.Linear), x)
    with pytest.raises(GradientError, match=r"1\.weight \(6, 12\)"):
        gradcheck(chain(WrongWeight), x)


def test_the_error_names_the_array(device, rng):
    with pytest.raises(GradientError) as caught:
        gradcheck(WrongWeight(5, 3, dtype="float64"), device.array(rng.standard_normal((4, 5))), seed=2)
    text = str(caught.value)
    assert "nn.Linear(5 -> 3)" in text
    assert "tolerance = 1e-07 (eps = 1e-05, seed = 2)" in text
    pairs = re.findall(r"  (\w+) \(.*\): backward (\S+), central difference (\S+)", text)
    assert [name for name, _, _ in pairs] == ["input", "weight", "bias"]
    apart = {name: abs(float(a) - float(b)) for name, a, b in pairs}
    assert apart["weight"] > 1e-4
    assert max(apart["input"], apart["bias"]) < 1e-8


@pytest.mark.parametrize("wrong", [False, True])
def test_all_arrays_are_restored(device, rng, wrong):
    layer = (WrongWeight if wrong else nn.Linear)(4, 6, dtype="float64")
    chain = nn.Sequential(nn.BatchNormalization(4, dtype="float64"), nn.Dropout(0.2), layer)
    x, seen = device.array(rng.standard_normal((5, 4))), []
    for gradient in chain.parameters()[1]:
        gradient.fill(7)
    layer.weights_changed = lambda: seen.append(to_host(layer.weight).copy())
    arrays = [x, *chain.state().values(), *chain.parameters()[1]]
    before = [to_host(a).copy() for a in arrays]
    random_state = random.generator().bit_generator.state
    if wrong:
        with pytest.raises(GradientError):
            gradcheck(chain, x)
    else:
        gradcheck(chain, x)
    for array, values in zip(arrays, before, strict=True):
        assert error(array, values) == 0
    assert random.generator().bit_generator.state == random_state
    assert error(seen[-1], to_host(layer.weight)) == 0


def test_without_gradInput_only_parameters_are_checked(device, rng):
    x = device.array(rng.standard_normal((4, 5)))
    layer = WrongInput(5, 3, dtype="float64")
    layer.needs_gradInput = False
    gradcheck(layer, x)
    layer = WrongWeight(5, 3, dtype="float64")
    layer.needs_gradInput = False
    with pytest.raises(GradientError):
        gradcheck(layer, x)


def test_errors(device, rng):
    x = device.array(rng.standard_normal((4, 5)))
    with pytest.raises(ValueError, match="gradcheck: input has dtype float32, expected float64"):
        gradcheck(nn.ReLU(), x.astype("float32"))
    with pytest.raises(ValueError, match="gradcheck: weight has dtype float32, expected float64"):
        gradcheck(nn.Linear(5, 3), x)
    with pytest.raises(ValueError, match=r"gradcheck: target is None, expected the target of nn.MSECriterion"):
        gradcheck(nn.MSECriterion(), x)
