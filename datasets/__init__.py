"""Pictures to train with: CIFAR-10, a folder of one's own, or the sample that comes with the code.

import datasets
data = datasets.load("cifar10")                      # downloaded once; without a network the bundled sample
data = datasets.load(directory="my-pictures")        # train/CLASS/*.jpg, test/CLASS/*.jpg, or CIFAR-10's batches
loader = datasets.Loader(data.train_images, data.train_labels, 128, device, shuffle=True, crop=4, flip=True)
for input, target in loader.epoch(0): ...
"""

from collections.abc import Callable
from pathlib import Path

from datasets.cifar10 import find_batches, load_batches, load_official
from datasets.dataset import DataError, Dataset
from datasets.folder import is_folder, load_folder
from datasets.loader import Loader, channel_statistics
from datasets.pictures import decode_pictures
from datasets.sample import NAME as SAMPLE
from datasets.sample import load_sample
from datasets.split import stratified_split

NAMES = ("cifar10", SAMPLE)
__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "Loader",
    "channel_statistics",
    "decode_pictures",
    "load",
    "stratified_split",
]


def load(
    name: str = "cifar10",
    directory: str | Path | None = None,
    progress: bool = True,
    report: Callable[[str], object] = print,
) -> Dataset:
    """The dataset of that name, or the one in `directory`.

    name       "cifar10": the official archive, from the cache or the network; where neither has it, the bundled
               sample, which `report` is told in one sentence and the Dataset's name says. "cifar10-sample": the sample
    directory  CIFAR-10's python layout (then the Dataset's name is "cifar10") or a folder of pictures (then it is the
               folder's). It is used or DataError is raised: nothing ever takes its place
    progress   show bars while downloading and decoding
    """
    if name not in NAMES:
        raise DataError(f"load: name is {name!r}, expected one of {', '.join(map(repr, NAMES))}")
    if directory is not None:
        return _load_directory(Path(directory), progress)
    if name == SAMPLE:
        return load_sample(progress)
    try:
        return load_official(progress)
    except DataError as error:
        report(
            f"CIFAR-10 is not at hand: {error}. The bundled sample, {SAMPLE}, is used instead: 12,000 of its pictures."
        )
        return load_sample(progress)


def _load_directory(directory: Path, progress: bool) -> Dataset:
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder" if directory.exists() else f"{directory} does not exist")
    if folder := find_batches(directory):
        return load_batches(folder)
    if is_folder(directory):
        return load_folder(directory, progress)
    raise DataError(
        f"{directory} holds neither the batches of CIFAR-10 (data_batch_1, ...) nor pictures (train/CLASS, test/CLASS)"
    )
