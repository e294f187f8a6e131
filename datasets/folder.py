"""A folder of pictures as a Dataset.

    FOLDER/train/CLASS/*.jpg, *.jpeg, *.png      FOLDER/test/CLASS/...

The names of the classes are those of the folders in train, sorted; labels count them from 0. Pictures are taken in
the order of their names. Hidden files and other endings are passed over.
Raises DataError when a folder is missing, has no pictures, or the classes of train and test differ; and for bad
pictures, as datasets/pictures.py says.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.cache import cached
from datasets.dataset import DataError, Dataset
from datasets.pictures import decode_pictures

PARTS = ("train", "test")
ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Listing:
    """What a folder holds. `pictures[part]` is a list of (path, class name); `digest` changes with any file."""

    classes: tuple[str, ...]
    pictures: dict[str, list[tuple[str, str]]]
    digest: str


def is_folder(directory: str | Path) -> bool:
    """Whether `directory` looks like such a folder: it has train or test inside."""
    return any((Path(directory) / part).is_dir() for part in PARTS)


def load_folder(directory: str | Path, progress: bool = True) -> Dataset:
    """The pictures under `directory`, decoded or, where no file has changed since, from the cache."""
    directory = Path(directory).resolve()
    listing = list_folder(directory)

    def decode() -> Dataset:
        train, test = (listing.pictures[part] for part in PARTS)
        images = decode_pictures([path for path, _ in train + test], _read, progress, directory.name)
        numbers = {name: number for number, name in enumerate(listing.classes)}
        labels = np.array([numbers[name] for _, name in train + test], dtype=np.int64)
        n = len(train)
        return Dataset(directory.name, listing.classes, images[:n], labels[:n], images[n:], labels[n:])

    return cached(source=str(directory), fingerprint=listing.digest, make=decode)


def list_folder(directory: str | Path) -> Listing:
    """Classes and pictures under `directory`, found without opening one picture."""
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder" if directory.exists() else f"{directory} does not exist")
    digest = hashlib.sha256()
    classes: dict[str, list[str]] = {}
    pictures: dict[str, list[tuple[str, str]]] = {}
    for part in PARTS:
        if not (directory / part).is_dir():
            raise DataError(f"{directory} has no folder {part}, expected train and test with one folder a class")
        try:
            classes[part] = _class_names(directory / part)
            files = {name: _files(directory / part / name) for name in classes[part]}
        except OSError as error:
            raise DataError(f"{directory / part} cannot be read: {error}") from error
        pictures[part] = [(file.path, name) for name in classes[part] for file in files[name]]
        for name in classes[part]:
            lines = [f"{part}/{name}/{file.name}\0{file.size}\0{file.changed}\n" for file in files[name]]
            digest.update(os.fsencode("".join(lines)))
    _check_same_classes(directory, classes)
    return Listing(classes=tuple(classes["train"]), pictures=pictures, digest=digest.hexdigest())


def _class_names(part: Path) -> list[str]:
    with os.scandir(part) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{part} has no folders, expected one a class")
    return names


class _File(NamedTuple):
    name: str
    path: str
    size: int
    changed: int  # nanoseconds


def _files(folder: Path) -> list[_File]:
    """The pictures in one class's folder, sorted by name."""
    with os.scandir(folder) as entries:
        chosen = [(e, e.stat()) for e in entries if e.name.lower().endswith(ENDINGS) and not e.name.startswith(".")]
    if not chosen:
        raise DataError(f"{folder} is empty, expected pictures ({', '.join(ENDINGS)})")
    return sorted(_File(entry.name, entry.path, status.st_size, status.st_mtime_ns) for entry, status in chosen)


def _check_same_classes(directory: Path, classes: dict[str, list[str]]) -> None:
    for part, other in (PARTS, PARTS[::-1]):
        if alone := sorted(set(classes[part]) - set(classes[other])):
            raise DataError(f"{directory}: the class {alone[0]} is in {part} but not in {other}")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
