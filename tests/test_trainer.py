import json

import numpy as np
import pytest

from tinyfft import nn, optim
from tinyfft.backend import to_host
from tinyfft.trainer import DivergedError, Trainer


class Batches:
    """A loader with the same batches in every epoch, which notes the epochs that were asked for."""

    def __init__(self, device, images, labels, sizes):
        ends = np.cumsum(sizes)
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.batches = [(device.array(images[part]), device.array(labels[part])) for part in parts]
        self.asked = []

    def __len__(self):
        return len(self.batches)

    def epoch(self, number):
        self.asked.append(number)
        return iter(self.batches)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def linear_trainer(network=None, rate=0.0, momentum=0.0, steps=100, kind="constant", **named):
    network = network or nn.Sequential(nn.Flatten(), nn.Linear(12, 3, dtype="float64"))
    optimizer = optim.SGD(*network.getParameters(), 0.5, momentum)
    optimizer.learning_rate = 0.5
    schedule = optim.Schedule(kind, rate or 1e-12, steps)
    return Trainer(network, nn.CrossEntropyCriterion(), optimizer, schedule, **named)


@pytest.fixture
def pictures(rng):
    """Nine pictures of three classes: images (9, 3, 2, 2), labels."""
    return rng.standard_normal((9, 3, 2, 2)), rng.integers(3, size=9)


def test_loss_and_accuracy_are_means_over_the_pictures(device, pictures):
    images, labels = pictures
    trainer = linear_trainer()
    linear = trainer.network[1]
    p = softmax(images.reshape(9, 12) @ to_host(linear.weight).T + to_host(linear.bias))
    loss, accuracy = -np.log(p[np.arange(9), labels]).mean(), (p.argmax(axis=1) == labels).mean()
    loader = Batches(device, images, labels, [6, 2, 1])
    for result in (trainer.evaluate(loader.epoch(0)), trainer.train_epoch(loader.epoch(1))):
        assert result["loss"] == pytest.approx(loss, rel=1e-9)
        assert result["accuracy"] == accuracy
        assert result["images"] == 9


def test_training_is_gradient_descent_with_the_learning_rate_of_each_step(device, pictures):
    images, labels = pictures
    trainer = linear_trainer(rate=0.3, momentum=0.5, steps=3, kind="one_cycle")
    schedule = trainer.schedule
    linear = trainer.network[1]
    weight, bias = to_host(linear.weight).copy(), to_host(linear.bias).copy()
    v_weight, v_bias = np.zeros_like(weight), np.zeros_like(bias)
    rows = images.reshape(9, 12)
    for step, part in enumerate((slice(0, 4), slice(4, 8), slice(8, 9))):
        p = softmax(rows[part] @ weight.T + bias)
        difference = (p - np.eye(3)[labels[part]]) / len(p)
        v_weight, v_bias = 0.5 * v_weight + difference.T @ rows[part], 0.5 * v_bias + difference.sum(axis=0)
        weight, bias = (w - schedule.learning_rate_at(step) * v for w, v in ((weight, v_weight), (bias, v_bias)))
    assert len({schedule.learning_rate_at(step) for step in range(3)}) == 3

    trainer.train_epoch(Batches(device, images, labels, [4, 4, 1]).epoch(1))

    np.testing.assert_allclose(to_host(linear.weight), weight, rtol=1e-10, equal_nan=False)
    np.testing.assert_allclose(to_host(linear.bias), bias, rtol=1e-10, equal_nan=False)
    assert trainer.step == 3


def test_evaluation_changes_no_weight_and_runs_in_its_mode(device, pictures):
    network = nn.Sequential(nn.Flatten(), nn.BatchNormalization(12, dtype="float64"), nn.Linear(12, 3, dtype="float64"))
    trainer = linear_trainer(network, rate=0.1)
    loader = Batches(device, *pictures, [4, 5])
    before = {name: to_host(array).copy() for name, array in network.state().items()}
    trainer.evaluate(loader.epoch(0))
    for name, array in network.state().items():
        np.testing.assert_array_equal(to_host(array), before[name])
    trainer.train_epoch(loader.epoch(1))
    assert not np.array_equal(to_host(network[1].running_mean), before["1.running_mean"])
    assert not np.array_equal(to_host(network[2].weight), before["2.weight"])


def test_the_gradient_of_the_pictures_is_not_computed(device, pictures):
    network = nn.Sequential(
        nn.FFTConvolution(3, 3, 1, dtype="float64"), nn.Flatten(), nn.Linear(12, 3, dtype="float64")
    )
    trainer = linear_trainer(network, rate=0.1)
    trainer.train_epoch(Batches(device, *pictures, [9]).epoch(1))
    assert network[0].gradInput is None
    assert network[1].gradInput is not None


def test_what_is_derived_from_weights_is_dropped_after_each_step(device, pictures, monkeypatch):
    trainer = linear_trainer()
    seen = []
    monkeypatch.setattr(trainer.network, "weights_changed", lambda: seen.append(trainer.step))
    trainer.train_epoch(Batches(device, *pictures, [3, 3, 3]).epoch(1))
    assert len(seen) == 3


def test_after_each_step_the_callback_sees_the_trainer(device, pictures):
    seen = []
    trainer = linear_trainer(after_step=lambda t: seen.append((t, t.step)))
    loader = Batches(device, *pictures, [3, 3, 3])
    trainer.train_epoch(loader.epoch(1))
    trainer.evaluate(loader.epoch(0))
    assert seen == [(trainer, 1), (trainer, 2), (trainer, 3)]


def test_fit_yields_the_measurements_of_each_epoch(device, pictures, capsys):
    images, labels = pictures
    trainer = linear_trainer(rate=0.1)
    train, test = Batches(device, images, labels, [4, 4]), Batches(device, images[8:], labels[8:], [1])
    found = list(trainer.fit(train, test, epochs=2, data="nine"))
    assert [metrics["epoch"] for metrics in found] == [1, 2]
    assert (train.asked, test.asked) == ([1, 2], [0, 0])
    last = trainer.evaluate(test.epoch(0))
    assert found[1]["test_loss"] == last["loss"]
    assert found[1]["test_accuracy"] == last["accuracy"]
    assert found[1]["train_loss"] < found[0]["train_loss"]
    for metrics in found:
        assert (metrics["data"], metrics["device"]) == ("nine", str(device))
        assert 0 <= metrics["train_accuracy"] <= 1
        assert metrics["seconds"] > 0
        assert metrics["images_per_second"] > 8 / metrics["seconds"]  # the evaluation is not in it
        assert json.loads(json.dumps(metrics)) == metrics
    assert set(found[0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
        *("seconds", "images_per_second", "data", "device"),
    }


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_the_training_before_it_spoils_the_weights(device, pictures, bad):
    trainer = linear_trainer(rate=0.25)
    trainer.train_epoch(Batches(device, *pictures, [9]).epoch(1))
    before = to_host(trainer.network[1].weight).copy()
    trainer.criterion.forward = lambda output, target: bad
    for run in (trainer.train_epoch, trainer.evaluate):
        with pytest.raises(DivergedError, match=rf"the loss is {bad} after 1 steps, at learning rate 0.25"):
            run(Batches(device, *pictures, [9]).epoch(1))
    np.testing.assert_array_equal(to_host(trainer.network[1].weight), before)


@pytest.mark.parametrize("method", ["train_epoch", "evaluate"])
def test_an_epoch_without_minibatches_is_an_error(device, method):
    with pytest.raises(ValueError, match="there is no minibatch, expected at least one"):
        getattr(linear_trainer(), method)(iter(()))


def test_a_convolutional_network_learns_bright_from_dark(device, rng):
    labels = rng.integers(2, size=40)
    images = (rng.standard_normal((40, 1, 6, 6)) + 2 * labels[:, None, None, None]).astype(np.float32)
    network = nn.Sequential(
        nn.FFTConvolution(1, 2, 3), nn.BatchNormalization(2), nn.ReLU(), nn.MaxPool(2), nn.Flatten(), nn.Linear(8, 2)
    )
    trainer = linear_trainer(network, rate=0.2, momentum=0.5)
    loader = Batches(device, images, labels, [20, 20])
    found = list(trainer.fit(loader, loader, epochs=10, data="bright"))
    assert found[-1]["test_accuracy"] == 1.0
    assert found[-1]["test_loss"] < 0.1
