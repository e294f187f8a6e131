import json
from unittest import mock

import numpy as np
import pytest

import tinyfft
from tinyfft import backend, evaluation, nn, optim
from tinyfft.backend import to_host
from tinyfft.checkpoint import CheckpointError
from tinyfft.fourier import arena
from tinyfft.trainer import Callback, DivergedError, Trainer


class Batches:
    """A loader with the same batches in every epoch, which notes the epochs that were asked for."""

    def __init__(self, device, images, labels, sizes):
        ends = np.cumsum(sizes)
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.batches = [(device.array(images[part]), device.array(labels[part])) for part in parts]
        self.asked = []

    def __len__(self):
        return len(self.batches)

    def epoch(self, number, first=0):
        self.asked.append((number, first))
        return iter(self.batches[first:])


class Witness(Callback):
    """Notes (trainer, steps so far, whether it trains) after each minibatch."""

    def __init__(self, seen):
        self.seen = seen

    def batch_ended(self, trainer):
        self.seen.append((trainer, trainer.step, trainer.network.train))


class Stop(Callback):
    """Ends the training after so many minibatches, and keeps the state that it had then, through JSON."""

    def __init__(self, after):
        self.left = after

    def batch_ended(self, trainer):
        self.left -= 1
        if not self.left:
            arrays, record = trainer.state()
            self.state = {name: to_host(array).copy() for name, array in arrays.items()}, json.loads(json.dumps(record))
            raise StopIteration


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


def test_after_each_minibatch_a_callback_sees_the_trainer(device, pictures):
    seen = []
    trainer = linear_trainer(callbacks=[Witness(seen)])
    loader = Batches(device, *pictures, [3, 3, 3])
    trainer.train_epoch(loader.epoch(1))
    trainer.evaluate(loader.epoch(0))
    assert seen == [(trainer, step, True) for step in (1, 2, 3)] + [(trainer, 3, False)] * 3


def test_fit_yields_the_measurements_of_each_epoch(device, pictures, capsys):
    images, labels = pictures
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
        assert metrics["images_per_second"] > 8 / metrics["seconds"]  # the evaluation is not in it
        assert json.loads(json.dumps(metrics)) == metrics
    assert set(found[0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
        *("seconds", "images_per_second", "learning_rate", "data", "device"),
    }
    assert [metrics["learning_rate"] for metrics in found] == [trainer.schedule.learning_rate_at(0)] * 2


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
    found = list(trainer.fit(loader, {"test": loader}, epochs=10))
    assert found[-1]["test_accuracy"] == 1.0
    assert found[-1]["test_loss"] < 0.1


def random_trainer(**named):
    """All that a state must hold: momentum, dropout, running statistics, a schedule, a convolution that chooses."""
    tinyfft.manual_seed(7)
    network = nn.Sequential(
        *(nn.Convolution(3, 2, 1), nn.BatchNormalization(2), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8, 3))
    )
    return linear_trainer(network, rate=0.3, momentum=0.5, steps=9, kind="one_cycle", **named)


def timeless(history):
    return [{name: value for name, value in m.items() if name not in ("seconds", "images_per_second")} for m in history]


@pytest.mark.parametrize("after", range(1, 16))
def test_a_training_goes_on_to_the_same_bits(device, pictures, after):
    """Three epochs of three minibatches, each with an evaluation of two; stopped after any of the fifteen."""
    images, labels = pictures[0].astype(np.float32), pictures[1]
    train, test = Batches(device, images, labels, [4, 3, 2]), Batches(device, images, labels, [5, 4])
    whole = random_trainer()
    expected = list(whole.fit(train, {"test": test}, 3))

    stop = Stop(after)
    with pytest.raises(RuntimeError):  # what a generator makes of StopIteration
        list(random_trainer(callbacks=[stop]).fit(train, {"test": test}, 3))
    trainer = random_trainer()
    tinyfft.manual_seed(99)
    trainer.restore(*stop.state)
    train.asked.clear()
    list(trainer.fit(train, {"test": test}, 3))

    epoch, minibatch = divmod(after - 1, 5)
    assert train.asked[0] == (epoch + 1, min(minibatch + 1, 3))
    assert timeless(trainer.history) == timeless(expected)
    assert trainer.step == 9
    for name, array in whole._arrays().items():
        np.testing.assert_array_equal(to_host(trainer._arrays()[name]), to_host(array), strict=True)


def test_a_state_says_what_auto_has_chosen_and_restore_chooses_the_same(device, pictures):
    images, labels = pictures[0].astype(np.float32), pictures[1]
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
    with pytest.raises(DivergedError, match=r"optimizer\.velocity holds numbers that are not finite after 0 steps"):
        trainer.state()


def test_each_evaluation_has_its_names(device, pictures):
    images, labels = pictures
    trainer = linear_trainer()
    loaders = {"validation": Batches(device, images[:4], labels[:4], [4]), "test": Batches(device, *pictures, [9])}
    (metrics,) = trainer.fit(Batches(device, *pictures, [9]), loaders, 1)
    for name, loader in loaders.items():
        assert metrics[f"{name}_loss"] == trainer.evaluate(loader.epoch(0))["loss"]
    assert metrics["validation_loss"] != metrics["test_loss"]


def scarce_trainer():
    """A network of a convolution that wants much frequency memory, dropout and an output."""
    tinyfft.manual_seed(3)
    network = nn.Sequential(*(nn.FFTConvolution(2, 3, 5), nn.ReLU(), nn.Dropout(0.4), nn.Flatten(), nn.Linear(48, 3)))
    return linear_trainer(network, rate=0.1, momentum=0.5)


def train_with(device, limit, left=None):
    """Weights after two steps, and what was written, where arrays may have `left` bytes."""
    arena.release(device)
    data_rng = np.random.default_rng(2)
    loader = Batches(device, data_rng.standard_normal((8, 2, 8, 8), dtype=np.float32), np.arange(8) % 3, [4, 4])
    empty = backend.Device.empty

    def scarce(self, shape, dtype):
        if left is not None and np.prod(shape) * np.dtype(dtype).itemsize > left:
            raise MemoryError("no more")
        return empty(self, shape, dtype)

    lines = []
    with mock.patch.dict(arena.limit_bytes, {device: limit} if limit else {}), mock.patch.dict(arena.found_bytes):
        arena.found_bytes.clear()
        trainer = scarce_trainer()
        trainer.progress.write = lines.append
        with mock.patch.object(backend.Device, "empty", scarce):
            trainer.train_epoch(loader.epoch(1))
        found = arena.found_bytes.get(device)
    return trainer, to_host(trainer.network[0].weight).copy(), found, lines


def test_out_of_memory_goes_on_in_chunks_where_the_limit_is_auto(device):
    trainer, expected, _, _ = train_with(device, None)
    needed = arena.current_arena(device).wanted
    assert trainer.network[0].chunks == 1
    trainer, weights, found, lines = train_with(device, "auto", needed * 2 // 3)
    assert trainer.network[0].chunks > 1
    assert found == needed // 2
    assert lines[-1] == f"out of memory: the arena is limited to {found} bytes from here on"
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)
    limited, same, _, _ = train_with(device, found)
    assert limited.network[0].chunks == trainer.network[0].chunks
    np.testing.assert_array_equal(weights, same)


def test_out_of_memory_names_the_layer_and_what_would_help(device):
    with pytest.raises(
        MemoryError, match=r"^module 0, nn.FFTConvolution\(2 -> 3, 5x5.*\): \d+ bytes of frequency memory"
    ):
        train_with(device, None, 5000)


def test_memory_that_no_limit_gives_is_an_error(device):
    with pytest.raises(MemoryError, match=r"^module 0, nn.FFTConvolution\(2 -> 3.*not to be had|no more"):
        train_with(device, "auto", 100)


def test_a_limit_that_was_found_is_part_of_the_state(device):
    with mock.patch.dict(arena.found_bytes, {device: 12345}):
        arrays, record = linear_trainer().state()
    other = linear_trainer()
    with mock.patch.dict(arena.found_bytes):
        other.restore(arrays, record)
        assert arena.found_bytes[device] == 12345


def test_mirrored_evaluation_takes_the_mean_of_both_outputs(device, pictures):
    images, labels = pictures
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
