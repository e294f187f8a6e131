"""datasets/collection.py: good pictures alone, in the part to which they belong, each class with its share."""

import os
import zlib

import numpy as np
import pytest

from datasets.collection import Collection
from datasets.dataset import DataError
from datasets.picture_file import PictureFile
from datasets.statistics import picture_sums


@pytest.fixture(params=["memory", "file"])
def stored(request, tmp_path):
    """A function that puts an array where a Collection may have it."""

    def store(images):
        if request.param == "memory":
            return images
        (tmp_path / "file").write_bytes(images.tobytes())
        checksums = np.array([zlib.crc32(image) for image in images], np.uint32)
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        return PictureFile(descriptor, tmp_path / "file", 0, images.shape, checksums, picture_sums(images))

    return store


def numbered(labels):
    """A picture for each label, its number in its pixels."""
    numbers = np.arange(len(labels), dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (len(labels), 3, 2, 2)).copy()


def numbers(images):
    return images[:][:, 0, 0, 0].tolist()


def made(stored, labels, train, bad=None):
    return Collection("toy", ("a", "b", "c"), np.array(labels), train, stored(numbered(labels)), bad or {})


def test_two_parts_as_the_source_has_them(stored):
    data = made(stored, [0, 1, 2, 2, 0, 1, 2], 4).dataset(0.5, 1)
    assert (data.name, data.classes) == ("toy", ("a", "b", "c"))
    assert (numbers(data.train_images), data.train_labels.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 2])
    assert (numbers(data.test_images), data.test_labels.tolist()) == ([4, 5, 6], [0, 1, 2])


def test_bad_pictures_are_left_out(stored):
    bad = {1: "cause", 5: "cause"}
    data = made(stored, [0, 0, 1, 2, 0, 0, 1, 2], 4, bad).dataset()
    assert (numbers(data.train_images), data.train_labels.tolist()) == ([0, 2, 3], [0, 1, 2])
    assert (numbers(data.test_images), data.test_labels.tolist()) == ([4, 6, 7], [0, 1, 2])


def test_without_pictures_to_test_with_a_share_of_each_class_is_held_out(stored, rng):
    labels = rng.permutation(np.repeat([0, 1, 2], (50, 20, 10)))
    bad = {int(np.flatnonzero(labels == 0)[0]): "cause"}
    data = made(stored, labels, 80, bad).dataset(0.2, 1)
    assert np.bincount(data.test_labels).tolist() == [10, 4, 2]
    assert np.bincount(data.train_labels).tolist() == [39, 16, 8]
    assert sorted(numbers(data.train_images) + numbers(data.test_images) + [*bad]) == list(range(80))
    for images, found in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert labels[numbers(images)].tolist() == found.tolist()


def test_the_seed_alone_says_which_are_held_out(stored, rng):
    collection = made(stored, rng.integers(0, 3, 90), 90)
    first, again, other = (numbers(collection.dataset(0.2, seed).test_images) for seed in (1, 1, 2))
    assert first == again != other


def test_pictures_that_lie_together_are_not_copied():
    images = numbered([0] * 6)
    data = Collection("toy", ("a",), np.zeros(6, np.int64), 4, images).dataset()
    assert np.shares_memory(data.train_images, images)
    assert np.shares_memory(data.test_images, images)


@pytest.mark.parametrize(("part", "number"), [("train", 1), ("test", 4)])
def test_a_class_without_good_pictures_is_an_error(stored, part, number):
    with pytest.raises(DataError, match=f"^toy: all {part} pictures of the class b are bad: b.png is none$"):
        made(stored, [0, 1, 2, 0, 1, 2], 3, {number: "b.png is none"}).dataset()


def test_one_picture_a_class_leaves_none_to_hold_out(stored):
    with pytest.raises(DataError, match="toy: no class has two pictures, expected some to hold out as test pictures"):
        made(stored, [0, 1, 2], 3).dataset(0.2, 1)


@pytest.mark.parametrize("labels", [np.zeros(5, np.int64), np.zeros(6, np.int32)])
def test_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(DataError, match=r"toy: labels are int(64 \(5|32 \(6),\), expected int64 \(6,\)"):
        Collection("toy", ("a",), labels, 6, numbered([0] * 6))
