"""List the classes and image files of a folder, without opening an image.

    FOLDER/train/CLASS/**    FOLDER/test/CLASS/**     without a folder test, the folder val takes its role
    FOLDER/train/CLASS/**    or    FOLDER/CLASS/**    no test images

Images may be at any depth below the folder of their class. Each class is named like its folder. Classes and images are
sorted by name. Hidden files, hidden folders and files with other extensions are ignored. The folder of a class may be a
symbolic link, and so may an image; linked folders below a class are ignored, because they can form a cycle.
Raises DataError if a folder is missing or has no images, or if the classes of train and test differ.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.dataset import DataError
from datasets.decoder import EXTENSIONS

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Listing:
    """The contents of a folder.

    classes  the name of each class, sorted
    images   of each split, a list of (path, class name); the list of "test" is empty if there are no test images
    digest   a hash that changes when a file changes
    unused   the folders beside train whose images are not used
    """

    classes: tuple[str, ...]
    images: dict[str, list[tuple[str, str]]]
    digest: str
    unused: tuple[str, ...]


def list_folder(directory: str | Path) -> Listing:
    """Return the classes and images below `directory`."""
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder" if directory.exists() else f"{directory} does not exist")
    roots = _roots(directory)
    digest = hashlib.sha256()
    classes: dict[str, list[str]] = {}
    images: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for split, root in roots.items():
        try:
            classes[split] = _class_names(root)
            for name in classes[split]:
                for path, line in _files(root / name):
                    images[split].append((path, name))
                    digest.update(os.fsencode(f"{split}/{name}{line}\n"))
        except OSError as error:
            raise DataError(f"{root} cannot be read: {error}") from error
    if "test" in roots:
        _check_same_classes(directory, roots, classes)
    if roots["train"] == directory and len(classes["train"]) == 1:  # most likely the parent of the right folder
        raise DataError(f"{directory} has one folder, {classes['train'][0]}, expected one for each of several classes")
    unused = () if roots["train"] == directory else _class_names(directory)
    unused = tuple(name for name in unused if directory / name not in roots.values())
    return Listing(tuple(classes["train"]), images, digest.hexdigest(), unused)


def _roots(directory: Path) -> dict[str, Path]:
    """Return the folder of each split."""
    found = {name: directory / name for name in (*SPLITS, "val") if (directory / name).is_dir()}
    if "train" in found:
        test = found.get("test", found.get("val"))
        return {"train": found["train"]} | ({"test": test} if test else {})
    if "test" in found:
        raise DataError(f"{directory} has a folder test but no folder train, expected both or train alone")
    return {"train": directory}


def _class_names(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{root} has no folders, expected one for each class")
    return names


def _files(folder: Path) -> list[tuple[str, str]]:
    """Return the sorted (path, line) of each image of a class; the line changes when the file changes."""
    found = []
    for entry in _walk(folder):
        status, below = entry.stat(), entry.path[len(str(folder)) :]
        found.append((entry.path, f"{below}\0{status.st_size}\0{status.st_mtime_ns}"))
    if not found:
        raise DataError(f"{folder} has no images ({', '.join(EXTENSIONS)})")
    return sorted(found)


def _walk(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield the images at any depth."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if not entry.is_symlink():
                    yield from _walk(entry.path)
            elif entry.name.lower().endswith(EXTENSIONS):
                yield entry


def _check_same_classes(directory: Path, roots: dict[str, Path], classes: dict[str, list[str]]) -> None:
    for split, other in (SPLITS, SPLITS[::-1]):
        if alone := sorted(set(classes[split]) - set(classes[other])):
            raise DataError(
                f"{directory}: the class {alone[0]} is in {roots[split].name} but not in {roots[other].name}"
            )
