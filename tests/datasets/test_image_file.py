"""datasets/image_file.py: indexed like the array that was written, by any index and any thread."""

import os
import threading

import numpy as np
import pytest
from data_files import image_file

from datasets.dataset import DataError
from datasets.loader import Loader
from datasets.statistics import channel_statistics
from tinyfft.backend import Device

OFFSET = 37


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (50, 3, 6, 5), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


@pytest.fixture
def file(path, images):
    return image_file(path, images, OFFSET)


@pytest.mark.parametrize(
    "index",
    [
        *(0, 49, -1, np.int64(7)),
        *(slice(None), slice(3, 9), slice(45, 99), slice(30, 2, -7), slice(5, 5)),
        *([3], [4, 5, 6, 2, 3, 49, 0], [7, 7, 8, 8], [-1, -50]),
        *(np.array([], np.int64), np.arange(50)[::-1], np.arange(50) % 3 == 0),
    ],
    ids=repr,
)
def test_indexed_like_the_array(file, images, index):
    assert (file.shape, file.dtype, file.ndim, len(file)) == (images.shape, images.dtype, 4, 50)
    found = file[index]
    assert (found.dtype, found.shape) == (np.uint8, images[index].shape)
    np.testing.assert_array_equal(found, images[index])
    found.fill(0)  # the caller owns it
    np.testing.assert_array_equal(file[index], images[index])


@pytest.mark.parametrize("index", [50, -51, [0, 50]])
def test_out_of_bounds(file, index):
    with pytest.raises(IndexError, match="out of bounds"):
        file[index]


def test_a_subset_has_indices_of_its_own(file, images):
    subset = file.subset(np.array([40, 3, 4, 5]))
    np.testing.assert_array_equal(subset[:], images[[40, 3, 4, 5]])
    np.testing.assert_array_equal(subset[1:3], images[3:5])
    np.testing.assert_array_equal(subset.subset(np.array([3, 0]))[:], images[[5, 40]])
    assert (subset.shape, len(subset), len(file)) == ((4, 3, 6, 5), 4, 50)
    np.testing.assert_array_equal(channel_statistics(subset), channel_statistics(images[[40, 3, 4, 5]]))


def test_a_changed_image_is_an_error_only_for_itself(path, file, images):
    contents = bytearray(path.read_bytes())
    contents[OFFSET + 90 * 20] ^= 0x80
    path.write_bytes(contents)
    np.testing.assert_array_equal(file[[19, 21]], images[[19, 21]])
    for index in (20, slice(19, 22), [3, 20]):
        with pytest.raises(DataError) as caught:
            file[index]
        text = "is damaged (image 20 is not what was written): remove it, and the images are decoded again"
        assert str(caught.value) == f"{path} {text}"


def test_a_file_that_has_become_shorter(path, file, images):
    os.truncate(path, OFFSET + 90 * 30 + 89)
    np.testing.assert_array_equal(file[:30], images[:30])
    for index in (slice(25, 35), 40):
        with pytest.raises(DataError, match=r"file is damaged \(image (30|40) is not what was written\)"):
            file[index]


def test_an_error_of_the_disk_names_the_file(file, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DataError, match="file cannot be read: Input/output error"):
        file[3]


def test_the_file_is_closed_with_its_last_subset(path, images):
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("no /proc")
    file = image_file(path, images)
    subset = file.subset(np.arange(3))
    del file
    np.testing.assert_array_equal(subset[:], images[:3])
    assert set(os.listdir("/proc/self/fd")) > before
    del subset
    assert set(os.listdir("/proc/self/fd")) == before


def test_threads_do_not_disturb_each_other(file, images):
    wrong = []

    def read(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            chosen = rng.integers(0, 50, rng.integers(1, 20))
            if not np.array_equal(file[chosen], images[chosen]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("workers", [0, 3])
def test_a_loader_makes_the_same_minibatches_from_file_and_memory(file, images, workers):
    options = {"shuffle": True, "crop": 2, "flip": True, "seed": 5, "workers": workers, "chosen": np.arange(3, 48)}
    from_memory, from_file = (Loader(source, np.arange(50), 8, Device("cpu"), **options) for source in (images, file))
    np.testing.assert_array_equal((from_file.mean, from_file.std), (from_memory.mean, from_memory.std))
    for (x, target), (expected_x, expected) in zip(from_file.epoch(1), from_memory.epoch(1), strict=True):
        assert x.tobytes() == expected_x.tobytes()
        assert target.tobytes() == expected.tobytes()
