"""Decoded pictures that stay in a file, and are read when they are asked for: memory holds those alone.

    images = PictureFile(descriptor, path, offset, shape, checksums, sums)
    images[[3, 1, 2]]           # (3, C, H, W) uint8, read and checked
    images.part(rows)           # those pictures of the file as another such object; nothing is read

Read with preadv, not mapped: pages of a mapped file count as memory of the process. Any number of threads may read.
Raises DataError, naming the file, when a picture is not the one that was written.
"""

import copy
import os
import weakref
import zlib
from itertools import pairwise

import numpy as np

from datasets.dataset import DataError


class PictureFile:
    """Pictures (n, C, H, W) uint8, one behind the other in a file; indexed as an array is along its first axis.

    descriptor  of the open file, which is closed when the last part of it is gone
    path        its name in messages
    offset      where the first picture begins, in bytes
    checksums   (n,) uint32, the CRC-32 of each picture
    sums        (n, 2, C) int64, as datasets/statistics.py defines them
    Raises DataError if the file is shorter than its pictures or the arrays have other lengths.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        descriptor: int,
        path: str | os.PathLike[str],
        offset: int,
        shape: tuple[int, int, int, int],
        checksums: np.ndarray,
        sums: np.ndarray,
    ) -> None:
        self._file = _Descriptor(descriptor)
        self._path, self._offset, self._checksums, self._sums = path, offset, checksums, sums
        self._picture = shape[1:]
        self._bytes = int(np.prod(self._picture))
        self._rows = np.arange(shape[0])
        end = offset + shape[0] * self._bytes
        if os.fstat(descriptor).st_size < end:
            raise DataError(f"{path} has {os.fstat(descriptor).st_size} bytes, expected at least {end}")
        if checksums.shape != shape[:1] or sums.shape != (shape[0], 2, shape[1]):
            raise DataError(f"{path}: checksums {checksums.shape} and sums {sums.shape} do not fit pictures {shape}")

    def part(self, rows: np.ndarray) -> "PictureFile":
        """The pictures with the numbers `rows`, in that order."""
        result = copy.copy(self)
        result._rows = self._rows[rows]
        return result

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self._rows), *self._picture)

    @property
    def sums(self) -> np.ndarray:
        """(n, 2, C) int64: of each channel of each picture the sum, and that of squares."""
        return self._sums[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        """A new array with the pictures that `index`, of one axis, chooses."""
        rows = self._rows[index]
        return self._read(rows.ravel()).reshape(*rows.shape, *self._picture)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), bytes of a picture)."""
        result = np.empty((len(rows), self._bytes), np.uint8)
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()  # pictures in a row are read in one call
        for start, stop in pairwise([*starts, len(rows)]):
            self._fill(result[start:stop], self._offset + int(rows[start]) * self._bytes)
        found = np.fromiter(map(zlib.crc32, result), np.uint32, len(rows))
        wrong = np.flatnonzero(found != self._checksums[rows])
        if len(wrong):
            raise self._damaged(f"picture {rows[wrong[0]]} is not what was written")
        return result

    def _fill(self, pictures: np.ndarray, offset: int) -> None:
        done = 0
        while done < pictures.nbytes:  # the system may read less than it is asked for
            buffer = pictures.reshape(-1)[done:] if done else pictures
            try:
                count = os.preadv(self._file.number, [buffer], offset + done)
            except OSError as error:
                raise self._damaged(error.strerror) from error
            if not count:
                raise self._damaged(f"it ends at byte {offset + done}")
            done += count

    def _damaged(self, cause: str) -> DataError:
        return DataError(f"{self._path} is damaged ({cause}): remove it, and the pictures are decoded anew")


class _Descriptor:
    """An open file, closed with the last reference to it."""

    def __init__(self, number: int) -> None:
        self.number = number
        weakref.finalize(self, os.close, number)
