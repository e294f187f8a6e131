"""Encoded pictures (JPEG, PNG) -> one array, decoded by several threads.

Shapes  result (n, 3, H, W) uint8, in the order of the names; every picture has the size of the first
Greyscale, palette and transparent pictures become RGB; transparency is dropped.
Raises DataError, naming the picture, when one cannot be read, is cut short, has another size or more than 8 bits.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from datasets.dataset import DataError

# Other formats stay shut: Pillow would start Ghostscript for one, and a name that ends in .jpg says nothing.
_FORMATS = ("JPEG", "PNG")
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# What Pillow raises for damaged files, depending on where the damage is.
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
# Of small pictures Python's own work is most, which only one thread at a time can do: on two cores two threads took
# 1.4 times as long as one for 32x32, 0.9 times for 128x128, 0.6 times for 224x224.
_THREADS_FROM = 128 * 128  # pixels a picture
_SHEET = 1 << 20  # pixels decoded by one task


def decode_pictures(
    names: Sequence[str],
    read: Callable[[str], bytes],
    progress: bool = True,
    label: str = "pictures",
    shape: Sequence[int] | None = None,
) -> np.ndarray:
    """All pictures as one array (n, 3, H, W) uint8.

    names     at least one; the name of a picture in messages
    read      name -> its encoded bytes
    progress  show a bar, with `label` before it
    shape     (3, H, W) that they must have; default: that of the first
    """
    with _opened(names[0], read) as first:
        width, height = first.size
    if shape is not None and tuple(shape) != (3, height, width):
        raise DataError(f"{names[0]} is {width}x{height}, expected {shape[2]}x{shape[1]}")
    try:
        images = np.empty((len(names), 3, height, width), dtype=np.uint8)
    except MemoryError as error:
        raise DataError(f"{len(names)} pictures of {width}x{height}, the size of {names[0]}: {error}") from error
    step = max(1, min(256, _SHEET // (width * height)))
    workers = os.cpu_count() if width * height >= _THREADS_FROM else 1
    bar = tqdm(desc=label, total=len(names), unit=" pictures", disable=not progress)
    with bar, ThreadPoolExecutor(workers) as pool:
        tasks = (
            partial(_decode_into, images[i : i + step], names[i : i + step], read, names[0])
            for i in range(0, len(names), step)
        )
        # map gives results in order, so that of several bad pictures always the first is named.
        for count in pool.map(lambda task: task(), tasks):
            bar.update(count)
    return images


def _decode_into(images: np.ndarray, names: Sequence[str], read: Callable[[str], bytes], first: str) -> int:
    """Decode the pictures `names` into `images`. Pasted into one sheet: one array each takes a tenth longer."""
    count, _, height, width = images.shape
    sheet = Image.new("RGB", (width, height * count))
    for index, name in enumerate(names):
        with _opened(name, read) as picture:
            if picture.size != (width, height):
                found = f"{picture.width}x{picture.height}"
                raise DataError(f"{name} is {found}, expected {width}x{height} as {first} is")
            sheet.paste(_to_rgb(name, picture), (0, index * height))
    images[:] = np.asarray(sheet).reshape(count, height, width, 3).transpose(0, 3, 1, 2)
    return count


@contextmanager
def _opened(name: str, read: Callable[[str], bytes]) -> Iterator[Image.Image]:
    """The picture, its pixels not yet decoded. What goes wrong in the block is told with its name."""
    try:
        with Image.open(io.BytesIO(read(name)), formats=_FORMATS) as picture:
            yield picture
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise DataError(f"{name} cannot be read: it is neither a JPEG nor a PNG picture") from None
    except _BROKEN as error:
        raise DataError(f"{name} cannot be read: {error}") from error


def _to_rgb(name: str, picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode not in _MODES:
        raise DataError(f"{name} has pixels of mode {picture.mode}, expected 8 bits a channel")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # Pillow warns when such a palette becomes RGB at once
    return picture.convert("RGB")
