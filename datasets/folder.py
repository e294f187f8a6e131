"""A folder of pictures as a Dataset: datasets/listing.py says how they may lie in it.

Labels count the classes from 0. Without pictures to test with, a part of each class is held out.
Raises DataError for what is wrong with the folder, and for bad pictures, as datasets/pictures.py says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.cache import cached
from datasets.collection import Collection
from datasets.dataset import DataError, Dataset
from datasets.listing import list_folder
from datasets.pictures import BadPicturesError, Decoder


@dataclass(frozen=True)
class FolderOptions:
    """What becomes of the pictures of a folder. `size`, `fit`: as of datasets.pictures.Decoder.

    bad_pictures   "refuse": DataError; "skip": they are left out, and each is reported
    test_fraction  where there is no folder test, of each class this share is held out, chosen by the seed
    """

    size: int = 0
    fit: str = "crop"
    bad_pictures: str = "refuse"
    test_fraction: float = 0.2
    seed: int = 0


DEFAULTS = FolderOptions()


def load_folder(
    directory: str | Path,
    options: FolderOptions = DEFAULTS,
    progress: bool = True,
    report: Callable[[str], object] = print,
) -> Dataset:
    """The pictures under `directory`, decoded or, where no file has changed since, from the cache.

    report  is told of each picture that is left out, and of folders that are
    """
    directory = Path(directory).resolve()
    listing = list_folder(directory)
    for name in listing.unused:
        report(f"warning: left out: {directory / name}, which is neither train nor test")

    def make() -> Collection:
        pictures = listing.pictures["train"] + listing.pictures["test"]
        numbers = {name: number for number, name in enumerate(listing.classes)}
        labels = np.array([numbers[name] for _, name in pictures], dtype=np.int64)
        skip = options.bad_pictures == "skip"
        names = [path for path, _ in pictures]
        images = Decoder(names, _read, options.size, options.fit, skip, progress=progress, label=directory.name)
        return Collection(directory.name, listing.classes, labels, len(listing.pictures["train"]), images)

    fingerprint = f"{listing.digest} {options.size} {options.fit} {options.bad_pictures}"
    try:
        collection = cached(source=str(directory), fingerprint=fingerprint, make=make)
    except BadPicturesError as error:
        raise DataError(f'{error}; data.bad_pictures = "skip" leaves bad ones out') from error
    for cause in collection.bad.values():
        # a file's name may hold bytes that are no text
        report(f"warning: left out: {cause.encode(errors='backslashreplace').decode()}")
    return collection.dataset(options.test_fraction, options.seed)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
