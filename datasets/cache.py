"""Decoded pictures kept as arrays, so that the second start does not decode them again.

One .npz file a source, in `cache_directory()`. It holds the source's fingerprint: when that has changed the file is
made again, under the same name, so that old versions do not pile up. The arrays are read without pickle, and the
checksums of the .npz format tell whether the file is whole; a broken one is made again.
A cache that cannot be written costs time, not results: one warning line on stderr.
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
from dataclasses import fields
from pathlib import Path

import numpy as np

from datasets.dataset import DataError, Dataset

_FORMAT = "1"  # part of every fingerprint: raise it when what is kept changes
_ARRAYS = tuple(field.name for field in fields(Dataset) if field.name not in ("name", "classes"))
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def cache_directory() -> Path:
    """Where downloads and arrays are kept: TINYFFT_CACHE, else tinyfft in XDG_CACHE_HOME, else ~/.cache/tinyfft.

    Raises DataError when neither is set and the user has no home folder.
    """
    if chosen := os.environ.get("TINYFFT_CACHE"):
        return Path(chosen)
    # The XDG specification tells programs to ignore a relative path.
    if (xdg := os.environ.get("XDG_CACHE_HOME")) and os.path.isabs(xdg):
        return Path(xdg) / "tinyfft"
    try:
        return Path.home() / ".cache" / "tinyfft"
    except RuntimeError:
        raise DataError("there is no home folder to keep data in; set TINYFFT_CACHE to a folder") from None


def cached(source: str, fingerprint: str, make: Callable[[], Dataset]) -> Dataset:
    """The dataset kept for `source` if its fingerprint is this one, else `make()`, which is then kept.

    source       where the data come from: one file is kept for each
    fingerprint  any text that changes when the data do
    """
    fingerprint = f"{_FORMAT} {source} {fingerprint}"
    try:
        path = cache_directory() / _file_name(source)
    except DataError as error:
        _warn(str(error))
        return make()
    dataset = _read(path, fingerprint)
    if dataset is None:
        dataset = make()
        try:
            _write(path, fingerprint, dataset)
        except OSError as error:
            _warn(f"decoded pictures cannot be kept in {path.parent}: {error}")
    return dataset


def _file_name(source: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", os.path.basename(source))[:40]
    return f"{readable}-{hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}.npz"


def _read(path: Path, fingerprint: str) -> Dataset | None:
    """The dataset in the file, or None when there is none, it is broken or it has another fingerprint."""
    try:
        # Opened here: np.load leaves a file open that is no whole archive.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
            if bytes(kept["fingerprint"]) != os.fsencode(fingerprint):
                return None
            classes = tuple(str(name) for name in kept["classes"])
            return Dataset(name=str(kept["name"]), classes=classes, **{name: kept[name] for name in _ARRAYS})
    except _BROKEN:
        return None


def _write(path: Path, fingerprint: str, dataset: Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, so that two processes do not write into one file; whoever is last wins.
    handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            np.savez(
                file,
                fingerprint=np.frombuffer(os.fsencode(fingerprint), dtype=np.uint8),
                name=np.array(dataset.name),
                classes=np.array(dataset.classes),
                **{name: getattr(dataset, name) for name in _ARRAYS},
            )
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
