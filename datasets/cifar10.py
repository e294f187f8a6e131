"""Load CIFAR-10 as its authors publish it: 50,000 training and 10,000 test images of 32x32 in ten classes.

The "python version" is a tar archive of pickles: five training batches, one test batch and the names of the classes.
A batch holds `data` (n, 3072) uint8, each row the red, green and blue plane of one image, and `labels`, n integers.
Raises DataError when a file is missing or has other contents.
Source  Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009;
        https://www.cs.toronto.edu/~kriz/cifar.html (the layout)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from datasets.archive import read_members
from datasets.cache import cache_directory, cached
from datasets.collection import Collection
from datasets.dataset import DataError, Dataset
from datasets.download import download
from datasets.unpickle import PickledArray, unpickle

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
META = "batches.meta"
FILES = (*TRAIN_BATCHES, TEST_BATCH, META)
CLASSES = 10
SIDE = 32


def find_batches(directory: str | Path) -> Path | None:
    """Return the folder with the batches, `directory` or directory/cifar-10-batches-py, or None if neither has any."""
    for folder in (Path(directory), Path(directory) / FOLDER):
        if any((folder / name).is_file() for name in FILES):
            return folder
    return None


def load_batches(folder: str | Path) -> Dataset:
    """Return the dataset whose batches are files in `folder`, from the cache if no file has changed."""
    folder = Path(folder).resolve()

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"{folder / name} cannot be read: {error.strerror}") from error

    def make() -> Collection:
        return _collection(read, lambda name: str(folder / name))

    found = [(name, (folder / name).stat()) for name in FILES if (folder / name).is_file()]
    fingerprint = " ".join(f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in found)
    return cached(source=str(folder), fingerprint=fingerprint, make=make).dataset()


def load_archive(path: str | Path) -> Collection:
    """Return the images of the archive at `path`."""
    members = read_members(path, lambda name: name in [f"{FOLDER}/{file}" for file in FILES])

    def read(name: str) -> bytes:
        if f"{FOLDER}/{name}" not in members:
            raise DataError(f"{path} has no regular file {FOLDER}/{name}")
        return members[f"{FOLDER}/{name}"]

    return _collection(read, lambda name: f"{path}, {name}")


def load_official(progress: bool = True) -> Dataset:
    """Return the dataset of the authors' server, downloaded once and cached. Raises DataError if the download fails."""

    def fetch() -> Collection:
        path = cache_directory() / URL.rpartition("/")[2]
        download(URL, path, SHA256, progress)
        return load_archive(path)

    return cached(source=URL, fingerprint=SHA256, make=fetch).dataset()


def _collection(read: Callable[[str], bytes], describe: Callable[[str], str]) -> Collection:
    meta = _mapping(read(META), describe(META), ("label_names", "num_cases_per_batch"))
    names = meta["label_names"]
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{describe(META)}: label_names are not {CLASSES} names")
    count = meta["num_cases_per_batch"]
    batches = [_batch(read(name), describe(name), count) for name in (*TRAIN_BATCHES, TEST_BATCH)]
    images, labels = zip(*batches, strict=True)
    return Collection(
        name="cifar10",
        classes=tuple(name.decode("ascii", "replace") for name in names),
        labels=np.concatenate(labels),
        train_count=sum(map(len, labels[:-1])),
        images=np.concatenate(images),
    )


def _batch(data: bytes, source: str, count: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return (images, labels) of one batch of `count` images."""
    batch = _mapping(data, source, ("data", "labels"))
    images, labels = batch["data"], batch["labels"]
    pixels = images.values if isinstance(images, PickledArray) else None
    if pixels is None or pixels.shape != (count, 3 * SIDE * SIDE):
        found = "no array" if pixels is None else f"{pixels.dtype} {pixels.shape}"
        raise DataError(f"{source}: data are {found}, expected uint8 ({count!r}, {3 * SIDE * SIDE})")
    if not isinstance(labels, list) or len(labels) != count:
        raise DataError(f"{source}: labels are not a list of {count!r} numbers, one for each image")
    if not all(type(label) is int and 0 <= label < CLASSES for label in labels):
        raise DataError(f"{source}: a label is not a number from 0 to {CLASSES - 1}")
    return pixels.reshape(-1, 3, SIDE, SIDE), np.array(labels, dtype=np.int64)


def _mapping(data: bytes, source: str, expected: tuple[str, ...]) -> dict[str, Any]:
    """Return the dictionary pickled in `data`, with its keys as text."""
    found = unpickle(data, source)
    if not isinstance(found, dict):
        raise DataError(f"{source}: holds a {type(found).__name__}, expected a dictionary")
    result = {key.decode("ascii", "replace"): value for key, value in found.items() if isinstance(key, bytes)}
    for key in expected:
        if key not in result:
            raise DataError(f"{source}: has no entry {key}")
    return result
