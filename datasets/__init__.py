"""Pictures to train with: CIFAR-10, a folder of one's own, or the sample that comes with the code.

import datasets
data = datasets.load("cifar10")                      # downloaded once; without a network the bundled sample
data = datasets.load("folder", "my-pictures", datasets.FolderOptions(size=64))   # CLASS/**, or train/CLASS/** and test
loader = datasets.Loader(data.train_images, data.train_labels, 128, device, shuffle=True, crop=4, flip=True)
for input, target in loader.epoch(0): ...
"""

from collections.abc import Callable
from pathlib import Path

from datasets.cifar10 import SIDE, find_batches, load_batches, load_official
from datasets.dataset import DataError, Dataset
from datasets.folder import DEFAULTS, FolderOptions, load_folder
from datasets.loader import Loader
from datasets.pictures import Decoder
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
    """The dataset of that name, or the one in `directory`.

    name       "cifar10": the official archive, from the cache or the network; where neither has it, the bundled
               sample, which `report` is told in one sentence and the Dataset's name says. "cifar10-sample": the sample.
               "folder": what `directory` holds
    directory  CIFAR-10's python layout (then the Dataset's name is "cifar10") or a folder of pictures (then it is the
               folder's). It is used or DataError is raised: nothing ever takes its place
    folder     what becomes of a folder's pictures. CIFAR-10's are never scaled: another size is a DataError
    progress   show bars while downloading and decoding
    """
    if name not in NAMES:
        raise DataError(f"load: name is {name!r}, expected one of {', '.join(map(repr, NAMES))}")
    if directory is not None:
        return _load_directory(Path(directory), folder, progress, report)
    if name == FOLDER:
        raise DataError(f'data.name is "{FOLDER}", expected the folder of pictures too (--data DIR)')
    _check_size(name, folder.size)
    if name == SAMPLE:
        return load_sample(progress)
    try:
        return load_official(progress)
    except DataError as error:
        report(
            f"CIFAR-10 is not at hand: {error}. The bundled sample, {SAMPLE}, is used instead: 12,000 of its pictures."
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
        raise DataError(f"data.size is {size}, expected 0: the pictures of {source} have {SIDE} x {SIDE} pixels")
