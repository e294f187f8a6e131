"""A small part of CIFAR-10 that comes with the code, so that everything runs without a network.

12,000 pictures of 32x32, 1,000 a class to train with and 200 a class to test with, re-encoded as JPEG of quality 75:
the pixels differ a little from the original ones, and results on them are not results on CIFAR-10.
An xz tar archive of train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg, made by datasets/make_sample.py.
Raises DataError when the archive is missing or damaged.
Source  Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009
"""

import re
from pathlib import Path

import numpy as np

from datasets.archive import file_sha256, read_members
from datasets.cache import cached
from datasets.collection import Collection
from datasets.dataset import DataError, Dataset
from datasets.pictures import Decoder

NAME = "cifar10-sample"
ARCHIVE = Path(__file__).resolve().parent / "cifar10-sample.tar.xz"
_MEMBER = re.compile(r"(train|test)/([^/]+)/\d{4}\.jpg")


def load_sample(progress: bool = True, archive: str | Path = ARCHIVE) -> Dataset:
    """The sample as a Dataset named "cifar10-sample"."""
    try:
        checksum = file_sha256(archive)
    except OSError as error:
        raise DataError(f"the sample {archive} cannot be read: {error.strerror}") from error
    return cached(source=str(archive), fingerprint=checksum, make=lambda: _collection(archive, progress)).dataset()


def _collection(archive: str | Path, progress: bool) -> Collection:
    members = read_members(archive, lambda name: _MEMBER.fullmatch(name) is not None)
    found = sorted((name, *_MEMBER.fullmatch(name).groups()) for name in members)
    train, test = ([picture for picture in found if picture[1] == part] for part in ("train", "test"))
    classes = sorted({label for _, _, label in train})
    if not classes or classes != sorted({label for _, _, label in test}):
        raise DataError(f"{archive} does not hold train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg of the same classes")
    names = [name for name, _, _ in train + test]
    labels = np.array([classes.index(label) for _, _, label in train + test], dtype=np.int64)
    images = Decoder(names, members.__getitem__, progress=progress, label=NAME)
    return Collection(NAME, tuple(classes), labels, len(train), images)
