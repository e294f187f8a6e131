"""A folder of pictures as a Dataset.

    FOLDER/train/CLASS/**    FOLDER/test/CLASS/**
    FOLDER/train/CLASS/**    or    FOLDER/CLASS/**       a part of each class is held out to test with

Pictures may lie at any depth below the folder of their class. The names of the classes are those of the folders,
sorted; labels count them from 0. Pictures are taken in the order of their names. Hidden files and folders and other
endings are passed over. The folder of a class may be a link, as pictures may; below it linked folders are not entered,
since they can lead in a circle.
Raises DataError when a folder is missing, has no pictures, or the classes of train and test differ; and for bad
pictures, as datasets/pictures.py says.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.cache import cached
from datasets.collection import Collection
from datasets.dataset import DataError, Dataset
from datasets.pictures import ENDINGS, BadPicturesError, Decoder

PARTS = ("train", "test")


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


@dataclass(frozen=True)
class Listing:
    """What a folder holds. `pictures[part]` is a list of (path, class name), empty for a test folder that is not there;
    `digest` changes with any file."""

    classes: tuple[str, ...]
    pictures: dict[str, list[tuple[str, str]]]
    digest: str


def load_folder(
    directory: str | Path,
    options: FolderOptions = DEFAULTS,
    progress: bool = True,
    report: Callable[[str], object] = print,
) -> Dataset:
    """The pictures under `directory`, decoded or, where no file has changed since, from the cache.

    report  is told of each picture that is left out
    """
    directory = Path(directory).resolve()
    listing = list_folder(directory)

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


def list_folder(directory: str | Path) -> Listing:
    """Classes and pictures under `directory`, found without opening one picture."""
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder" if directory.exists() else f"{directory} does not exist")
    roots = {part: directory / part for part in PARTS if (directory / part).is_dir()}
    if "test" in roots and "train" not in roots:
        raise DataError(f"{directory} has a folder test but no folder train, expected both or train alone")
    roots = roots or {"train": directory}
    digest = hashlib.sha256()
    classes: dict[str, list[str]] = {}
    pictures: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for part, root in roots.items():
        try:
            classes[part] = _class_names(root)
            for name in classes[part]:
                for path, line in _files(root / name):
                    pictures[part].append((path, name))
                    digest.update(os.fsencode(f"{part}/{name}{line}\n"))
        except OSError as error:
            raise DataError(f"{root} cannot be read: {error}") from error
    if "test" in roots:
        _check_same_classes(directory, classes)
    if roots["train"] == directory and len(classes["train"]) == 1:  # the folder above the right one, most likely
        raise DataError(f"{directory} has one folder, {classes['train'][0]}, expected one for each of several classes")
    return Listing(classes=tuple(classes["train"]), pictures=pictures, digest=digest.hexdigest())


def _class_names(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{root} has no folders, expected one a class")
    return names


def _files(folder: Path) -> list[tuple[str, str]]:
    """(path, line) of each picture below one class's folder, sorted; the line changes when the file does."""
    found = []
    for entry in _walk(folder):
        status, below = entry.stat(), entry.path[len(str(folder)) :]
        found.append((entry.path, f"{below}\0{status.st_size}\0{status.st_mtime_ns}"))
    if not found:
        raise DataError(f"{folder} has no pictures ({', '.join(ENDINGS)})")
    return sorted(found)


def _walk(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """The pictures at any depth."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not entry.is_symlink():
                    yield from _walk(entry.path)
            elif entry.name.lower().endswith(ENDINGS):
                yield entry


def _check_same_classes(directory: Path, classes: dict[str, list[str]]) -> None:
    for part, other in (PARTS, PARTS[::-1]):
        if alone := sorted(set(classes[part]) - set(classes[other])):
            raise DataError(f"{directory}: the class {alone[0]} is in {part} but not in {other}")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
