"""datasets/dataset.py: the constructor refuses other shapes, dtypes and labels than the documented ones."""

import numpy as np
import pytest

from datasets.dataset import DataError, Dataset


def arguments(**changes):
    arrays = {
        "train_images": np.zeros((3, 3, 4, 5), np.uint8),
        "train_labels": np.array([0, 1, 1]),
        "test_images": np.zeros((2, 3, 4, 5), np.uint8),
        "test_labels": np.array([1, 0]),
    }
    return {"name": "toy", "classes": ("a", "b")} | arrays | changes


def test_keeps_its_arguments():
    given = arguments()
    data = Dataset(**given)
    assert all(getattr(data, name) is value for name, value in given.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((3, 3, 4, 5), np.float32)}, "toy: train_images are float32"),
        ({"test_images": np.zeros((2, 1, 4, 5), np.uint8)}, r"test_images are uint8 \(2, 1, 4, 5\)"),
        ({"test_images": np.zeros((0, 3, 4, 5), np.uint8)}, "at least one image"),
        ({"test_images": np.zeros((2, 3, 4, 6), np.uint8)}, "training images are 5x4, test images 6x4"),
        ({"train_labels": np.array([0, 1])}, r"train_labels are int64 \(2,\), expected int64 \(3,\)"),
        ({"train_labels": np.array([0, 1, 1], np.int32)}, "train_labels are int32"),
        ({"test_labels": np.array([0, 2])}, "test_labels run from 0 to 2, expected 0 to 1"),
        ({"test_labels": np.array([-1, 0])}, "test_labels run from -1 to 0"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(DataError, match=message):
        Dataset(**arguments(**changes))
