"""Captured steps compute the same as others, whatever runs between them.

Without a GPU, a function that calls the work again stands in for a graph.
"""

import numpy as np
import pytest
from trainers import linear_trainer

import tinyfft
from tinyfft import backend, nn
from tinyfft.backend import to_host
from tinyfft.cuda import graph
from tinyfft.cuda.graph import WARM_UP_CALLS
from tinyfft.training.step import TrainStep, capturable


@pytest.fixture
def captured(device, monkeypatch):
    """The list of all captures, on a device that captures."""
    made, capture = [], graph.capture if device.kind == "cuda" else call_again
    monkeypatch.setattr(graph, "capture", lambda work, device: made.append(work) or capture(work, device))
    if device.kind == "cpu":
        monkeypatch.setattr(backend.Device, "captures", True)
    return made


def call_again(work, device):
    """Return a function that calls the work, but leaves what the host counts: a graph does not contain that."""

    def replay():
        assert device.captures
        version = backend._weights_version
        work()
        backend._weights_version = version

    return replay


def network():
    tinyfft.manual_seed(2)
    layers = (nn.Convolution(3, 4, 3, padding="same", algorithm="fft"), nn.BatchNormalization(4), nn.ReLU())
    return nn.Sequential(*layers, nn.MaxPool(2), nn.Dropout(0.2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 3))


def batches(device, sizes=(6,) * 7):
    rng = np.random.default_rng(4)
    pictures = [rng.standard_normal((size, 3, 4, 4)).astype(np.float32) for size in sizes]
    return [(device.array(x), device.array(rng.integers(3, size=len(x)))) for x in pictures]


def train_step(trainer, **settings):
    return TrainStep(trainer.network, trainer.criterion, trainer.optimizer, **settings)


def train(data, graph, between=lambda trainer: None):
    """Return (the results of each step, the weights); each step has another learning rate."""
    trainer = linear_trainer(network(), momentum=0.9)
    step = train_step(trainer, graph=graph)
    found = []
    for number, (input, target) in enumerate(data):
        trainer.network.training()
        trainer.optimizer.learning_rate = 0.1 / (1 + number)
        step.train(input, target)
        found.append(step.fetch()().tolist())
        between(trainer)
    return found, {name: to_host(array) for name, array in trainer.network.state().items()}


def check(data, between=lambda trainer: None):
    expected, expected_weights = train(data, False, between)
    found, weights = train(data, True, between)
    assert found == expected
    for name, array in expected_weights.items():
        np.testing.assert_array_equal(weights[name], array)


def test_captured_steps_compute_the_same(device, captured):
    check(batches(device))
    assert len(captured) == 1


def test_minibatches_of_another_shape_between_captured_steps(device, captured):
    check(batches(device, (6, 6, 6, 2, 6, 2, 2, 6)))
    assert len(captured) == 1


def test_evaluations_between_captured_steps(device, captured):
    """Also larger ones, for which the arena has to grow. The spectra of their weights are not stale."""
    x, target = batches(device, (16,))[0]
    losses, steps = {}, {}

    def evaluate(trainer):
        both = steps.setdefault(id(trainer), [train_step(trainer, mirror=mirror) for mirror in (False, True)])
        found = []
        for step in both:
            step.start_evaluation()
            results = set()
            for _ in range(WARM_UP_CALLS + 2):
                step.evaluate(x, target)
                results.add(tuple(step.fetch()()))
            assert len(results) == 1
            found += results
        assert found[0] != found[1]
        losses.setdefault(id(trainer), []).append(found)

    check(batches(device), evaluate)
    expected, found = losses.values()
    assert found == expected
    assert len({loss for (loss, _), _ in found}) == len(found)


@pytest.mark.parametrize("mirror", [False, True])
def test_each_evaluation_is_captured_again(device, captured, mirror):
    """The weights, and with them their spectra, may have changed before it."""
    step = train_step(linear_trainer(network()), mirror=mirror)
    x, target = batches(device)[0]
    for number in (1, 2):
        step.start_evaluation()
        for _ in range(WARM_UP_CALLS + 2):
            step.evaluate(x, target)
        assert len(captured) == number


def test_captured_steps_count_as_weight_updates(device, captured):
    before = backend.weights_version()
    train(batches(device), True)
    assert backend.weights_version() >= before + 7


def test_there_are_steps_to_warm_up_before_the_capture(device, captured):
    train(batches(device, (6,) * WARM_UP_CALLS), True)
    assert not captured


def test_a_network_with_a_module_that_is_not_capturable_is_not_captured(device, captured):
    step = train_step(linear_trainer(nn.Sequential(nn.Flatten(), nn.LogSoftMax(), nn.Linear(48, 3))))
    for input, target in batches(device):
        step.train(input, target)
    assert not captured


def test_capturable_is_not_inherited(device):
    """A subclass may do what its base does not."""

    class Own(nn.Linear):
        pass

    class Capturable(Own):
        capturable = True

    assert capturable([nn.Linear(4, 3), Capturable(4, 3)])
    assert not capturable([nn.Linear(4, 3), Own(4, 3)])


def test_steps_in_a_thread_that_cannot_capture(device, captured, monkeypatch):
    """As in a thread that has not chosen its device."""
    data = batches(device)

    def between(trainer):
        calls.append(trainer)
        if len(calls) in (4, 4 + len(data)):
            monkeypatch.setattr(backend.Device, "captures", False)
        elif len(calls) in (6, 6 + len(data)):
            monkeypatch.setattr(backend.Device, "captures", True)

    calls = []
    check(data, between)
    assert captured


def test_a_restored_trainer_captures_again(device, captured):
    trainer, data = linear_trainer(network()), batches(device)
    trainer.train_epoch(data)
    arrays, record = trainer.state()
    assert len(captured) == 1
    trainer.restore({name: to_host(array).copy() for name, array in arrays.items()}, record)
    trainer.train_epoch(data)
    assert len(captured) == 2


def test_a_loss_that_is_not_finite_changes_no_weight_until_a_reset(device, captured):
    trainer = linear_trainer(network(), momentum=0.9)
    step, data = train_step(trainer), batches(device)

    def values():
        return [to_host(array).copy() for array in (trainer.optimizer.weights, *trainer.optimizer.state().values())]

    for input, target in data[:5]:
        step.train(input, target)
    expected = values()
    step.train(data[5][0] * np.nan, data[5][1])
    assert not np.isfinite(step.fetch()()[0])
    step.train(*data[6])
    for array, before in zip(values(), expected, strict=True):
        np.testing.assert_array_equal(array, before)
    step.reset()
    step.train(*data[6])
    assert np.isfinite(step.fetch()()[0])
    assert not np.array_equal(values()[0], expected[0])


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["paper", "cifar", "cifar-accurate"])
def test_a_running_iteration_allocates_nothing(name):
    """Of the configs' networks, kernel by kernel."""
    import cupy

    import models
    from tinyfft.config import load_config
    from tinyfft.timing import Iteration

    device = tinyfft.use_device("cuda")
    config = load_config(name, ["graph=false"])
    iteration = Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)
    for _ in range(3):
        iteration.run()
    allocated = []

    class Watch(cupy.cuda.MemoryHook):
        name = "allocations"

        def malloc_preprocess(self, **named):
            allocated.append(named)

    with Watch():
        iteration.run()
    device.synchronize()
    assert allocated == []
