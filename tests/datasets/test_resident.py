"""datasets/resident.py: a Loader on a GPU makes the minibatches of the host, bit by bit.

The kernel is built for the host.
"""

import host_gpu
import numpy as np
import pytest
from data_files import image_file

from datasets import resident
from datasets.dataset import DataError
from datasets.loader import Loader
from tinyfft.backend import Device, to_host
from tinyfft.cuda import launch as launcher

CPU = Device("cpu")
ALL = {"shuffle": True, "crop": 2, "flip": True, "cutout": 3}
needs_compiler = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")


@pytest.fixture
def gpu(monkeypatch):
    return host_gpu.stands_in(monkeypatch)


@pytest.fixture
def launches(monkeypatch, gpu):
    """The names of the kernels that were launched."""
    names, launch = [], launcher.run

    def record(source, name, *rest):
        names.append(name)
        launch(source, name, *rest)

    monkeypatch.setattr(launcher, "run", record)
    return names


def made_up(n=23, C=3, H=6, W=5, seed=7):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, C, H, W), dtype=np.uint8), rng.integers(0, 10, n)


def minibatches(images, labels, device, number=1, first=0, batch_size=4, **options):
    loader = Loader(images, labels, batch_size, device, **options)
    return [(to_host(input), to_host(target)) for input, target in loader.epoch(number, first)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for pair in zip(found, expected, strict=True):
        for array, wanted in zip(*pair, strict=True):
            assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype)
            assert array.tobytes() == wanted.tobytes()


@needs_compiler
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        ALL,
        {**ALL, "dtype": "float64", "first": 3, "drop_last": True},
        {"chosen": np.array([20, 3, 4, 5, 17]), "crop": 9, "cutout": 20, "batch_size": 3},
        {"mean": (0.5, 0.1, 0), "std": (1, 0, 0.3), "batch_size": 40, "shuffle": True, "seed": 5},
    ],
)
def test_same_minibatches(gpu, launches, options, number):
    images, labels = made_up()
    found = minibatches(images, labels, gpu, number, **options)
    assert launches == ["minibatch"] * len(found)
    assert_same(found, minibatches(images, labels, CPU, number, **options))


def test_on_every_device(device):
    """A GPU's own kernel and the host, with images of fewer and of more values than the grid has threads."""
    for dtype in ("float32", "float64"):
        for images, labels in (made_up(50, 3, 32, 32), made_up(9, 4, 67, 45), made_up(300, 1, 1, 1)):
            options = {**ALL, "cutout": 8, "dtype": dtype, "batch_size": 8}
            assert_same(minibatches(images, labels, device, **options), minibatches(images, labels, CPU, **options))


@needs_compiler
def test_two_epochs_at_once_do_not_disturb_each_other(gpu):
    loader = Loader(*made_up(), 4, gpu, **ALL)
    alone = [list(loader.epoch(number)) for number in (1, 2)]
    together = zip(*zip(loader.epoch(1), loader.epoch(2), strict=True), strict=True)
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected)


@needs_compiler
def test_the_caller_owns_a_minibatch(gpu):
    images, labels = made_up()
    expected = minibatches(images, labels, CPU, **ALL)
    for (input, target), wanted in zip(Loader(images, labels, 4, gpu, **ALL).epoch(1), expected, strict=True):
        assert_same([(input, target)], [wanted])
        input.fill(9)
        target.fill(9)


@needs_compiler
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels_of_other_dtypes_become_int64(gpu, dtype):
    images, labels = made_up()
    assert_same(minibatches(images, labels.astype(dtype), gpu), minibatches(images, labels, CPU))


@needs_compiler
@pytest.mark.parametrize("limit", ["MAX_RESIDENT_BYTES", "free_bytes"])
def test_images_that_do_not_fit_stay_on_the_host(monkeypatch, gpu, launches, limit):
    """Only the chosen images count: 7 images of 90 bytes."""
    images, labels = made_up()
    options = {**ALL, "chosen": np.arange(3, 10), "workers": 2}
    expected = minibatches(images, labels, CPU, **options)
    for nbytes, count in ((7 * 90, 2), (7 * 90 - 1, 0)):
        if limit == "MAX_RESIDENT_BYTES":
            monkeypatch.setattr(resident, limit, nbytes)
        else:
            monkeypatch.setattr(Device, limit, property(lambda self, nbytes=nbytes: 4 * nbytes))
        launches.clear()
        assert_same(minibatches(images, labels, gpu, **options), expected)
        assert len(launches) == count


@needs_compiler
def test_a_file_is_read_once_and_in_pieces(monkeypatch, gpu, tmp_path):
    """Nothing is read before the first minibatch is requested."""
    images, labels = made_up()
    chosen = np.array([20, 3, 4, 5, 17, 0, 22])
    monkeypatch.setattr(resident, "UPLOAD_BYTES", 3 * 90 + 89)
    watched = Watched(image_file(tmp_path / "images", images))
    options = {**ALL, "mean": (0, 0, 0), "std": (1, 1, 1), "chosen": chosen}
    loader = Loader(watched, labels, 4, gpu, **options)
    assert not watched.read
    for number in (1, 2):
        assert_same(list(loader.epoch(number)), minibatches(images, labels, CPU, number, **options))
    assert watched.read == [[20, 3, 4], [5, 17, 0], [22]]


@needs_compiler
def test_a_damaged_image_is_an_error(gpu, tmp_path):
    images, labels = made_up()
    file = image_file(tmp_path / "images", images)
    (tmp_path / "images").write_bytes(images.tobytes()[:-1] + b"?")
    loader = Loader(file, labels, 4, gpu)
    for _ in range(2):
        with pytest.raises(DataError, match="image 22 is not what was written"):
            next(loader.epoch(1))


@needs_compiler
def test_without_images_there_is_no_minibatch(gpu):
    assert minibatches(*made_up(), gpu, chosen=np.arange(0)) == []


class Watched:
    """Images that record which of them were read."""

    def __init__(self, images):
        self.images, self.read = images, []
        self.shape, self.dtype, self.ndim = images.shape, images.dtype, images.ndim

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        self.read.append(index.tolist())
        return self.images[index]
