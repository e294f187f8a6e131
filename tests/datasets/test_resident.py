"""Minibatches made on a GPU of pictures that lie there: the host's, to the bit. minibatch.cu is built for the host."""

import os
import zlib

import host_gpu
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import resident
from datasets.dataset import DataError
from datasets.loader import Loader
from datasets.picture_file import PictureFile
from datasets.statistics import picture_sums
from tinyfft import gpu as launcher
from tinyfft.backend import Device, to_host
from tinyfft.spatial import minibatch

CPU = Device("cpu")
ALL = {"shuffle": True, "crop": 2, "flip": True, "cutout": 3}
needs_compiler = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")


@pytest.fixture
def gpu(monkeypatch):
    """With fewer threads, and fewer of them than a picture has values."""
    monkeypatch.setattr(minibatch, "THREADS", 8)
    monkeypatch.setattr(minibatch, "MAX_GRID_Y", 3)
    return host_gpu.stands_in(monkeypatch)


@pytest.fixture
def launches(monkeypatch, gpu):
    """The kernels that were launched."""
    names, launch = [], launcher.launch

    def noted(source, name, *rest):
        names.append(name)
        launch(source, name, *rest)

    monkeypatch.setattr(launcher, "launch", noted)
    return names


def made_up(n=23, C=3, H=6, W=5, seed=7):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, C, H, W), dtype=np.uint8), rng.integers(0, 10, n)


def batches(images, labels, device, number=1, first=0, batch_size=4, **options):
    loader = Loader(images, labels, batch_size, device, **options)
    return [(to_host(input), to_host(target)) for input, target in loader.epoch(number, first)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for pair in zip(found, expected, strict=True):
        for array, wanted in zip(*pair, strict=True):
            assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype)
            assert array.tobytes() == wanted.tobytes()


@needs_compiler
@settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    batch_size=st.integers(1, 10),
    first=st.integers(0, 2),
    crop=st.sampled_from([0, 1, 4]),
    cutout=st.sampled_from([0, 1, 2, 3, 4, 20]),
    flip=st.booleans(),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**40),
)
def test_any_sizes(gpu, launches, sizes, batch_size, first, dtype, drop_last, seed, **options):
    images, labels = made_up(*sizes, seed)
    rng = np.random.default_rng(seed)
    mean, std = rng.random(sizes[1]), rng.random(sizes[1]) * (rng.random(sizes[1]) < 0.7)
    chosen = rng.permutation(sizes[0])[: rng.integers(1, sizes[0] + 1)]
    options |= {"mean": mean, "std": std, "chosen": chosen, "dtype": dtype, "seed": seed, "first": first}
    options |= {"batch_size": batch_size, "drop_last": drop_last and batch_size <= len(chosen)}
    launches.clear()
    found = batches(images, labels, gpu, **options)
    assert launches == ["minibatch"] * len(found)
    assert_same(found, batches(images, labels, CPU, **options))


def test_on_every_device(device):
    """A GPU's own kernel and the host, with the threads that it has and with pictures of more values than those."""
    for dtype in ("float32", "float64"):
        for images, labels in (made_up(50, 3, 32, 32), made_up(9, 4, 67, 45), made_up(300, 1, 1, 1)):
            options = {**ALL, "cutout": 8, "dtype": dtype, "batch_size": 8}
            assert_same(batches(images, labels, device, **options), batches(images, labels, CPU, **options))


@needs_compiler
def test_epochs_differ_and_can_be_had_again(gpu):
    loader = Loader(*made_up(), 23, gpu, **ALL)
    (first, again), (second,) = ([next(loader.epoch(number)) for number in numbers] for numbers in ((1, 1), (2,)))
    assert_same([first], [again])
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


@needs_compiler
def test_two_epochs_at_once_do_not_disturb_each_other(gpu):
    loader = Loader(*made_up(), 4, gpu, **ALL)
    alone = [list(loader.epoch(number)) for number in (1, 2)]
    for found, expected in zip(
        zip(*zip(loader.epoch(1), loader.epoch(2), strict=True), strict=True), alone, strict=True
    ):
        assert_same(found, expected)


@needs_compiler
def test_a_batch_belongs_to_whom_it_was_given(gpu):
    images, labels = made_up()
    expected = batches(images, labels, CPU, **ALL)
    for (input, target), wanted in zip(Loader(images, labels, 4, gpu, **ALL).epoch(1), expected, strict=True):
        assert_same([(input, target)], [wanted])
        input.fill(9)
        target.fill(9)


@needs_compiler
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels_of_other_kinds_become_int64(gpu, dtype):
    images, labels = made_up()
    assert_same(batches(images, labels.astype(dtype), gpu), batches(images, labels, CPU))


@needs_compiler
@pytest.mark.parametrize("limit", ["RESIDENT_BYTES", "free_bytes"])
def test_pictures_that_do_not_fit_stay_on_the_host(monkeypatch, gpu, launches, limit):
    """Those chosen are what counts: 7 pictures of 90 bytes."""
    images, labels = made_up()
    options = {**ALL, "chosen": np.arange(3, 10), "workers": 2}
    expected = batches(images, labels, CPU, **options)
    for room, resident_batches in ((7 * 90, 2), (7 * 90 - 1, 0)):
        if limit == "RESIDENT_BYTES":
            monkeypatch.setattr(minibatch, limit, room)
        else:
            monkeypatch.setattr(Device, limit, property(lambda self, room=room: 4 * room))
        launches.clear()
        assert_same(batches(images, labels, gpu, **options), expected)
        assert len(launches) == resident_batches


@needs_compiler
def test_a_file_is_read_once_and_a_little_at_a_time(monkeypatch, gpu, tmp_path):
    """Mapped or not; nothing is read before a batch is asked for."""
    images, labels = made_up()
    path = tmp_path / "pictures"
    path.write_bytes(images.tobytes())
    mapped, kept = np.memmap(path, np.uint8, "r", shape=images.shape), picture_file(path, images)
    chosen = np.array([20, 3, 4, 5, 17, 0, 22])
    monkeypatch.setattr(resident, "UPLOAD_BYTES", 3 * 90 + 89)
    for source in (mapped, kept):
        watched = Watched(source)
        loader = Loader(watched, labels, 4, gpu, mean=(0, 0, 0), std=(1, 1, 1), chosen=chosen, **ALL)
        assert not watched.read
        for number in (1, 2):
            options = {**ALL, "mean": (0, 0, 0), "std": (1, 1, 1), "chosen": chosen, "number": number}
            assert_same(list(loader.epoch(number)), batches(images, labels, CPU, **options))
        assert watched.read == [[20, 3, 4], [5, 17, 0], [22]]


@needs_compiler
def test_a_damaged_picture_is_noticed(gpu, tmp_path):
    images, labels = made_up()
    path = tmp_path / "pictures"
    path.write_bytes(images.tobytes()[:-1] + b"?")
    loader = Loader(picture_file(path, images), labels, 4, gpu)
    for _ in range(2):
        with pytest.raises(DataError, match="picture 22 is not what was written"):
            next(loader.epoch(1))


@needs_compiler
def test_without_any_picture_there_is_no_batch(gpu):
    assert batches(*made_up(), gpu, chosen=np.arange(0)) == []


class Watched:
    """Pictures that note which of them were read."""

    def __init__(self, images):
        self.images, self.read = images, []
        self.shape, self.dtype, self.ndim = images.shape, images.dtype, images.ndim

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.read.append(index.tolist())
        return self.images[index]


def picture_file(path, images):
    checksums = np.array([zlib.crc32(image) for image in images], np.uint32)
    return PictureFile(os.open(path, os.O_RDONLY), path, 0, images.shape, checksums, picture_sums(images))
