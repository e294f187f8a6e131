"""Pictures that lie on a GPU, of which one kernel makes each minibatch there: an epoch copies its choices alone.

Shapes, dtypes and the formula are those of tinyfft/spatial/minibatch.py.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from datasets.dataset import Images
from tinyfft.backend import Array, Device
from tinyfft.spatial.minibatch import minibatch

UPLOAD_BYTES = 64 << 20  # pictures of a file that the host holds at a time


class Resident:
    """The pictures with the numbers `chosen` and their labels on the device, in that order.

    factor, offset  (C,) of the dtype of input: value factor + offset is the normalised value
    cutout          the side of the square that is left out, in pixels
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
        together = max(1, UPLOAD_BYTES // math.prod(images.shape[1:]))
        for start in range(0, len(chosen), together):
            part = slice(start, start + together)
            self.images[part] = device.array(images[chosen[part]])
        self.labels = device.array(labels[chosen].astype(np.int64))
        self.factor, self.offset = device.array(factor), device.array(offset)

    def batches(self, parts: Sequence[slice], choices: np.ndarray) -> Iterator[tuple[Array, Array]]:
        """(input, target) of each of the parts of an epoch with the `choices` (n, 6), which are copied once."""
        choices = self.device.array(choices.astype(np.int32))
        for part in parts:
            yield minibatch(self.images, self.labels, choices[part], self.factor, self.offset, self.cutout, self.device)
