"""Mean and deviation of each colour channel, exactly: from sums of integers.

Source  var = E[x^2] - E[x]^2; in integers no digit is lost by the subtraction
"""

import math

import numpy as np

from datasets.dataset import Images
from datasets.picture_file import PictureFile

_PIECE = 1024  # pictures at a time, so that the squares of a large set need little memory


def picture_sums(images: np.ndarray) -> np.ndarray:
    """(n, 2, C) int64: of each channel of each picture of `images` (n, C, H, W) uint8 the sum, and that of squares."""
    sums = np.empty((len(images), 2, images.shape[1]), np.int64)
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE].astype(np.uint16)
        sums[start : start + _PIECE, 0] = piece.sum(axis=(2, 3), dtype=np.int64)
        np.multiply(piece, piece, out=piece)  # 255 * 255 just fits uint16
        sums[start : start + _PIECE, 1] = piece.sum(axis=(2, 3), dtype=np.int64)
    return sums


def channel_statistics(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """(mean, std) of each channel, float64 (C,), of the values of `images` (n, C, H, W) uint8 scaled to 0..1.

    std is that of the whole set (divided by n). Exact but for the last divisions. A PictureFile has its sums with it.
    """
    sums = images.sums if isinstance(images, PictureFile) else picture_sums(images)
    # Python's integers: the products below leave 64 bits.
    total, squares = sums.sum(axis=0).tolist()
    count = len(images) * images.shape[2] * images.shape[3]
    mean = [a / count / 255 for a in total]
    std = [math.sqrt(count * b - a * a) / count / 255 for a, b in zip(total, squares, strict=True)]
    return np.array(mean), np.array(std)
