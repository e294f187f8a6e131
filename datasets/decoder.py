"""Decode image files of any size (JPEG, PNG, WebP, BMP, GIF, TIFF) to arrays of one size, with several threads.

Shapes  result (n, 3, H, W) uint8, in the order of the names
Of an animation only the first frame is decoded. The EXIF orientation is applied. datasets/colours.py converts to RGB.
An image that cannot be decoded is bad: it is an error, or it is listed and decoded as black.
Raises DataError for bad images and, if all images must have one size, for the first image of another size.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from datasets.colours import to_rgb
from datasets.dataset import DataError
from datasets.prefetch import prefetch

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# The contents decide, not the name: a file named .jpg could hold PostScript, for which Pillow would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# Pillow raises these for damaged files, depending on where the damage is.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error),
    *(OverflowError, Image.DecompressionBombError),
)
# Not ImageOps.exif_transpose: it also rewrites the other EXIF tags, and fails for invalid ones.
_EXIF_ORIENTATION = 274
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# For small images most of the time is Python's own work, which runs in one thread at a time: on two cores two threads
# took 1.4 times as long as one for 32x32, 0.9 times for 128x128, 0.6 times for 224x224.
_MIN_PIXELS_FOR_THREADS = 128 * 128  # of an image's file
_PIXELS_PER_TASK = 1 << 20  # of decoded images
_MAX_IMAGES_PER_TASK = 256
_MAX_LISTED = 5  # bad images in an error message


class BadImagesError(DataError):
    """Images that cannot be decoded. The message has their number, and the causes of the first ones."""


class _BadImageError(ValueError):
    """One image that cannot be decoded. The message has its name and the cause."""


class Decoder:
    """The images `names`, decoded batch by batch, any number of times.

    names     at least one; the name of an image in messages
    read      returns the encoded bytes of a name
    size      N: each image becomes N x N. 0: all images must have one size
    fit       for a size N. "crop": scale the shorter side to N and keep the middle. "stretch": scale both sides to N
    skip      True: bad images are black and listed in `bad`. False: they raise BadImagesError after the last batch
    shape     (3, H, W) that all images must have if size is 0; default: the shape of the first image
    progress  whether to show a progress bar
    label     text before the progress bar

    Attributes  shape (n, 3, H, W); bad, after batches(): the index of each bad image, and what is wrong with it
    """

    def __init__(
        self,
        names: Sequence[str],
        read: Callable[[str], bytes],
        size: int = 0,
        fit: str = "crop",
        skip: bool = False,
        shape: Sequence[int] | None = None,
        progress: bool = True,
        label: str = "images",
    ) -> None:
        self._names, self._read, self._size, self._fit, self._skip = names, read, size, fit, skip
        self._progress, self._label = progress, label
        self.bad: dict[int, str] = {}
        self._first, pixels, (width, height) = self._first_good()
        self._workers = os.cpu_count() if pixels >= _MIN_PIXELS_FOR_THREADS else 1
        if not size and shape is not None:
            self._first = None
            height, width = shape[1:]
        self.shape = (len(names), 3, height, width)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images in order, in batches (some, 3, H, W) uint8."""
        n, _, height, width = self.shape
        step = max(1, min(_MAX_IMAGES_PER_TASK, _PIXELS_PER_TASK // (width * height)))
        calls = (partial(self._decode_batch, range(i, min(i + step, n))) for i in range(0, n, step))
        self.bad.clear()
        with tqdm(desc=self._label, total=n, unit=" images", disable=not self._progress) as bar:
            for images, bad in prefetch(calls, self._workers):
                self.bad |= bad
                yield images
                bar.update(len(images))
        if self.bad and not self._skip:
            raise self._error()

    def all(self) -> np.ndarray:
        """Return all images as one array."""
        try:
            images = np.empty(self.shape, dtype=np.uint8)
        except MemoryError as error:
            n, _, height, width = self.shape
            raise DataError(f"{n} images of {width}x{height}: {error}") from error
        start = 0
        for batch in self.batches():
            images[start : start + len(batch)] = batch
            start += len(batch)
        return images

    def _first_good(self) -> tuple[str, int, tuple[int, int]]:
        """Return the name of the first good image, the pixels of its file, and its (width, height) when decoded."""
        for index, name in enumerate(self._names):
            try:
                pixels, image = self._decode(name)
                return name, pixels, image.size
            except _BadImageError as bad:
                self.bad[index] = str(bad)
        raise self._error()

    def _decode_batch(self, indices: range) -> tuple[np.ndarray, dict[int, str]]:
        """Return the images with these indices, and what is wrong with the bad ones."""
        _, _, height, width = self.shape
        # Pasted into one tall image: an array for each image takes a tenth longer.
        sheet = Image.new("RGB", (width, height * len(indices)))
        bad = {}
        for place, index in enumerate(indices):
            name = self._names[index]
            try:
                _, image = self._decode(name)
            except _BadImageError as error:
                bad[index] = str(error)
                continue
            if image.size != (width, height):
                raise DataError(
                    f"{name} is {image.width}x{image.height}, expected {width}x{height}"
                    + (f" as {self._first} is; data.size = N makes all images N x N" if self._first else "")
                )
            sheet.paste(image, (0, place * height))
        images = np.asarray(sheet).reshape(len(indices), height, width, 3)
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), bad

    def _decode(self, name: str) -> tuple[int, Image.Image]:
        """Return the number of pixels of the file, and its image: RGB, upright, scaled to the requested size."""
        try:
            with Image.open(io.BytesIO(self._read(name)), formats=_FORMATS) as image:
                pixels = image.width * image.height
                if self._size:
                    # Pillow can decode a JPEG at 1/2, 1/4 or 1/8 of its size, here to at least twice the size needed.
                    image.draft(None, (2 * self._size, 2 * self._size))
                image.load()
                transpose = _TRANSPOSE.get(image.getexif().get(_EXIF_ORIENTATION))
                result = self._scaled(to_rgb(image))
                return pixels, result if transpose is None else result.transpose(transpose)
        except Image.UnidentifiedImageError:
            raise _BadImageError(f"{name} cannot be read: its format is not one of {', '.join(_FORMATS)}") from None
        except _DAMAGED as error:
            raise _BadImageError(f"{name} cannot be read: {' '.join(str(error).split())}") from error

    def _scaled(self, image: Image.Image) -> Image.Image:
        size = (self._size, self._size)
        if not self._size or image.size == size:
            return image
        if self._fit == "crop":
            return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
        return image.resize(size, Image.Resampling.BICUBIC)

    def _error(self) -> BadImagesError:
        listed = list(self.bad.values())[:_MAX_LISTED]
        more = [f"and {len(self.bad) - _MAX_LISTED} more"] if len(self.bad) > _MAX_LISTED else []
        head = f"{len(self.bad)} of {len(self._names)} images are bad: " if len(self.bad) > 1 else ""
        return BadImagesError(head + "; ".join(listed + more))
