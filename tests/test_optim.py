"""SGD against its definition and PyTorch; schedules against their formulas."""

import math

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.optim import SGD, Schedule

OPTIONS = {
    "plain": {},
    "weight decay": {"weight_decay": 0.1},
    "momentum": {"momentum": 0.9},
    "momentum, decay": {"momentum": 0.9, "weight_decay": 0.1},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "nesterov, decay": {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
}
options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def define(weights, gradients, rates, momentum=0.0, nesterov=False, weight_decay=0.0):
    """Return the weights after one step for each row of `gradients`, computed number by number."""
    weights = [float(w) for w in weights]
    for i in range(len(weights)):
        velocity = None
        for step, rate in enumerate(rates):
            g = gradients[step][i] + weight_decay * weights[i]
            velocity = g if velocity is None else momentum * velocity + g
            weights[i] -= rate * (g + momentum * velocity if nesterov else velocity)
    return np.array(weights)


@options
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_definition(device, rng, options, dtype):
    start, gradients = rng.standard_normal(7).astype(dtype), rng.standard_normal((5, 7)).astype(dtype)
    rates = [0.1, 0.1, 0.05, 0.0, 0.2]
    weights, gradient = device.array(start.copy()), device.array(np.zeros(7, dtype))
    sgd = SGD(weights, gradient, 1.0, **options)
    for rate, values in zip(rates, gradients, strict=True):
        gradient[...] = device.array(values)
        sgd.learning_rate = rate
        sgd.step()
        assert error(gradient, values) == 0
    expected = define(start, gradients.astype(np.float64), rates, **options)
    assert weights.dtype == dtype
    assert error(weights, expected) <= (FP32_BOUND if dtype == "float32" else FP64_BOUND)


@pytest.mark.torch
@options
def test_against_torch(device, rng, options):
    import torch

    start = rng.standard_normal(9)
    peer_weights = torch.from_numpy(start.copy()).requires_grad_()
    peer = torch.optim.SGD([peer_weights], lr=0.1, **options)
    weights, gradients = device.array(start.copy()), device.array(np.zeros(9))
    sgd = SGD(weights, gradients, 0.1, **options)
    for step in range(6):
        values = rng.standard_normal(9)
        sgd.learning_rate = peer.param_groups[0]["lr"] = 0.1 / (1 + step)
        gradients[...] = device.array(values)
        peer_weights.grad = torch.from_numpy(values)
        sgd.step()
        peer.step()
        assert error(weights, peer_weights.detach().numpy()) <= FP64_BOUND


def test_a_step_changes_the_weights_of_the_layers(device):
    layer = nn.Linear(3, 2, dtype="float64")
    weights, gradients = layer.getParameters()
    before = to_host(layer.weight).copy()
    layer.gradWeight.fill(1)
    SGD(weights, gradients, 0.5).step()
    assert error(layer.weight, before - 0.5) <= FP64_BOUND


def test_steps_allocate_no_arrays(device):
    weights, gradients = (device.array(np.ones(5)) for _ in range(2))
    sgd = SGD(weights, gradients, 0.1, 0.9, True, 0.1)
    arrays = {name: id(a) for name, a in vars(sgd).items() if isinstance(a, device.xp.ndarray)}
    assert len(arrays) == 4
    sgd.step()
    sgd.step()
    assert {name: id(a) for name, a in vars(sgd).items() if isinstance(a, device.xp.ndarray)} == arrays
    assert sgd.weights is weights


def test_training_continues_from_a_restored_state(device, rng):
    start, values = rng.standard_normal(5), rng.standard_normal(5)
    gradients = device.array(values)
    whole = SGD(device.array(start.copy()), gradients, 0.1, 0.9)
    whole.step()
    assert error(whole.state()["velocity"], values) == 0
    resumed = SGD(whole.weights.copy(), gradients, 0.1, 0.9)
    resumed.state()["velocity"][...] = whole.state()["velocity"]
    for sgd in (whole, resumed):
        sgd.step()
    assert error(resumed.weights, to_host(whole.weights)) == 0
    assert SGD(whole.weights, gradients, 0.1).state() == {}


def test_sgd_repr():
    weights = np.ones(2)
    expected = "SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0005)"
    assert repr(SGD(weights, weights.copy(), 0.1, 0.9, True, 5e-4)) == expected


def test_sgd_errors(device):
    weights, gradients = (device.array(np.ones(4)) for _ in range(2))
    for name in ("learning_rate", "momentum", "weight_decay"):
        for value in (-0.1, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"SGD: {name} is {value}, expected 0 or more"):
                SGD(weights, gradients, **{"learning_rate": 0.1, name: value})
    with pytest.raises(ValueError, match=r"nesterov is on and momentum is 0.0, expected more than 0"):
        SGD(weights, gradients, 0.1, nesterov=True)
    with pytest.raises(ValueError, match=r"gradients has shape \(3,\) and dtype float64, expected \(4,\) and float64"):
        SGD(weights, gradients[:3], 0.1)
    with pytest.raises(ValueError, match=r"gradients has .* dtype float32, expected .* float64"):
        SGD(weights, gradients.astype("float32"), 0.1)
    with pytest.raises(ValueError, match=r"weights has shape \(2, 2\) and dtype float64, expected \(n,\)"):
        SGD(weights.reshape(2, 2), gradients.reshape(2, 2), 0.1)
    with pytest.raises(TypeError, match=r"gradients is <class 'list'>, expected <class '.*ndarray'>"):
        SGD(weights, [1.0] * 4, 0.1)
    sgd = SGD(weights, gradients, 0.1)
    with pytest.raises(ValueError, match="learning_rate is -1, expected 0 or more"):
        sgd.learning_rate = -1
    assert sgd.learning_rate == 0.1


def rates(*arguments, **options):
    schedule = Schedule(*arguments, **options)
    return [schedule.learning_rate_at(step) for step in range(schedule.total_steps)]


def test_constant():
    assert rates("constant", 0.3, 4) == [0.3] * 4


def test_one_cycle_linear():
    expected = [0.25, 0.5, 0.75, 1.0, *(1 - t / 13 for t in range(1, 13))]
    assert rates("one_cycle", 1.0, 16) == pytest.approx(expected, rel=1e-12)


def test_one_cycle_cosine():
    got = rates("one_cycle", 2.0, 10, warmup=0.2, decay="cosine")
    expected = [1.0, 2.0, *(1 + math.cos(math.pi * t / 9) for t in range(1, 9))]
    assert got == pytest.approx(expected, rel=1e-12)
    assert min(got) > 0


def test_one_cycle_without_warmup_starts_at_the_peak():
    assert rates("one_cycle", 1.0, 4, warmup=0) == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert rates("one_cycle", 1.0, 1) == [1.0]


def test_step_decay():
    got = rates("step", 1.0, 10, milestones=(0.3, 0.55), factor=0.5)
    assert got == [1.0] * 3 + [0.5] * 3 + [0.25] * 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "cyclic"}, "kind is 'cyclic', expected 'constant', 'one_cycle' or 'step'"),
        ({"peak": 0.0}, "peak is 0.0, expected more than 0"),
        ({"peak": math.nan}, "peak is nan, expected more than 0"),
        ({"total_steps": 0}, "total_steps is 0, expected at least 1"),
        ({"warmup": 1.0}, "warmup is 1.0, expected 0 <= warmup < 1"),
        ({"decay": "exp"}, "decay is 'exp', expected 'linear' or 'cosine'"),
        ({"milestones": (0.5, 1.5)}, r"milestones is \(0.5, 1.5\), expected fractions between 0 and 1"),
        ({"factor": 2.0}, "factor is 2.0, expected 0 < factor <= 1"),
    ],
)
def test_schedule_errors(options, text):
    with pytest.raises(ValueError, match=f"Schedule: {text}"):
        Schedule(**{"kind": "constant", "peak": 0.1, "total_steps": 5, **options})


@pytest.mark.parametrize("step", [-1, 5])
def test_steps_beyond_the_schedule(step):
    with pytest.raises(ValueError, match=f"Schedule: step is {step}, expected 0 to 4"):
        Schedule("constant", 0.1, 5).learning_rate_at(step)
