"""Image datasets: CIFAR-10, a folder of images, or the sample that comes with the code.

import datasets
data = datasets.load("cifar10")                      # downloaded once; without a network, the bundled sample
data = datasets.load("folder", "my-images", datasets.FolderOptions(size=64))   # CLASS/**, or train/CLASS/** and test
loader = datasets.Loader(data.train_images, data.train_labels, 128, device, shuffle=True, crop=4, flip=True)
for input, target in loader.epoch(0): ...
"""

from collections.abc import Callable
from pathlib import Path

from datasets.cifar10 import SIDE, find_batches, load_batches, load_official
from datasets.dataset import DataError, Dataset
from datasets.decoder import Decoder
from datasets.folder import DEFAULTS, FolderOptions, load_folder
from datasets.loader import Loader
from datasets.sample import NAME as SAMPLE
from datasets.sample import load_sample
from datasets.split import stratified_split
from datasets.statistics import channel_statistics

FOLDER = "folder"
NAMES = ("cifar10", SAMPLE, FOLDER)
__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "Decoder",
    "FolderOptions",
    "Loader",
    "channel_statistics",
    "load",
    "stratified_split",
]


def load(
    name: str = "cifar10",
    directory: str | Path | None = None,
    folder: FolderOptions = DEFAULTS,
    progress: bool = True,
    report: Callable[[str], object] = print,
) -> Dataset:
    """Return the dataset of this name, or the dataset in `directory`.

    name       "cifar10": the official archive, from the cache or the network; if it cannot be downloaded, the bundled
               sample, with one sentence to `report`. "cifar10-sample": the bundled sample. "folder": the images in
               `directory`
    directory  files of CIFAR-10's python version (the Dataset is named "cifar10"), or a folder of images (the Dataset
               is named like the folder). If it cannot be loaded DataError is raised: no other dataset replaces it
    folder     how the images of a folder are decoded and split. CIFAR-10 is never scaled: another size is a DataError
    progress   whether to show progress bars while downloading and decoding
    report     called with each message for the user
    """
    if name not in NAMES:
        raise DataError(f"load: name is {name!r}, expected one of {', '.join(map(repr, NAMES))}")
    if directory is not None:
        return _load_directory(Path(directory), folder, progress, report)
    if name == FOLDER:
        raise DataError(f'data.name is "{FOLDER}", expected the folder of images too (--data DIR)')
    _check_size(name, folder.size)
    if name == SAMPLE:
        return load_sample(progress)
    try:
        return load_official(progress)
    except DataError as error:
        report(
            f"CIFAR-10 is not available: {error}. The bundled sample, {SAMPLE}, is used instead: 12,000 of its images."
        )
        return load_sample(progress)


def _load_directory(
    directory: Path, options: FolderOptions, progress: bool, report: Callable[[str], object]
) -> Dataset:
    if directory.is_dir() and (batches := find_batches(directory)):
        _check_size(str(directory), options.size)
        return load_batches(batches)
    return load_folder(directory, options, progress, report)


def _check_size(source: str, size: int) -> None:
    if size not in (0, SIDE):
        raise DataError(f"data.size is {size}, expected 0: the images of {source} have {SIDE} x {SIDE} pixels")
