"""datasets/loader.py against a plain loop over pictures, in float64, that shares only the random numbers."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.loader import Loader
from tinyfft.backend import Device, to_host

CPU = Device("cpu")


def pictures(rng, n=10, H=6, W=5):
    """n different pictures, each with its number as label."""
    images = rng.integers(0, 256, (n, 3, H, W), dtype=np.uint8)
    return images, np.arange(n)


def whole_epoch(loader, number=0):
    batches = list(loader.epoch(number))
    inputs, targets = zip(*batches, strict=True)
    return np.concatenate([to_host(x) for x in inputs]), np.concatenate([to_host(t) for t in targets])


def normalised(image, mean, std):
    result = np.empty(image.shape)
    for c in range(image.shape[0]):
        result[c] = (image[c] / 255 - mean[c]) / std[c]
    return result


def shifted(image, dy, dx):
    """The definition: the pixel (y, x) comes from (y + dy, x + dx), or is zero where there is none."""
    C, H, W = image.shape
    result = np.zeros(image.shape)
    for c in range(C):
        for y in range(H):
            for x in range(W):
                if 0 <= y + dy < H and 0 <= x + dx < W:
                    result[c, y, x] = image[c, y + dy, x + dx]
    return result


def variants(image, crop, flip):
    """All results that augmentation may give: {(dy, dx, mirrored): picture}."""
    shifts = range(-crop, crop + 1)
    return {
        (dy, dx, mirrored): shifted(image[:, :, ::-1] if mirrored else image, dy, dx)
        for dy in shifts
        for dx in shifts
        for mirrored in ((False, True) if flip else (False,))
    }


MEAN, STD = (0.5, 0.25, 0.4), (0.2, 0.3, 0.1)


def test_plain_batches(device, rng):
    images, labels = pictures(rng)
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
    expected = np.stack([normalised(image, MEAN, STD) for image in images])
    assert np.max(np.abs(inputs - expected)) <= 4 * 2.0**-23 * np.max(np.abs(expected))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels_of_other_kinds_become_int64(rng, dtype):
    images, labels = pictures(rng)
    _, targets = whole_epoch(Loader(images, labels.astype(dtype), 4, CPU))
    assert targets.dtype == np.int64
    assert targets.tolist() == labels.tolist()


def test_float64(rng):
    images, labels = pictures(rng)
    x, _ = whole_epoch(Loader(images, labels, 3, CPU, dtype="float64", mean=MEAN, std=STD))
    assert x.dtype == np.float64
    expected = np.stack([normalised(image, MEAN, STD) for image in images])
    assert np.max(np.abs(x - expected)) <= 1e-14


def test_default_normalisation_is_that_of_the_pictures(rng):
    images, labels = pictures(rng, n=50)
    x, _ = whole_epoch(Loader(images, labels, 7, CPU, dtype="float64"))
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, rtol=1e-12)


def test_constant_channel_is_only_centred(rng):
    images, labels = pictures(rng)
    images[:, 1] = 51
    x, _ = whole_epoch(Loader(images, labels, 4, CPU, dtype="float64"))
    np.testing.assert_allclose(x[:, 1], 0, atol=1e-15)
    x, _ = whole_epoch(Loader(images, labels, 4, CPU, dtype="float64", mean=(0, 0, 0), std=(1, 0, 1)))
    np.testing.assert_allclose(x[:, 1], 0.2, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 11])
def test_shuffled_epoch_has_every_picture_once(rng, batch_size):
    images, labels = pictures(rng)
    loader = Loader(images, labels, batch_size, CPU, shuffle=True, mean=MEAN, std=STD)
    x, targets = whole_epoch(loader)
    assert sorted(targets.tolist()) == list(range(10))
    assert targets.tolist() != list(range(10))
    for row, label in zip(x, targets, strict=True):
        assert np.max(np.abs(row - normalised(images[label], MEAN, STD))) <= 1e-5


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4]), (5, [5, 5]), (10, [10])])
def test_drop_last(rng, batch_size, sizes):
    images, labels = pictures(rng)
    loader = Loader(images, labels, batch_size, CPU, shuffle=True, drop_last=True)
    assert len(loader) == len(sizes)
    assert [len(target) for _, target in loader.epoch(0)] == sizes


@pytest.mark.parametrize(("crop", "flip"), [(0, True), (1, False), (2, True), (7, False)])
def test_every_picture_is_one_of_its_variants(rng, crop, flip):
    images, labels = pictures(rng, n=40, H=4, W=3)
    loader = Loader(images, labels, 16, CPU, shuffle=True, crop=crop, flip=flip, dtype="float64", mean=MEAN, std=STD)
    x, targets = whole_epoch(loader)
    seen = set()
    for row, label in zip(x, targets, strict=True):
        allowed = variants(normalised(images[label], MEAN, STD), crop, flip)
        matches = [key for key, picture in allowed.items() if np.max(np.abs(row - picture)) <= 1e-12]
        assert matches, f"picture {label} was changed in another way"
        if len(matches) == 1:
            seen.add(matches[0])
    if flip:
        assert {mirrored for _, _, mirrored in seen} == {False, True}
    if crop in (1, 2):
        assert {dy for dy, _, _ in seen} == {dx for _, dx, _ in seen} == set(range(-crop, crop + 1))


def test_shifts_and_mirrors_are_fair(rng):
    """Each shift along an axis comes equally often, and half the pictures are mirrored, within five sigma."""
    n, crop = 4000, 1
    images = np.zeros((n, 3, 3, 3), np.uint8)
    images[:, :, 1, 1] = 200  # says the shift
    images[:, 0, 1, 1] = 255
    images[:, :, 1, 2] = 100  # says on which side it is
    loader = Loader(images, np.arange(n), 512, CPU, crop=crop, flip=True, mean=(0, 0, 0), std=(1, 1, 1))
    x, _ = whole_epoch(loader)
    positions = x[:, 0].reshape(n, 9).argmax(axis=1)
    counts = np.bincount(positions, minlength=9)
    assert np.abs(counts - n / 9).max() <= 5 * np.sqrt(n * 1 / 9 * 8 / 9)
    middle = positions == 4
    mirrored = (x[middle, 1, 1, 0] > 0).sum()
    assert abs(mirrored - middle.sum() / 2) <= 5 * np.sqrt(middle.sum() / 4)


def test_epoch_follows_from_seed_and_number_alone(rng):
    images, labels = pictures(rng, n=30)
    options = {"shuffle": True, "crop": 2, "flip": True, "mean": MEAN, "std": STD}
    loader = Loader(images, labels, 8, CPU, seed=5, **options)
    first, second = whole_epoch(loader, 0), whole_epoch(loader, 1)
    again = whole_epoch(Loader(images, labels, 8, CPU, seed=5, **options), 1)
    np.testing.assert_array_equal(again[0], second[0])
    np.testing.assert_array_equal(again[1], second[1])
    other_batches = whole_epoch(Loader(images, labels, 7, CPU, seed=5, **options), 1)
    np.testing.assert_array_equal(other_batches[0], second[0])
    np.testing.assert_array_equal(other_batches[1], second[1])
    assert first[1].tolist() != second[1].tolist()
    assert whole_epoch(Loader(images, labels, 8, CPU, seed=6, **options), 1)[1].tolist() != second[1].tolist()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("options", [{}, {"shuffle": True, "crop": 2, "flip": True}, {"crop": 3, "drop_last": True}])
def test_workers_change_no_bit(rng, workers, options):
    images, labels = pictures(rng, n=300, H=48, W=64)  # large enough for threads to meet in one batch's work
    alone, helped = (Loader(images, labels, 32, CPU, seed=5, workers=count, **options) for count in (0, workers))
    for number in (0, 1):
        for (x, target), (expected_x, expected_target) in zip(helped.epoch(number), alone.epoch(number), strict=True):
            assert x.tobytes() == expected_x.tobytes()
            assert target.tobytes() == expected_target.tobytes()


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("crop", [0, 2])
def test_a_batch_belongs_to_whom_it_was_given(rng, workers, crop):
    """What is written into one batch shows up in no other one, and later batches leave it alone."""
    images, labels = pictures(rng, n=40)
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
def test_a_failure_is_raised_at_its_batch(rng, workers):
    images, labels = pictures(rng)
    loader = Loader(images, labels, 2, CPU, workers=workers)
    loader.labels = labels[:5]  # too few from the third batch on
    batches = loader.epoch(0)
    assert [next(batches)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(IndexError, match="out of bounds"):
        next(batches)


def test_an_epoch_left_early_leaves_no_thread(rng):
    threads = set(threading.enumerate())
    for _ in Loader(*pictures(rng), 1, CPU, workers=2).epoch(0):
        assert set(threading.enumerate()) > threads
        break
    assert set(threading.enumerate()) == threads


def test_two_epochs_at_once_do_not_disturb_each_other(rng):
    images, labels = pictures(rng, n=12)
    loader = Loader(images, labels, 4, CPU, shuffle=True, crop=2, flip=True)
    alone = [whole_epoch(loader, number) for number in (0, 1)]
    together = list(zip(loader.epoch(0), loader.epoch(1), strict=True))
    for number in (0, 1):
        np.testing.assert_array_equal(np.concatenate([pair[number][0] for pair in together]), alone[number][0])


def test_the_pictures_themselves_stay(rng):
    images, labels = pictures(rng)
    before = images.copy(), labels.copy()
    for x, target in Loader(images, labels, 4, CPU, crop=1, flip=True).epoch(0):
        x.fill(9)
        target.fill(9)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    batch_size=st.integers(1, 10),
    crop=st.integers(0, 3),
    flip=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_any_sizes(sizes, batch_size, crop, flip, seed):
    n, C, H, W = sizes
    images = np.random.default_rng(seed).integers(0, 256, (n, C, H, W), dtype=np.uint8)
    mean, std = MEAN[:1] * C, STD[:1] * C
    options = {"shuffle": True, "crop": crop, "flip": flip, "seed": seed, "mean": mean, "std": std, "dtype": "float64"}
    x, targets = whole_epoch(Loader(images, np.arange(n), batch_size, CPU, **options))
    assert sorted(targets.tolist()) == list(range(n))
    for row, label in zip(x, targets, strict=True):
        allowed = variants(normalised(images[label], mean, std), crop, flip)
        assert min(np.max(np.abs(row - picture)) for picture in allowed.values()) <= 1e-12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "Loader: batch_size is 0, expected at least 1"),
        ({"crop": -1}, "Loader: crop is -1, expected at least 0"),
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
    images, labels = pictures(rng)
    arguments = {"images": images, "labels": labels, "batch_size": 4, "device": CPU} | changes
    with pytest.raises(ValueError, match=message):
        Loader(**arguments)


def test_refuses_a_negative_epoch(rng):
    with pytest.raises(ValueError, match="the epoch's number is -1"):
        Loader(*pictures(rng), 4, CPU).epoch(-1)


def test_an_epoch_goes_on_from_any_batch(rng):
    images, labels = pictures(rng)
    loader = Loader(images, labels, 4, CPU, shuffle=True, crop=1, flip=True, seed=5)
    whole = list(loader.epoch(2))
    for first in range(4):
        rest = list(loader.epoch(2, first))
        assert len(rest) == len(whole) - first
        for (input, target), (expected_input, expected_target) in zip(rest, whole[first:], strict=True):
            np.testing.assert_array_equal(input, expected_input)
            np.testing.assert_array_equal(target, expected_target)


def test_chosen_pictures_alone_are_taken(rng):
    images, labels = pictures(rng)
    chosen = np.array([1, 4, 5, 8, 9])
    loader = Loader(images, labels, 2, CPU, mean=MEAN, std=STD, chosen=chosen)
    assert len(loader) == 3
    inputs, targets = whole_epoch(loader)
    np.testing.assert_array_equal(targets, chosen)
    np.testing.assert_allclose(inputs[3], normalised(images[8], MEAN, STD), rtol=1e-5, atol=1e-6)
    shuffled = Loader(images, labels, 2, CPU, shuffle=True, chosen=chosen)
    assert sorted(whole_epoch(shuffled)[1]) == list(chosen)
    assert list(whole_epoch(shuffled)[1]) != list(chosen)


@pytest.mark.parametrize("side", [1, 2, 3, 20])
def test_cutout_leaves_a_square_out(rng, side):
    images, labels = pictures(rng, n=200)
    loader = Loader(images, labels, 50, CPU, mean=MEAN, std=STD, cutout=side, seed=1)
    centres = set()
    for input, image in zip(whole_epoch(loader)[0], images, strict=True):
        expected = normalised(image, MEAN, STD)
        found = [
            (y, x)
            for y in range(6)
            for x in range(5)
            if np.allclose(input, without_square(expected, y - side // 2, x - side // 2, side), atol=1e-5)
        ]
        assert found
        centres.update(found)
    assert len(centres) == 30


def without_square(image, top, left, side):
    result = image.copy()
    for y in range(top, top + side):
        for x in range(left, left + side):
            if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                result[:, y, x] = 0
    return result
