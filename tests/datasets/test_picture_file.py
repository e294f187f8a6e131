"""datasets/picture_file.py: indexed as the array that was written, whatever of it is asked for and by whom."""

import os
import threading
import zlib

import numpy as np
import pytest

from datasets.dataset import DataError
from datasets.loader import Loader
from datasets.picture_file import PictureFile
from datasets.statistics import channel_statistics, picture_sums
from tinyfft.backend import Device

OFFSET = 37


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (50, 3, 6, 5), dtype=np.uint8)


@pytest.fixture
def path(tmp_path, images):
    (tmp_path / "file").write_bytes(b"x" * OFFSET + images.tobytes() + b"behind them")
    return tmp_path / "file"


def opened(path, images, **changes):
    arrays = {"checksums": np.array([zlib.crc32(image) for image in images], np.uint32), "sums": picture_sums(images)}
    return PictureFile(os.open(path, os.O_RDONLY), path, OFFSET, images.shape, **(arrays | changes))


@pytest.fixture
def file(path, images):
    return opened(path, images)


def test_looks_like_the_array(file, images):
    assert (file.shape, file.dtype, file.ndim, len(file)) == (images.shape, images.dtype, 4, 50)


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
def test_indexed_as_the_array(file, images, index):
    found = file[index]
    assert (found.dtype, found.shape) == (np.uint8, images[index].shape)
    np.testing.assert_array_equal(found, images[index])
    found.fill(0)  # belongs to whom it was given
    np.testing.assert_array_equal(file[index], images[index])


@pytest.mark.parametrize("index", [50, -51, [0, 50]])
def test_out_of_bounds(file, index):
    with pytest.raises(IndexError, match="out of bounds"):
        file[index]


def test_a_part_has_its_own_numbers(file, images):
    part = file.part(np.array([40, 3, 4, 5]))
    np.testing.assert_array_equal(part[:], images[[40, 3, 4, 5]])
    np.testing.assert_array_equal(part[1:3], images[3:5])
    np.testing.assert_array_equal(part.part(np.array([3, 0]))[:], images[[5, 40]])
    assert (part.shape, len(part), len(file)) == ((4, 3, 6, 5), 4, 50)
    np.testing.assert_array_equal(channel_statistics(part), channel_statistics(images[[40, 3, 4, 5]]))


def test_pictures_in_a_row_are_read_in_one_call(file, monkeypatch):
    read, calls = os.preadv, []
    monkeypatch.setattr(os, "preadv", lambda *arguments: calls.append(arguments[2]) or read(*arguments))
    file[[10, 11, 12, 5, 6, 40]]
    assert calls == [OFFSET + 90 * first for first in (10, 5, 40)]


def test_a_system_that_reads_less_than_it_is_asked_for(file, images, monkeypatch):
    read = os.preadv
    monkeypatch.setattr(os, "preadv", lambda number, buffers, at: read(number, [buffers[0][:13]], at))
    np.testing.assert_array_equal(file[4:20], images[4:20])


@pytest.mark.parametrize("position", [0, 45, 89])
def test_a_changed_picture_is_an_error_alone(path, file, images, position):
    contents = bytearray(path.read_bytes())
    contents[OFFSET + 90 * 20 + position] ^= 0x80
    path.write_bytes(contents)
    np.testing.assert_array_equal(file[19], images[19])
    np.testing.assert_array_equal(file[21], images[21])
    for index in (20, slice(19, 22), [3, 20]):
        with pytest.raises(DataError, match=r"file is damaged \(picture 20 is not what was written\): remove it"):
            file[index]


def test_a_file_that_has_become_shorter(path, file, images):
    os.truncate(path, OFFSET + 90 * 30 + 1)
    np.testing.assert_array_equal(file[:30], images[:30])
    with pytest.raises(DataError, match=r"file is damaged \(it ends at byte 2738\)"):
        file[25:35]


def test_what_does_not_fit_is_refused(path, images):
    with pytest.raises(DataError, match=r"checksums \(49,\) and sums .* do not fit pictures \(50, 3, 6, 5\)"):
        opened(path, images, checksums=np.zeros(49, np.uint32))
    os.truncate(path, OFFSET + images.nbytes - 1)
    with pytest.raises(DataError, match=f"has {OFFSET + images.nbytes - 1} bytes, expected at least"):
        opened(path, images)


def test_the_file_is_closed_with_its_last_part(path, images):
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("no /proc")
    file = opened(path, images)
    part = file.part(np.arange(3))
    del file
    np.testing.assert_array_equal(part[:], images[:3])
    assert set(os.listdir("/proc/self/fd")) > before
    del part
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
def test_a_loader_makes_the_same_batches_of_file_and_memory(file, images, workers):
    options = {"shuffle": True, "crop": 2, "flip": True, "seed": 5, "workers": workers}
    chosen = np.arange(3, 48)
    from_memory, from_file = (
        Loader(pictures, np.arange(50), 8, Device("cpu"), chosen=chosen, **options) for pictures in (images, file)
    )
    np.testing.assert_array_equal((from_file.mean, from_file.std), (from_memory.mean, from_memory.std))
    for number in (0, 1):
        for (x, target), (expected_x, expected) in zip(from_file.epoch(number), from_memory.epoch(number), strict=True):
            assert x.tobytes() == expected_x.tobytes()
            assert target.tobytes() == expected.tobytes()
