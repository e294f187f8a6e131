"""Images in a file, read when they are indexed: memory holds only the images of the last reads.

    images = ImageFile(descriptor, path, offset, shape, checksums, sums)
    images[[3, 1, 2]]           # (3, C, H, W) uint8, read and checked
    images.subset(rows)         # another ImageFile with these images; nothing is read

The file is read with preadv, not mapped: the pages of a mapped file count as memory of the process.
Several threads may read at the same time.
"""

import copy
import math
import os
import weakref
import zlib

import numpy as np

from datasets.dataset import DataError


class ImageFile:
    """Images (n, C, H, W) uint8, contiguous in a file; indexed like an array, along the first axis only.

    descriptor  of the open file; closed when the last ImageFile that uses it is deleted
    path        name of the file in messages
    offset      where the first image begins, in bytes
    shape       (n, C, H, W)
    checksums   (n,) uint32, the CRC-32 of each image
    sums        (n, 2, C) int64, as datasets/statistics.py defines them
    Indexing raises DataError, naming the file, if an image cannot be read or its checksum is wrong.
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
        self._image_shape = shape[1:]
        self._rows = np.arange(shape[0])

    def subset(self, rows: np.ndarray) -> "ImageFile":
        """Return the images with the indices `rows`, in that order."""
        result = copy.copy(self)
        result._rows = self._rows[rows]
        return result

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self._rows), *self._image_shape)

    @property
    def sums(self) -> np.ndarray:
        """Of each channel of each image, the sum of the values and the sum of their squares: (n, 2, C) int64."""
        return self._sums[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        rows = self._rows[index]
        result = np.empty((*rows.shape, *self._image_shape), np.uint8)
        for image, row in zip(result.reshape(-1, math.prod(self._image_shape)), rows.ravel().tolist(), strict=True):
            self._read(row, image)
        return result

    def _read(self, row: int, image: np.ndarray) -> None:
        try:
            os.preadv(self._file.number, [image], self._offset + row * image.nbytes)
        except OSError as error:
            raise DataError(f"{self._path} cannot be read: {error.strerror}") from error
        if zlib.crc32(image) != self._checksums[row]:  # also if the file ends before the image does
            raise DataError(
                f"{self._path} is damaged (image {row} is not what was written): remove it, "
                "and the images are decoded again"
            )


class _Descriptor:
    """An open file, closed with the last reference to it."""

    def __init__(self, number: int) -> None:
        self.number = number
        weakref.finalize(self, os.close, number)
