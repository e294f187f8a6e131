"""Encoded pictures of any size (JPEG, PNG, WebP, BMP, GIF, TIFF) -> arrays of one size, decoded by several threads.

Shapes  result (n, 3, H, W) uint8, in the order of the names
Of an animation the first picture is taken; a picture is turned as its EXIF orientation says; colours become RGB as
datasets/colours.py says. A picture that cannot be decoded is bad: it is refused, or listed and left black.
Raises DataError for bad pictures, and where all must have one size for the first that has another.
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

from datasets.ahead import ahead
from datasets.colours import to_rgb
from datasets.dataset import DataError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Other formats stay shut: Pillow would start Ghostscript for one, and a name that ends in .jpg says nothing.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# What Pillow raises for damaged files, depending on where the damage is.
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error),
    *(OverflowError, Image.DecompressionBombError),
)
# What the EXIF tag 274 asks for. ImageOps.exif_transpose also writes the other tags anew, and fails for odd ones.
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Of small pictures Python's own work is most, which only one thread at a time can do: on two cores two threads took
# 1.4 times as long as one for 32x32, 0.9 times for 128x128, 0.6 times for 224x224.
_THREADS_FROM = 128 * 128  # pixels a picture
_SHEET = 1 << 20  # pixels decoded by one task
_LISTED = 5  # bad pictures in an error


class BadPicturesError(DataError):
    """Pictures that cannot be decoded: how many, and the first ones with their causes."""


class _Bad(ValueError):
    """What is wrong with one picture, and its name."""


class Decoder:
    """The pictures `names` as batches of arrays, any number of times.

    names     at least one; the name of a picture in messages
    read      name -> its encoded bytes
    size      N: each picture becomes N x N. 0: all must have one size
    fit       of a size: "crop": the shorter side is scaled to N and the middle cut out; "stretch": both sides are
    skip      bad pictures are black, and listed in `bad`; else they raise BadPicturesError when all have been tried
    shape     (3, H, W) that they must have where size is 0; default: that of the first
    progress  show a bar, with `label` before it

    Attributes  shape (n, 3, H, W), and after batches() `bad`: the number of each bad picture and what is wrong with it
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
        label: str = "pictures",
    ) -> None:
        self._names, self._read, self._size, self._fit, self._skip = names, read, size, fit, skip
        self._progress, self._label = progress, label
        self.bad: dict[int, str] = {}
        self._first, pixels, (width, height) = self._first_good()
        self._workers = os.cpu_count() if pixels >= _THREADS_FROM else 1
        if not size and shape is not None:
            self._first = None
            height, width = shape[1:]
        self.shape = (len(names), 3, height, width)

    def batches(self) -> Iterator[np.ndarray]:
        """All pictures in order, (some, 3, H, W) uint8 at a time."""
        n, _, height, width = self.shape
        step = max(1, min(256, _SHEET // (width * height)))
        calls = (partial(self._decode, range(i, min(i + step, n))) for i in range(0, n, step))
        self.bad.clear()
        with tqdm(desc=self._label, total=n, unit=" pictures", disable=not self._progress) as bar:
            for images, bad in ahead(calls, self._workers):
                self.bad |= bad
                yield images
                bar.update(len(images))
        if self.bad and not self._skip:
            raise self._refusal()

    def all(self) -> np.ndarray:
        """All pictures as one array."""
        try:
            images = np.empty(self.shape, dtype=np.uint8)
        except MemoryError as error:
            n, _, height, width = self.shape
            raise DataError(f"{n} pictures of {width}x{height}: {error}") from error
        start = 0
        for batch in self.batches():
            images[start : start + len(batch)] = batch
            start += len(batch)
        return images

    def _first_good(self) -> tuple[str, int, tuple[int, int]]:
        """The first picture that can be decoded: its name, its pixels in the file, its (width, height) when decoded."""
        for number, name in enumerate(self._names):
            try:
                pixels, picture = self._picture(name)
                return name, pixels, picture.size
            except _Bad as bad:
                self.bad[number] = str(bad)
        raise self._refusal()

    def _decode(self, numbers: range) -> tuple[np.ndarray, dict[int, str]]:
        """The pictures with those numbers, and what is wrong with the bad ones."""
        _, _, height, width = self.shape
        # Pasted into one sheet: one array each takes a tenth longer.
        sheet = Image.new("RGB", (width, height * len(numbers)))
        bad = {}
        for index, number in enumerate(numbers):
            name = self._names[number]
            try:
                _, picture = self._picture(name)
            except _Bad as error:
                bad[number] = str(error)
                continue
            if picture.size != (width, height):
                raise DataError(
                    f"{name} is {picture.width}x{picture.height}, expected {width}x{height}"
                    + (f" as {self._first} is; data.size = N makes all pictures N x N" if self._first else "")
                )
            sheet.paste(picture, (0, index * height))
        images = np.asarray(sheet).reshape(len(numbers), height, width, 3)
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), bad

    def _picture(self, name: str) -> tuple[int, Image.Image]:
        """The pixels that the file has, and the picture decoded, in RGB, upright and of the size asked for."""
        try:
            with Image.open(io.BytesIO(self._read(name)), formats=_FORMATS) as picture:
                pixels = picture.width * picture.height
                if self._size:
                    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, here at no less than twice what is needed.
                    picture.draft(None, (2 * self._size, 2 * self._size))
                picture.load()
                turn = _TURNS.get(picture.getexif().get(_ORIENTATION))
                result = self._fitted(to_rgb(picture))
                return pixels, result if turn is None else result.transpose(turn)
        except Image.UnidentifiedImageError:
            raise _Bad(f"{name} cannot be read: it is no picture of the kinds {', '.join(_FORMATS)}") from None
        except _BROKEN as error:
            raise _Bad(f"{name} cannot be read: {' '.join(str(error).split())}") from error

    def _fitted(self, picture: Image.Image) -> Image.Image:
        size = (self._size, self._size)
        if not self._size or picture.size == size:
            return picture
        if self._fit == "crop":
            return ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
        return picture.resize(size, Image.Resampling.BICUBIC)

    def _refusal(self) -> BadPicturesError:
        listed = list(self.bad.values())[:_LISTED]
        more = [f"and {len(self.bad) - _LISTED} more"] if len(self.bad) > _LISTED else []
        head = f"{len(self.bad)} of {len(self._names)} pictures are bad: " if len(self.bad) > 1 else ""
        return BadPicturesError(head + "; ".join(listed + more))
