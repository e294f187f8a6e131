"""Decoded pictures kept in a file, so that the second start does not decode them again, nor memory hold them all.

One .npz file a source, in `cache_directory()`. It holds the source's fingerprint: when that has changed the file is
made again, under the same name, so that old versions do not pile up. Its first array, `images`, is written batch by
batch as pictures are decoded, and stays where it is: `offset` says where it begins, and each picture has a checksum
that is looked at when it is read. The other arrays are read at once, without pickle; the checksums of the .npz format
tell whether they are whole, and a broken file is made again.
A cache that cannot be written costs time and memory, not results: one warning line on stderr.
"""

import hashlib
import os
import re
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasets.collection import Collection
from datasets.dataset import DataError
from datasets.picture_file import PictureFile
from datasets.pictures import Decoder
from datasets.statistics import picture_sums
from tinyfft.files import cache_folder

_FORMAT = "2"  # part of every fingerprint: raise it when what is kept changes
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def cache_directory() -> Path:
    """Where downloads and arrays are kept: files.cache_folder(). Raises DataError when there is no such place."""
    try:
        return cache_folder()
    except RuntimeError:
        raise DataError("there is no home folder to keep data in; set TINYFFT_CACHE to a folder") from None


def cached(source: str, fingerprint: str, make: Callable[[], Collection]) -> Collection:
    """The pictures kept for `source` if their fingerprint is this one, else those of `make()`, which are then kept.

    source       where the data come from: one file is kept for each
    fingerprint  any text that changes when the data do
    Returns pictures in a file; in memory where none can be written.
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
        return _write(path, fingerprint, made)
    except OSError as error:
        _warn(f"decoded pictures cannot be kept in {path.parent}: {error}")
    return made.in_memory()


def _file_name(source: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", os.path.basename(source))[:40]
    return f"{readable}-{hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}.npz"


def _read(file_name: str | Path, path: Path, fingerprint: str) -> Collection | None:
    """The pictures in the file, or None when there is none, it is broken or it has another fingerprint.

    path  its name in messages: the one that the file has or will have
    """
    try:
        # Opened here: np.load leaves a file open that is no whole archive.
        with open(file_name, "rb") as file, np.load(file, allow_pickle=False) as kept:
            if bytes(kept["fingerprint"]) != os.fsencode(fingerprint):
                return None
            # The same open file, not its name: another process may put another file there at any time.
            layout = int(kept["offset"]), tuple(kept["shape"].tolist()), kept["checksums"], kept["sums"]
            return Collection(
                name=str(kept["name"]),
                classes=tuple(kept["classes"].tolist()),
                labels=kept["labels"],
                train=int(kept["train"]),
                images=PictureFile(os.dup(file.fileno()), path, *layout),
                bad=dict(zip(kept["bad"].tolist(), kept["causes"].tolist(), strict=True)),
            )
    except _BROKEN:
        return None


def _write(path: Path, fingerprint: str, made: Collection) -> Collection:
    """Keep the pictures under `path`; returns them as they are read from there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, so that two processes do not write into one file; whoever is last wins.
    handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            arrays = _write_images(file, archive, made)
            bad = made.images.bad if isinstance(made.images, Decoder) else made.bad
            arrays |= {
                "fingerprint": np.frombuffer(os.fsencode(fingerprint), dtype=np.uint8),
                "name": np.array(made.name),
                "classes": np.array(made.classes),
                "labels": made.labels,
                "train": np.array(made.train),
                "bad": np.array([*bad], np.int64),
                "causes": np.array([*bad.values()], np.str_),
            }
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        kept = _read(temporary, path, fingerprint)
        if kept is None:
            raise OSError(f"{path.name} does not read as it was written")
        os.replace(temporary, path)
        return kept
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _write_images(file: BinaryIO, archive: zipfile.ZipFile, made: Collection) -> dict[str, np.ndarray]:
    """Write the member images.npy, uncompressed; returns the arrays with which its pictures are found and checked."""
    shape = made.images.shape
    checksums, sums = np.empty(shape[0], np.uint32), np.empty((shape[0], 2, shape[1]), np.int64)
    with archive.open("images.npy", "w", force_zip64=True) as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        offset = file.tell()
        start = 0
        for batch in made.batches():
            sums[start : start + len(batch)] = picture_sums(batch)
            checksums[start : start + len(batch)] = [zlib.crc32(picture) for picture in batch]
            member.write(batch)
            start += len(batch)
    return {"offset": np.array(offset), "shape": np.array(shape), "checksums": checksums, "sums": sums}


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
