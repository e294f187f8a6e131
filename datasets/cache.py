"""Cache of decoded images on disk: the next start decodes nothing, and memory never holds all images.

Each source has one file in `cache_directory()`, in NumPy's formats: the images, as numpy.save writes them (so that
numpy.load(path, mmap_mode="r") opens them), followed by the labels and other small arrays, as numpy.savez writes them.
The small arrays are read at once, without pickle; the .npz format has a checksum for each of them. Images are read
later, one by one: `checksums` has the CRC-32 of each image, and `offset` says where the first image begins.
A file that is damaged, or made from another version of the source, is replaced.
When the cache cannot be written, training works without it and one warning goes to stderr.
"""

import hashlib
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from datasets.collection import Collection
from datasets.dataset import DataError
from datasets.image_file import ImageFile
from datasets.statistics import image_sums
from tinyfft.files import cache_folder, replacing

_FORMAT = "3"  # part of every fingerprint: raise it when the contents of the file change
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def cache_directory() -> Path:
    """Return the folder of downloads and decoded images, files.cache_folder(). Raises DataError if there is none."""
    try:
        return cache_folder()
    except RuntimeError:
        raise DataError("there is no home folder to keep data in; set TINYFFT_CACHE to a folder") from None


def cached(source: str, fingerprint: str, make: Callable[[], Collection]) -> Collection:
    """Return the collection of `source` from the cache, or else call `make` and put its collection into the cache.

    source       where the data come from; each source has one file in the cache
    fingerprint  any text that changes when the data change
    make         returns the collection when the cache has none with this fingerprint
    The images of the result are an ImageFile, or an array if the cache cannot be written.
    """
    fingerprint = f"{_FORMAT} {source} {fingerprint}"
    try:
        path = cache_directory() / _file_name(source)
    except DataError as error:
        _warn(str(error))
        return make().in_memory()
    if kept := _read(path, path, fingerprint):
        return kept
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".npz").unlink(missing_ok=True)  # the cache file of version 0.1 for the same source
        with replacing(path) as temporary:
            _write(temporary, fingerprint, made)
            kept = _read(temporary, path, fingerprint)
    except OSError as error:
        _warn(f"decoded images cannot be kept in {path.parent}: {error}")
    return kept or made.in_memory()


def _file_name(source: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", os.path.basename(source))[:40]
    return f"{readable}-{hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}.npy"


def _read(file_name: Path, path: Path, fingerprint: str) -> Collection | None:
    """Return the collection in a file, or None if the file is missing, damaged or has another fingerprint.

    path  the name of the file in messages
    """
    try:
        with open(file_name, "rb") as file, NpzFile(file, allow_pickle=False) as kept:
            if bytes(kept["fingerprint"]) != os.fsencode(fingerprint):
                return None
            # A copy of the descriptor, because another process may replace the file of this name at any time.
            layout = int(kept["offset"]), tuple(kept["shape"].tolist()), kept["checksums"], kept["sums"]
            return Collection(
                name=str(kept["name"]),
                classes=tuple(kept["classes"].tolist()),
                labels=kept["labels"],
                train_count=int(kept["train_count"]),
                images=ImageFile(os.dup(file.fileno()), path, *layout),
                bad=dict(zip(kept["bad"].tolist(), kept["causes"].tolist(), strict=True)),
            )
    except _DAMAGED:
        return None


def _write(file_name: Path, fingerprint: str, made: Collection) -> None:
    shape = n, channels, _, _ = made.images.shape
    checksums, sums = np.empty(n, np.uint32), np.empty((n, 2, channels), np.int64)
    with open(file_name, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        offset, start = file.tell(), 0
        for images in made.batches():
            file.write(images)
            end = start + len(images)
            checksums[start:end] = [zlib.crc32(image) for image in images]
            sums[start:end] = image_sums(images)
            start = end
        np.savez(
            file,
            fingerprint=np.frombuffer(os.fsencode(fingerprint), np.uint8),
            name=made.name,
            classes=made.classes,
            labels=made.labels,
            train_count=made.train_count,
            offset=offset,
            shape=shape,
            checksums=checksums,
            sums=sums,
            bad=np.array([*made.bad], np.int64),
            causes=np.array([*made.bad.values()], np.str_),
        )


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
