"""Images that reside on a GPU: they are copied there once, and one kernel makes each minibatch from them.

An epoch copies only its random choices to the GPU. datasets/augment.py has the formula, shapes and dtypes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from datasets.augment import minibatch
from datasets.dataset import Images
from tinyfft.backend import Array, Device

MAX_RESIDENT_BYTES = 2 << 30  # the kernel's index of an image, and of a value in it, is a signed 32-bit integer
UPLOAD_BYTES = 64 << 20  # images of a file are copied in pieces of this size


def may_reside(nbytes: int, device: Device) -> bool:
    """Return whether images of this many bytes are kept on the device: a GPU with four times as much free memory."""
    return device.kind == "cuda" and nbytes <= min(MAX_RESIDENT_BYTES, device.free_bytes // 4)


class ResidentImages:
    """Copies of the chosen images and labels on a GPU.

    images   (n, C, H, W) uint8, on the host
    labels   (n,) integers, on the host
    chosen   indices of the images to copy, in this order
    factor   (C,) of the input's dtype
    offset   (C,) of the input's dtype: value factor + offset is the normalised value
    cutout   side of the square that is cut out, in pixels; 0 for none
    device   the GPU
    """

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        chosen: np.ndarray,
        factor: np.ndarray,
        offset: np.ndarray,
        cutout: int,
        device: Device,
    ) -> None:
        self.device, self.cutout = device, cutout
        self.images = device.empty((len(chosen), *images.shape[1:]), np.uint8)
        step = max(1, UPLOAD_BYTES // math.prod(images.shape[1:]))
        for start in range(0, len(chosen), step):
            piece = slice(start, start + step)
            self.images[piece] = device.array(images[chosen[piece]])
        self.labels = device.array(labels[chosen].astype(np.int64))
        self.factor, self.offset = device.array(factor), device.array(offset)

    def minibatches(
        self, slices: Sequence[slice], order: np.ndarray, choices: np.ndarray
    ) -> Iterator[tuple[Array, Array]]:
        """Yield the (input, target) of each minibatch of an epoch.

        slices   the part of the epoch that each minibatch takes
        order    (n,), the index of each image of the epoch among the chosen images
        choices  (n, 5), the random choices for each image of the epoch
        """
        choices = self.device.array(np.column_stack((order, choices)).astype(np.int32))
        for part in slices:
            yield minibatch(self.images, self.labels, choices[part], self.factor, self.offset, self.cutout, self.device)
