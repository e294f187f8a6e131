"""Load a folder of images as a Dataset. datasets/listing.py describes the layout of the folder.

Labels are the indices of the classes. If the folder has no test images, a share of each class is held out.
Raises DataError if the layout is wrong, and for bad images, as datasets/decoder.py says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.cache import cached
from datasets.collection import Collection
from datasets.dataset import DataError, Dataset
from datasets.decoder import BadImagesError, Decoder
from datasets.listing import list_folder


@dataclass(frozen=True)
class FolderOptions:
    """How the images of a folder are decoded and split.

    size           N: each image becomes N x N pixels. 0: all images must have one size
    fit            "crop" or "stretch", as datasets.Decoder defines them
    bad_pictures   the config's key data.bad_pictures. "refuse": bad images are a DataError. "skip": bad images are left
                   out, and each of them is reported
    test_fraction  the share of each class that is held out if there is no folder test
    seed           decides which images are held out
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
    """Return the images below `directory`, decoded, or from the cache if no file has changed.

    directory  the folder of images
    options    how to decode and split them
    progress   whether to show a progress bar while decoding
    report     called with a warning for each image, and each folder, that is left out
    """
    directory = Path(directory).resolve()
    listing = list_folder(directory)
    for name in listing.unused:
        report(f"warning: left out: {directory / name}, which is neither train nor test")

    def make() -> Collection:
        files = listing.images["train"] + listing.images["test"]
        indices = {name: index for index, name in enumerate(listing.classes)}
        labels = np.array([indices[name] for _, name in files], dtype=np.int64)
        skip = options.bad_pictures == "skip"
        paths = [path for path, _ in files]
        images = Decoder(paths, _read, options.size, options.fit, skip, progress=progress, label=directory.name)
        return Collection(directory.name, listing.classes, labels, len(listing.images["train"]), images, images.bad)

    fingerprint = f"{listing.digest} {options.size} {options.fit} {options.bad_pictures}"
    try:
        collection = cached(source=str(directory), fingerprint=fingerprint, make=make)
    except BadImagesError as error:
        raise DataError(f'{error}; data.bad_pictures = "skip" leaves bad images out') from error
    for cause in collection.bad.values():
        # a file name may hold bytes that are not text
        report(f"warning: left out: {cause.encode(errors='backslashreplace').decode()}")
    return collection.dataset(options.test_fraction, options.seed)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
