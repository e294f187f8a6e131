"""The bundled sample: a small part of CIFAR-10 that comes with the code, so that everything runs without a network.

12,000 images of 32x32: of each class 1,000 training and 200 test images. They are re-encoded as JPEG of quality 75:
their pixels differ a little from the original pixels, and results on the sample are not results on CIFAR-10.
The archive is an xz tar file of train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg, made by datasets/make_sample.py.
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
from datasets.decoder import Decoder

NAME = "cifar10-sample"
ARCHIVE = Path(__file__).resolve().parent / "cifar10-sample.tar.xz"
_MEMBER = re.compile(r"(train|test)/([^/]+)/\d{4}\.jpg")


def load_sample(progress: bool = True, archive: str | Path = ARCHIVE) -> Dataset:
    """Return the sample as a Dataset named "cifar10-sample".

    progress  whether to show a progress bar while decoding
    archive   the sample's file
    """
    try:
        checksum = file_sha256(archive)
    except OSError as error:
        raise DataError(f"the sample {archive} cannot be read: {error.strerror}") from error
    return cached(source=str(archive), fingerprint=checksum, make=lambda: _collection(archive, progress)).dataset()


def _collection(archive: str | Path, progress: bool) -> Collection:
    members = read_members(archive, lambda name: _MEMBER.fullmatch(name) is not None)
    found = sorted((name, *_MEMBER.fullmatch(name).groups()) for name in members)
    train, test = ([member for member in found if member[1] == split] for split in ("train", "test"))
    classes = sorted({label for _, _, label in train})
    if not classes or classes != sorted({label for _, _, label in test}):
        raise DataError(f"{archive} does not hold train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg of the same classes")
    names = [name for name, _, _ in train + test]
    labels = np.array([classes.index(label) for _, _, label in train + test], dtype=np.int64)
    images = Decoder(names, members.__getitem__, progress=progress, label=NAME)
    return Collection(NAME, tuple(classes), labels, len(train), images, images.bad)
