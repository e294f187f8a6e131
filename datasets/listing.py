"""What lies in a folder of pictures: classes and files, found without opening one picture.

    FOLDER/train/CLASS/**    FOLDER/test/CLASS/**     where there is no test, a folder val is taken for it
    FOLDER/train/CLASS/**    or    FOLDER/CLASS/**    none to test with

Pictures may lie at any depth below the folder of their class. The names of the classes are those of the folders,
sorted. Pictures are taken in the order of their names. Hidden files and folders and other endings are passed over. The
folder of a class may be a link, as pictures may; below it linked folders are not entered, since they can lead in a
circle.
Raises DataError when a folder is missing, has no pictures, or the classes of train and test differ.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.dataset import DataError
from datasets.pictures import ENDINGS

PARTS = ("train", "test")


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    pictures  of each part a list of (path, class name), empty for test where there is none
    digest    another one when any file is
    unused    folders beside train of which nothing is taken
    """

    classes: tuple[str, ...]
    pictures: dict[str, list[tuple[str, str]]]
    digest: str
    unused: tuple[str, ...]


def list_folder(directory: str | Path) -> Listing:
    """Classes and pictures under `directory`."""
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder" if directory.exists() else f"{directory} does not exist")
    roots = _roots(directory)
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
        _check_same_classes(directory, roots, classes)
    if roots["train"] == directory and len(classes["train"]) == 1:  # the folder above the right one, most likely
        raise DataError(f"{directory} has one folder, {classes['train'][0]}, expected one for each of several classes")
    unused = () if roots["train"] == directory else _class_names(directory)
    unused = tuple(name for name in unused if directory / name not in roots.values())
    return Listing(tuple(classes["train"]), pictures, digest.hexdigest(), unused)


def _roots(directory: Path) -> dict[str, Path]:
    """The folder of each part."""
    found = {name: directory / name for name in (*PARTS, "val") if (directory / name).is_dir()}
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


def _check_same_classes(directory: Path, roots: dict[str, Path], classes: dict[str, list[str]]) -> None:
    for part, other in (PARTS, PARTS[::-1]):
        if alone := sorted(set(classes[part]) - set(classes[other])):
            raise DataError(
                f"{directory}: the class {alone[0]} is in {roots[part].name} but not in {roots[other].name}"
            )
