import json

import numpy as np
import pytest
from trainers import Batches, linear_trainer, nine_images

from tinyfft import nn
from tinyfft.backend import Device, to_host
from tinyfft.training import evaluation
from tinyfft.training.trainer import Callback, DivergedError


class Witness(Callback):
    """Appends (trainer, steps so far, whether it trains) to `seen` after each minibatch."""

    def __init__(self, seen):
        self.seen = seen

    def batch_ended(self, trainer):
        assert trainer.step == trainer.global_step
        self.seen.append((trainer, trainer.step, trainer.network.train))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture
def data(rng):
    return nine_images(rng)


def test_loss_and_accuracy_are_means_over_the_images(device, data):
    images, labels = data
    trainer = linear_trainer()
    linear = trainer.network[1]
    p = softmax(images.reshape(9, 12) @ to_host(linear.weight).T + to_host(linear.bias))
    loss, accuracy = -np.log(p[np.arange(9), labels]).mean(), (p.argmax(axis=1) == labels).mean()
    loader = Batches(device, images, labels, [6, 2, 1])
    for result in (trainer.evaluate(loader.epoch(0)), trainer.train_epoch(loader.epoch(1))):
        assert result["loss"] == pytest.approx(loss, rel=1e-9)
        assert result["accuracy"] == accuracy
        assert result["images"] == 9


def test_training_is_gradient_descent_with_the_learning_rate_of_each_step(device, data):
    images, labels = data
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
    assert trainer.global_step == 3


def test_evaluation_changes_no_weight_and_runs_in_its_mode(device, data):
    network = nn.Sequential(nn.Flatten(), nn.BatchNormalization(12, dtype="float64"), nn.Linear(12, 3, dtype="float64"))
    trainer = linear_trainer(network, rate=0.1)
    loader = Batches(device, *data, [4, 5])
    before = {name: to_host(array).copy() for name, array in network.state().items()}
    trainer.evaluate(loader.epoch(0))
    for name, array in network.state().items():
        np.testing.assert_array_equal(to_host(array), before[name])
    trainer.train_epoch(loader.epoch(1))
    assert not np.array_equal(to_host(network[1].running_mean), before["1.running_mean"])
    assert not np.array_equal(to_host(network[2].weight), before["2.weight"])


def test_the_gradient_of_the_images_is_not_computed(device, data):
    network = nn.Sequential(
        nn.FFTConvolution(3, 3, 1, dtype="float64"), nn.Flatten(), nn.Linear(12, 3, dtype="float64")
    )
    trainer = linear_trainer(network, rate=0.1)
    trainer.train_epoch(Batches(device, *data, [9]).epoch(1))
    assert network[0].gradInput is None
    assert network[1].gradInput is not None


def test_the_network_is_told_of_new_weights_after_each_step(device, data, monkeypatch):
    trainer = linear_trainer()
    seen = []
    monkeypatch.setattr(trainer.network, "weights_changed", lambda: seen.append(trainer.global_step))
    trainer.train_epoch(Batches(device, *data, [3, 3, 3]).epoch(1))
    assert len(seen) == 3


def test_after_each_minibatch_a_callback_sees_the_trainer(device, data):
    seen = []
    trainer = linear_trainer(callbacks=[Witness(seen)])
    loader = Batches(device, *data, [3, 3, 3])
    trainer.train_epoch(loader.epoch(1))
    trainer.evaluate(loader.epoch(0))
    assert seen == [(trainer, step, True) for step in (1, 2, 3)] + [(trainer, 3, False)] * 3


def test_fit_yields_the_metrics_of_each_epoch(device, data, capsys):
    images, labels = data
    trainer = linear_trainer(rate=0.1)
    train, test = Batches(device, images, labels, [4, 4]), Batches(device, images[8:], labels[8:], [1])
    found = list(trainer.fit(train, {"test": test}, epochs=2, data="nine"))
    assert [metrics["epoch"] for metrics in found] == [1, 2]
    assert (train.asked, test.asked) == ([(1, 0), (2, 0)], [(0, 0), (0, 0)])
    last = trainer.evaluate(test.epoch(0))
    assert found[1]["test_loss"] == last["loss"]
    assert found[1]["test_accuracy"] == last["accuracy"]
    assert found[1]["train_loss"] < found[0]["train_loss"]
    for metrics in found:
        assert (metrics["data"], metrics["device"]) == ("nine", str(device))
        assert 0 <= metrics["train_accuracy"] <= 1
        assert metrics["seconds"] > 0
        assert metrics["images_per_second"] > 8 / metrics["seconds"]  # without the evaluation
        assert json.loads(json.dumps(metrics)) == metrics
    assert set(found[0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
        *("seconds", "images_per_second", "learning_rate", "data", "device"),
    }
    assert [metrics["learning_rate"] for metrics in found] == [trainer.schedule.learning_rate_at(0)] * 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_the_training_before_it_spoils_the_weights(device, data, bad):
    trainer = linear_trainer(rate=0.25)
    trainer.train_epoch(Batches(device, *data, [9]).epoch(1))
    before = to_host(trainer.network[1].weight).copy()
    trainer.criterion.updateOutput = lambda output, target: bad
    for run in (trainer.train_epoch, trainer.evaluate):
        with pytest.raises(DivergedError, match=rf"the loss is {bad} after 1 steps, at learning rate 0.25"):
            run(Batches(device, *data, [9]).epoch(1))
    np.testing.assert_array_equal(to_host(trainer.network[1].weight), before)


@pytest.mark.parametrize("ahead", [0, 1])
def test_after_a_loss_that_is_not_finite_no_step_is_taken(device, data, ahead, monkeypatch):
    """Also where the next minibatch is queued before the loss is known. A state saved before can be restored."""
    monkeypatch.setattr(Device, "steps_ahead", ahead)
    trainer, expected = linear_trainer(rate=0.25), linear_trainer(rate=0.25)
    good = Batches(device, *data, [3, 3, 3]).batches
    for target, source in zip(trainer.network.parameters()[0], expected.network.parameters()[0], strict=True):
        target[...] = source
    expected.train_epoch(good[:2])
    trainer.train_epoch(good[:1])
    arrays, record = trainer.state()
    saved = {name: to_host(array).copy() for name, array in arrays.items()}, record
    with pytest.raises(DivergedError, match=r"the loss is nan after 2 steps, at learning rate 0\.25"):
        trainer.train_epoch([good[1], (good[0][0] * np.nan, good[0][1]), good[2]])
    assert trainer.global_step == 2
    np.testing.assert_array_equal(to_host(trainer.network[1].weight), to_host(expected.network[1].weight))
    with pytest.raises(DivergedError, match="the loss is nan after 2 steps"):
        trainer.state()
    trainer.restore(*saved)
    trainer.train_epoch(good[1:2])
    assert trainer.global_step == 2
    np.testing.assert_array_equal(to_host(trainer.network[1].weight), to_host(expected.network[1].weight))


def test_losses_are_read_as_many_steps_late_as_the_device_asks_for(device, data, monkeypatch):
    trainer, shown = linear_trainer(), {0: [], 1: []}
    for ahead, losses in shown.items():
        monkeypatch.setattr(Device, "steps_ahead", ahead)
        monkeypatch.setattr(trainer.progress, "advance", lambda images, loss, losses=losses: losses.append(loss))
        trainer.evaluate(Batches(device, *data, [3, 3, 3]).batches)
    assert len({*shown[0]}) == 3
    assert shown[1] == [None, *shown[0][:2]]


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_class_that_does_not_exist_is_named(device, data, ahead, wrong, monkeypatch):
    monkeypatch.setattr(Device, "steps_ahead", ahead)
    trainer = linear_trainer(rate=0.25)
    images, labels = data
    with pytest.raises(ValueError, match=r"target has classes from -?\d to \d, expected 0 to 2"):
        trainer.train_epoch(Batches(device, images, np.where(labels == 1, wrong, labels), [3, 3, 3]).epoch(1))


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
    found = list(trainer.fit(loader, {"test": loader}, epochs=10))
    assert found[-1]["test_accuracy"] == 1.0
    assert found[-1]["test_loss"] < 0.1


def test_each_evaluation_has_metrics_of_its_own(device, data):
    images, labels = data
    trainer = linear_trainer()
    loaders = {"validation": Batches(device, images[:4], labels[:4], [4]), "test": Batches(device, *data, [9])}
    (metrics,) = trainer.fit(Batches(device, *data, [9]), loaders, 1)
    for name, loader in loaders.items():
        assert metrics[f"{name}_loss"] == trainer.evaluate(loader.epoch(0))["loss"]
    assert metrics["validation_loss"] != metrics["test_loss"]


def test_mirrored_evaluation_takes_the_mean_of_both_outputs(device, data):
    images, labels = data
    trainer = linear_trainer(mirror=True)
    linear = trainer.network[1]

    def logits(x):
        return x.reshape(len(x), 12) @ to_host(linear.weight).T + to_host(linear.bias)

    p = softmax((logits(images) + logits(images[..., ::-1])) / 2)
    found = trainer.evaluate(Batches(device, images, labels, [5, 4]).epoch(0))
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(9), labels]).mean(), rel=1e-9)
    assert found["accuracy"] == (p.argmax(axis=1) == labels).mean()
    outcome = evaluation.evaluate(trainer.network, Batches(device, images, labels, [5, 4]).epoch(0), mirror=True)
    assert outcome.accuracy == found["accuracy"]
