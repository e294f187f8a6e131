"""datasets/statistics.py: exact, whatever the size of the set."""

import numpy as np

from datasets.statistics import channel_statistics, image_sums


def test_sums_are_the_definition(rng):
    images = rng.integers(0, 256, (1030, 3, 2, 5), dtype=np.uint8)  # more than a batch
    exact = images.astype(object)
    expected = np.stack([exact.sum(axis=(2, 3)), (exact * exact).sum(axis=(2, 3))], axis=1)
    found = image_sums(images)
    assert (found.dtype, found.shape) == (np.int64, (1030, 2, 3))
    assert (found == expected).all()


def test_statistics_are_the_definition(rng):
    images = rng.integers(0, 256, (2100, 3, 4, 5), dtype=np.uint8)
    images[:, 1] //= 3
    images[:, 2] = 7
    mean, std = channel_statistics(images)
    assert mean.dtype == std.dtype == np.float64
    scaled = images / 255
    np.testing.assert_allclose(mean, [scaled[:, c].mean() for c in range(3)], rtol=1e-12)
    np.testing.assert_allclose(std[:2], [scaled[:, c].std() for c in range(2)], rtol=1e-12)
    assert std[2] == 0


def test_statistics_of_a_large_set_do_not_overflow():
    images = np.zeros((50_000, 1, 32, 32), np.uint8)
    images[::2] = 255
    assert [float(value[0]) for value in channel_statistics(images)] == [0.5, 0.5]
