"""Mean and standard deviation of each colour channel, computed exactly from sums of integers.

Source  var = E[x^2] - E[x]^2; with integers the subtraction loses no digit
"""

import math

import numpy as np

from datasets.dataset import Images
from datasets.image_file import ImageFile

_BATCH = 1024  # images; the squares of all images of a large set would need much memory


def image_sums(images: np.ndarray) -> np.ndarray:
    """Return the sum of the values, and the sum of their squares, of each channel of each image: (n, 2, C) int64.

    images  (n, C, H, W) uint8
    """
    sums = np.empty((len(images), 2, images.shape[1]), np.int64)
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH].astype(np.uint16)
        sums[start : start + _BATCH, 0] = batch.sum(axis=(2, 3), dtype=np.int64)
        np.multiply(batch, batch, out=batch)  # 255 * 255 just fits uint16
        sums[start : start + _BATCH, 1] = batch.sum(axis=(2, 3), dtype=np.int64)
    return sums


def channel_statistics(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean, std) of each channel, float64 (C,), of the values scaled to 0..1.

    images  (n, C, H, W) uint8. An ImageFile has its sums already, and is not read
    std is the population's standard deviation (divided by n). Only the last divisions are rounded.
    """
    sums = images.sums if isinstance(images, ImageFile) else image_sums(images)
    # Python's integers: the products below need more than 64 bits.
    total, squares = sums.sum(axis=0).tolist()
    count = len(images) * images.shape[2] * images.shape[3]
    mean = [a / count / 255 for a in total]
    std = [math.sqrt(count * b - a * a) / count / 255 for a, b in zip(total, squares, strict=True)]
    return np.array(mean), np.array(std)
