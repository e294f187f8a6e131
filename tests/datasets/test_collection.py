"""datasets/collection.py: only good images, in their own split, with the requested share of each class."""

import numpy as np
import pytest
from data_files import image_file

from datasets.collection import Collection
from datasets.dataset import DataError


@pytest.fixture(params=["memory", "file"])
def stored(request, tmp_path):
    """A function that returns an array itself, or an ImageFile of it."""
    return lambda images: images if request.param == "memory" else image_file(tmp_path / "file", images)


def numbered(labels):
    """Return an image for each label, with its index in its pixels."""
    numbers = np.arange(len(labels), dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (len(labels), 3, 2, 2)).copy()


def numbers(images):
    return images[:][:, 0, 0, 0].tolist()


def made(stored, labels, train_count, bad=None):
    return Collection("toy", ("a", "b", "c"), np.array(labels), train_count, stored(numbered(labels)), bad or {})


def test_two_splits_of_the_source(stored):
    data = made(stored, [0, 1, 2, 2, 0, 1, 2], 4).dataset(0.5, 1)
    assert (data.name, data.classes) == ("toy", ("a", "b", "c"))
    assert (numbers(data.train_images), data.train_labels.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 2])
    assert (numbers(data.test_images), data.test_labels.tolist()) == ([4, 5, 6], [0, 1, 2])


def test_bad_images_are_left_out(stored):
    bad = {1: "cause", 5: "cause"}
    data = made(stored, [0, 0, 1, 2, 0, 0, 1, 2], 4, bad).dataset()
    assert (numbers(data.train_images), data.train_labels.tolist()) == ([0, 2, 3], [0, 1, 2])
    assert (numbers(data.test_images), data.test_labels.tolist()) == ([4, 6, 7], [0, 1, 2])


def test_without_test_images_a_share_of_each_class_is_held_out(stored, rng):
    labels = rng.permutation(np.repeat([0, 1, 2], (50, 20, 10)))
    bad = {int(np.flatnonzero(labels == 0)[0]): "cause"}
    data = made(stored, labels, 80, bad).dataset(0.2, 1)
    assert np.bincount(data.test_labels).tolist() == [10, 4, 2]
    assert np.bincount(data.train_labels).tolist() == [39, 16, 8]
    assert sorted(numbers(data.train_images) + numbers(data.test_images) + [*bad]) == list(range(80))
    for images, found in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert labels[numbers(images)].tolist() == found.tolist()


def test_only_the_seed_decides_which_are_held_out(stored, rng):
    collection = made(stored, rng.integers(0, 3, 90), 90)
    first, again, other = (numbers(collection.dataset(0.2, seed).test_images) for seed in (1, 1, 2))
    assert first == again != other


def test_contiguous_images_are_not_copied():
    images = numbered([0] * 6)
    data = Collection("toy", ("a",), np.zeros(6, np.int64), 4, images).dataset()
    assert np.shares_memory(data.train_images, images)
    assert np.shares_memory(data.test_images, images)


@pytest.mark.parametrize(("split", "index"), [("train", 1), ("test", 4)])
def test_a_class_without_good_images_is_an_error(stored, split, index):
    with pytest.raises(DataError, match=f"^toy: all {split} images of the class b are bad: b.png is none$"):
        made(stored, [0, 1, 2, 0, 1, 2], 3, {index: "b.png is none"}).dataset()


def test_one_image_a_class_leaves_none_to_hold_out(stored):
    with pytest.raises(DataError, match="toy: no class has two images, expected some to hold out as test images"):
        made(stored, [0, 1, 2], 3).dataset(0.2, 1)


@pytest.mark.parametrize("labels", [np.zeros(5, np.int64), np.zeros(6, np.int32)])
def test_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(DataError, match=r"toy: labels are int(64 \(5|32 \(6),\), expected int64 \(6,\)"):
        Collection("toy", ("a",), labels, 6, numbered([0] * 6))
