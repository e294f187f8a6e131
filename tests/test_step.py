"""Steps: recorded ones do what the others do, and go on after whatever ran between them.

Where there is no GPU a recording that does the work again stands for a graph.
"""

import numpy as np
import pytest
from trainers import linear_trainer

import tinyfft
from tinyfft import backend, gpu, nn
from tinyfft.backend import to_host
from tinyfft.recorded import WARM_UP
from tinyfft.step import Step


@pytest.fixture
def recorded(device, monkeypatch):
    """The numbers of recordings made, by a device that records."""
    made = []
    if device.kind == "cpu":
        monkeypatch.setattr(backend.Device, "captures", True)
        monkeypatch.setattr(gpu, "capture", lambda work, device: made.append(work) or again(work))
    else:
        capture = gpu.capture
        monkeypatch.setattr(gpu, "capture", lambda work, device: made.append(work) or capture(work, device))
    return made


def again(work):
    """Does the device's part again: what the host counts is not in a graph."""

    def launch():
        version = backend._weights_version
        work()
        backend._weights_version = version

    return launch


def network():
    tinyfft.manual_seed(2)
    layers = (nn.Convolution(3, 4, 3, padding="same", algorithm="fft"), nn.BatchNormalization(4), nn.ReLU())
    return nn.Sequential(*layers, nn.MaxPool(2), nn.Dropout(0.2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 3))


def batches(device, sizes=(6,) * 7):
    rng = np.random.default_rng(4)
    pictures = [rng.standard_normal((size, 3, 4, 4)).astype(np.float32) for size in sizes]
    return [(device.array(x), device.array(rng.integers(3, size=len(x)))) for x in pictures]


def trained(data, record, between=lambda trainer: None):
    """(what each step measured, the weights), by steps at rates of their own."""
    trainer = linear_trainer(network(), momentum=0.9)
    step = Step(trainer.network, trainer.criterion, trainer.optimizer, record)
    found = []
    for number, (input, target) in enumerate(data):
        trainer.network.training()
        trainer.optimizer.learning_rate = 0.1 / (1 + number)
        step.train(input, target)
        found.append(step.measured()())
        between(trainer)
    return found, {name: to_host(array) for name, array in trainer.network.state().items()}


def check(data, between=lambda trainer: None):
    plain, weights = trained(data, False, between)
    found, recorded_weights = trained(data, True, between)
    assert found == plain
    for name, array in weights.items():
        np.testing.assert_array_equal(recorded_weights[name], array)


def test_recorded_steps_do_what_the_others_do(device, recorded):
    check(batches(device))
    assert len(recorded) == 1


def test_minibatches_of_another_shape_go_between_them(device, recorded):
    check(batches(device, (6, 6, 6, 2, 6, 2, 2, 6)))
    assert len(recorded) == 1


def test_evaluations_go_between_them(device, recorded):
    """Also larger ones, for which the arena has to grow, and their spectra of the weights are not stale."""
    x, target = batches(device, (16,))[0]
    losses, steps = {}, {}

    def evaluate(trainer):
        parts = (trainer.network, trainer.criterion, trainer.optimizer)
        plain, mirrored = steps.setdefault(id(trainer), [Step(*parts, mirror=mirror) for mirror in (False, True)])
        found = []
        for step in (plain, mirrored):
            step.start_evaluation()
            for _ in range(WARM_UP + 2):
                step.evaluate(x, target)
                found.append(step.measured()())
        assert len(set(found[: WARM_UP + 2])) == len(set(found[WARM_UP + 2 :])) == 1
        assert found[0] != found[-1]
        losses.setdefault(id(trainer), []).append((found[0], found[-1]))

    check(batches(device), evaluate)
    plain, of_recorded = losses.values()
    assert of_recorded == plain
    assert len({measured.loss for measured, _ in plain}) == len(plain)


@pytest.mark.parametrize("mirror", [False, True])
def test_each_evaluation_is_recorded_anew(device, recorded, mirror):
    """Weights may have changed before it, and with them their spectra."""
    trainer = linear_trainer(network())
    step = Step(trainer.network, trainer.criterion, trainer.optimizer, mirror=mirror)
    x, target = batches(device)[0]
    for number in (1, 2):
        step.start_evaluation()
        for _ in range(WARM_UP + 2):
            step.evaluate(x, target)
        assert len(recorded) == number


def test_the_optimizer_counts_recorded_steps(device, recorded):
    before = backend.weights_version()
    trained(batches(device), True)
    assert backend.weights_version() >= before + 7


def test_before_a_recording_there_are_steps_to_warm_up(device, recorded):
    trained(batches(device, (6,) * WARM_UP), True)
    assert not recorded


def test_a_module_that_does_not_say_it_records_is_not_recorded(device, recorded):
    trainer = linear_trainer(nn.Sequential(nn.Flatten(), nn.LogSoftMax(), nn.Linear(48, 3)))
    step = Step(trainer.network, trainer.criterion, trainer.optimizer)
    for input, target in batches(device):
        step.train(input, target)
    assert not recorded
    assert not step.recorded


def test_a_subclass_speaks_for_itself(device, recorded):
    """It may do what its base does not: nothing of it is recorded unless it says so."""

    class Own(nn.Linear):
        pass

    class Recorded(Own):
        records = True

    def step_with(kind):
        trainer = linear_trainer(nn.Sequential(nn.Flatten(), kind(48, 3)))
        return Step(trainer.network, trainer.criterion, trainer.optimizer)

    assert not step_with(Own).recorded
    assert step_with(Recorded).recorded


def test_where_nothing_can_be_recorded_all_goes_on(device, recorded, monkeypatch):
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
    assert recorded


def test_a_trainer_that_is_restored_records_anew(device, recorded):
    trainer, data = linear_trainer(network()), batches(device)
    trainer.train_epoch(data)
    arrays, record = trainer.state()
    assert len(recorded) == 1
    trainer.restore({name: to_host(array).copy() for name, array in arrays.items()}, record)
    trainer.train_epoch(data)
    assert len(recorded) == 2


def test_what_was_forgotten_is_recorded_again(device, recorded):
    trainer = linear_trainer(network())
    step = Step(trainer.network, trainer.criterion, trainer.optimizer)
    for input, target in batches(device):
        step.train(input, target)
    step.forget()
    for input, target in batches(device):
        step.train(input, target)
    assert len(recorded) == 2


def test_a_loss_that_is_not_finite_changes_no_weight(device, recorded):
    trainer = linear_trainer(network(), momentum=0.9)
    step = Step(trainer.network, trainer.criterion, trainer.optimizer)
    data = batches(device)
    for input, target in data[:5]:
        step.train(input, target)
    trained_ones = {name: to_host(array).copy() for name, array in trainer.optimizer.state().items()}
    weights = to_host(trainer.optimizer.weights).copy()
    step.train(data[5][0] * np.nan, data[5][1])
    assert not np.isfinite(step.measured()().loss)
    np.testing.assert_array_equal(to_host(trainer.optimizer.weights), weights)
    for name, array in trainer.optimizer.state().items():
        np.testing.assert_array_equal(to_host(array), trained_ones[name])


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
