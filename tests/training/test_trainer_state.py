"""A trainer that restores a state, from any minibatch, computes the same bits as one that was not interrupted."""

import json

import numpy as np
import pytest
from trainers import Batches, linear_trainer, nine_images, random_trainer

import tinyfft
from tinyfft.backend import Device, to_host
from tinyfft.training.checkpoint import CheckpointError
from tinyfft.training.trainer import Callback, DivergedError


@pytest.fixture
def data(rng):
    return nine_images(rng)


class Stop(Callback):
    """Ends the training after `minibatches`, and keeps its state as a checkpoint does: copies, and JSON."""

    def __init__(self, minibatches):
        self.left = minibatches

    def batch_ended(self, trainer):
        self.left -= 1
        if not self.left:
            arrays, record = trainer.state()
            self.state = {name: to_host(array).copy() for name, array in arrays.items()}, json.loads(json.dumps(record))
            raise StopIteration


def timeless(history):
    return [{name: value for name, value in m.items() if name not in ("seconds", "images_per_second")} for m in history]


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("after", range(1, 16))
def test_a_resumed_training_computes_the_same_bits(device, data, after, ahead, monkeypatch):
    """Three epochs of three minibatches, each with an evaluation of two; stopped after any of the fifteen."""
    monkeypatch.setattr(Device, "steps_ahead", 0)
    images, labels = data[0].astype(np.float32), data[1]
    train, test = Batches(device, images, labels, [4, 3, 2]), Batches(device, images, labels, [5, 4])
    whole = random_trainer()
    expected = list(whole.fit(train, {"test": test}, 3))

    stop = Stop(after)
    monkeypatch.setattr(Device, "steps_ahead", ahead)
    with pytest.raises(RuntimeError):  # a generator raises it for StopIteration
        list(random_trainer(callbacks=[stop]).fit(train, {"test": test}, 3))
    trainer = random_trainer()
    tinyfft.manual_seed(99)
    trainer.restore(*stop.state)
    train.asked.clear()
    list(trainer.fit(train, {"test": test}, 3))

    epoch, minibatch = divmod(after - 1, 5)
    assert train.asked[0] == (epoch + 1, min(minibatch + 1, 3))
    assert timeless(trainer.history) == timeless(expected)
    assert trainer.global_step == 9
    for name, array in whole._arrays().items():
        np.testing.assert_array_equal(to_host(trainer._arrays()[name]), to_host(array), strict=True)


def test_a_restored_trainer_uses_the_algorithms_that_were_chosen(device, data):
    images, labels = data[0].astype(np.float32), data[1]
    trainer = random_trainer()
    trainer.train_epoch(Batches(device, images, labels, [9]).epoch(1))
    arrays, record = trainer.state()
    record = json.loads(json.dumps(record))
    for choice in record["choices"]["0"]:
        choice[-1] = "direct" if choice[-1] == "fft" else "fft"
    other = random_trainer()
    other.restore(arrays, record)
    other.train_epoch(Batches(device, images, labels, [9]).epoch(1))
    for name, method in trainer.network[0].algorithms.items():
        assert {method, other.network[0].algorithms[name]} in ({"fft", "direct"}, {None}), name


def test_a_state_of_another_network_is_refused(device):
    trainer, other = linear_trainer(momentum=0.5), random_trainer()
    before = to_host(other.network[4].weight).copy()
    with pytest.raises(CheckpointError, match="the checkpoint is of another network"):
        other.restore(*trainer.state())
    np.testing.assert_array_equal(to_host(other.network[4].weight), before)


def test_weights_that_are_not_finite_are_not_saved(device):
    trainer = linear_trainer(momentum=0.5)
    trainer.optimizer.velocity[3] = np.inf
    with pytest.raises(DivergedError, match=r"optimizer\.velocity is not finite after 0 steps"):
        trainer.state()
