"""datasets/loader.py: which images a minibatch has, how they are normalised, and whose choices augment them."""

import threading

import numpy as np
import pytest

from datasets.augment import augment, draw_choices
from datasets.loader import Loader
from tinyfft.backend import Device, to_host

CPU = Device("cpu")
MEAN, STD = (0.5, 0.25, 0.4), (0.2, 0.3, 0.1)


def numbered_images(rng, n=10, H=6, W=5):
    """n different images, each with its number as label."""
    images = rng.integers(0, 256, (n, 3, H, W), dtype=np.uint8)
    return images, np.arange(n)


def whole_epoch(loader, number=0):
    inputs, targets = zip(*loader.epoch(number), strict=True)
    return np.concatenate([to_host(x) for x in inputs]), np.concatenate([to_host(t) for t in targets])


def normalised(images, mean=MEAN, std=STD):
    result = np.empty(images.shape)
    for c in range(3):
        result[:, c] = (images[:, c] / 255 - mean[c]) / std[c]
    return result


def test_plain_minibatches(device, rng):
    images, labels = numbered_images(rng)
    loader = Loader(images, labels, 4, device, mean=MEAN, std=STD)
    batches = list(loader.epoch(0))
    assert len(loader) == len(batches) == 3
    assert [x.shape for x, _ in batches] == [(4, 3, 6, 5), (4, 3, 6, 5), (2, 3, 6, 5)]
    for x, target in batches:
        assert isinstance(x, device.xp.ndarray)
        assert isinstance(target, device.xp.ndarray)
        assert x.dtype == np.float32
        assert target.dtype == np.int64
        assert x.flags.c_contiguous
    inputs, targets = whole_epoch(loader)
    assert targets.tolist() == list(range(10))
    expected = normalised(images)
    assert np.max(np.abs(inputs - expected)) <= 4 * 2.0**-23 * np.max(np.abs(expected))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels_of_other_dtypes_become_int64(rng, dtype):
    images, labels = numbered_images(rng)
    _, targets = whole_epoch(Loader(images, labels.astype(dtype), 4, CPU))
    assert targets.dtype == np.int64
    assert targets.tolist() == labels.tolist()


def test_float64(rng):
    images, labels = numbered_images(rng)
    x, _ = whole_epoch(Loader(images, labels, 3, CPU, dtype="float64", mean=MEAN, std=STD))
    assert x.dtype == np.float64
    assert np.max(np.abs(x - normalised(images))) <= 1e-14


def test_mean_and_std_are_by_default_those_of_the_images(rng):
    images, labels = numbered_images(rng, n=50)
    x, _ = whole_epoch(Loader(images, labels, 7, CPU, dtype="float64"))
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, rtol=1e-12)


def test_constant_channel_is_only_centred(rng):
    images, labels = numbered_images(rng)
    images[:, 1] = 51
    x, _ = whole_epoch(Loader(images, labels, 4, CPU, dtype="float64"))
    np.testing.assert_allclose(x[:, 1], 0, atol=1e-15)
    x, _ = whole_epoch(Loader(images, labels, 4, CPU, dtype="float64", mean=(0, 0, 0), std=(1, 0, 1)))
    np.testing.assert_allclose(x[:, 1], 0.2, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 11])
def test_shuffled_epoch_has_every_image_once(rng, batch_size):
    images, labels = numbered_images(rng)
    loader = Loader(images, labels, batch_size, CPU, shuffle=True, mean=MEAN, std=STD)
    x, targets = whole_epoch(loader)
    assert sorted(targets.tolist()) == list(range(10))
    assert targets.tolist() != list(range(10))
    assert np.max(np.abs(x - normalised(images[targets]))) <= 1e-5


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4]), (5, [5, 5]), (10, [10])])
def test_drop_last(rng, batch_size, sizes):
    images, labels = numbered_images(rng)
    loader = Loader(images, labels, batch_size, CPU, shuffle=True, drop_last=True)
    assert len(loader) == len(sizes)
    assert [len(target) for _, target in loader.epoch(0)] == sizes


@pytest.mark.parametrize(("crop", "flip", "cutout"), [(2, True, 3), (7, False, 0), (0, True, 0), (0, False, 20)])
def test_each_image_is_augmented_by_choices_of_its_own(rng, crop, flip, cutout):
    images, labels = numbered_images(rng, n=40)
    options = {"shuffle": True, "crop": crop, "flip": flip, "cutout": cutout, "seed": 5}
    found, targets = whole_epoch(Loader(images, labels, 16, CPU, mean=MEAN, std=STD, dtype="float64", **options), 3)
    numbers = np.random.default_rng([5, 3])
    order = numbers.permutation(40)
    choices = draw_choices(numbers, 40, (6, 5), crop, flip)
    factor, offset = 1 / (255 * np.array(STD)), -np.array(MEAN) / STD
    assert targets.tolist() == order.tolist()
    assert np.max(np.abs(found - augment(images[order], choices, factor, offset, cutout))) <= 1e-14


def test_an_epoch_depends_only_on_seed_and_number(rng):
    images, labels = numbered_images(rng, n=30)
    options = {"shuffle": True, "crop": 2, "flip": True, "mean": MEAN, "std": STD}
    loader = Loader(images, labels, 8, CPU, seed=5, **options)
    first, second = whole_epoch(loader, 0), whole_epoch(loader, 1)
    assert first[1].tolist() != second[1].tolist()
    for batch_size in (8, 7):
        again = whole_epoch(Loader(images, labels, batch_size, CPU, seed=5, **options), 1)
        np.testing.assert_array_equal(again[0], second[0])
        np.testing.assert_array_equal(again[1], second[1])
    assert whole_epoch(Loader(images, labels, 8, CPU, seed=6, **options), 1)[1].tolist() != second[1].tolist()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("options", [{}, {"shuffle": True, "crop": 2, "flip": True}, {"crop": 3, "drop_last": True}])
def test_workers_change_no_bit(rng, workers, options):
    images, labels = numbered_images(rng, n=300, H=48, W=64)  # large enough for threads to work at the same time
    alone, helped = (Loader(images, labels, 32, CPU, seed=5, workers=count, **options) for count in (0, workers))
    for number in (0, 1):
        for (x, target), (expected_x, expected_target) in zip(helped.epoch(number), alone.epoch(number), strict=True):
            assert x.tobytes() == expected_x.tobytes()
            assert target.tobytes() == expected_target.tobytes()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("crop", [0, 2])
def test_the_caller_owns_a_minibatch(rng, workers, crop):
    """Writing into one minibatch changes no other, and later minibatches do not change it."""
    images, labels = numbered_images(rng, n=40)
    loader = Loader(images, labels, 4, CPU, crop=crop, workers=workers)
    expected = [(x.copy(), target.copy()) for x, target in loader.epoch(0)]
    kept = []
    for (x, target), (expected_x, expected_target) in zip(loader.epoch(0), expected, strict=True):
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(target, expected_target)
        x.fill(len(kept))
        target.fill(len(kept))
        kept.append((x, target))
    assert [(np.unique(x).tolist(), np.unique(t).tolist()) for x, t in kept] == [([i], [i]) for i in range(10)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failure_is_raised_at_its_minibatch(rng, workers):
    images, labels = numbered_images(rng)
    loader = Loader(images, labels, 2, CPU, workers=workers)
    loader.labels = labels[:5]  # too few for the third minibatch
    batches = loader.epoch(0)
    assert [next(batches)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(IndexError, match="out of bounds"):
        next(batches)


def test_an_epoch_left_early_leaves_no_thread(rng):
    threads = set(threading.enumerate())
    for _ in Loader(*numbered_images(rng), 1, CPU, workers=2).epoch(0):
        assert set(threading.enumerate()) > threads
        break
    assert set(threading.enumerate()) == threads


def test_two_epochs_at_once_do_not_disturb_each_other(rng):
    images, labels = numbered_images(rng, n=12)
    loader = Loader(images, labels, 4, CPU, shuffle=True, crop=2, flip=True)
    alone = [whole_epoch(loader, number) for number in (0, 1)]
    together = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
    for number in (0, 1):
        np.testing.assert_array_equal(np.concatenate([pair[number][0] for pair in together]), alone[number][0])


def test_the_images_themselves_do_not_change(rng):
    images, labels = numbered_images(rng)
    before = images.copy(), labels.copy()
    for x, target in Loader(images, labels, 4, CPU, crop=1, flip=True).epoch(0):
        x.fill(9)
        target.fill(9)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "Loader: batch_size is 0, expected at least 1"),
        ({"crop": -1}, "Loader: crop is -1, expected at least 0"),
        ({"cutout": -1}, "Loader: cutout is -1, expected at least 0"),
        ({"seed": -1}, "Loader: seed is -1, expected at least 0"),
        ({"workers": -1}, "Loader: workers is -1, expected at least 0"),
        ({"batch_size": 11, "drop_last": True}, "batch_size is 11, expected at most 10 with drop_last"),
        ({"images": np.zeros((10, 3, 6, 5))}, r"images are float64 \(10, 3, 6, 5\), expected uint8"),
        ({"images": np.zeros((10, 6, 5), np.uint8)}, r"images are uint8 \(10, 6, 5\)"),
        ({"images": np.zeros((0, 3, 6, 5), np.uint8)}, "not empty"),
        ({"labels": np.arange(9)}, r"labels have the shape \(9,\), expected \(10,\)"),
        ({"dtype": "float16"}, "dtype is float16, expected float32 or float64"),
        ({"dtype": "int32"}, "dtype is int32, expected float32 or float64"),
        ({"mean": 0.5}, r"mean has the shape \(\), expected one number for each of 3 channels"),
        ({"std": (1, 1)}, r"std has the shape \(2,\)"),
    ],
)
def test_refuses(rng, changes, message):
    images, labels = numbered_images(rng)
    arguments = {"images": images, "labels": labels, "batch_size": 4, "device": CPU} | changes
    with pytest.raises(ValueError, match=message):
        Loader(**arguments)


@pytest.mark.parametrize(("numbers", "message"), [((-1,), "the epoch's number is -1"), ((0, -1), "minibatch is -1")])
def test_refuses_negative_numbers(rng, numbers, message):
    with pytest.raises(ValueError, match=message):
        Loader(*numbered_images(rng), 4, CPU).epoch(*numbers)


def test_an_epoch_can_start_at_any_minibatch(rng):
    images, labels = numbered_images(rng)
    loader = Loader(images, labels, 4, CPU, shuffle=True, crop=1, flip=True, seed=5)
    whole = list(loader.epoch(2))
    for first in range(4):
        rest = list(loader.epoch(2, first))
        assert len(rest) == len(whole) - first
        for (input, target), (expected_input, expected_target) in zip(rest, whole[first:], strict=True):
            np.testing.assert_array_equal(input, expected_input)
            np.testing.assert_array_equal(target, expected_target)


def test_only_chosen_images_are_used(rng):
    images, labels = numbered_images(rng)
    chosen = np.array([1, 4, 5, 8, 9])
    loader = Loader(images, labels, 2, CPU, mean=MEAN, std=STD, chosen=chosen)
    assert len(loader) == 3
    inputs, targets = whole_epoch(loader)
    np.testing.assert_array_equal(targets, chosen)
    np.testing.assert_allclose(inputs, normalised(images[chosen]), rtol=1e-5, atol=1e-6)
    shuffled = Loader(images, labels, 2, CPU, shuffle=True, chosen=chosen)
    assert sorted(whole_epoch(shuffled)[1]) == list(chosen)
    assert list(whole_epoch(shuffled)[1]) != list(chosen)
