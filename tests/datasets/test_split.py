"""datasets/split.py: the share of each class, and the seed."""

import numpy as np
import pytest

from datasets import stratified_split


@pytest.mark.parametrize(
    ("fraction", "counts"), [(0.0, (0, 0, 0)), (0.25, (10, 2, 1)), (0.5, (20, 4, 1)), (0.99, (39, 7, 1))]
)
def test_of_each_class_its_share_is_held_out(fraction, counts, rng):
    labels = rng.permutation(np.repeat([0, 1, 2], (40, 8, 2)))
    kept, held_out = stratified_split(labels, fraction, seed=3)
    assert tuple(np.bincount(labels[held_out], minlength=3)) == counts
    assert sorted([*kept, *held_out]) == list(range(50))


def test_only_the_seed_decides():
    labels = np.zeros(100, np.int64)
    first, again, other = (stratified_split(labels, 0.2, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_of_one_image_keeps_it():
    kept, held_out = stratified_split(np.array([0, 0, 1]), 0.5, 1)
    assert (len(held_out), 2 in kept) == (1, True)
