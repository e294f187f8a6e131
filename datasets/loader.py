"""Minibatches of an epoch: images in random order, normalised and, if requested, augmented.

    input    (value / 255 - mean[c]) / std[c], augmented as datasets/augment.py says. The zeros that it puts in are
             the mean colour
    target   the labels

Shapes  input (S, C, H, W), target (S,); S is batch_size, or less for the last minibatch of an epoch
Dtypes  images uint8, labels any integers; input `dtype`, target int64; input and target are on the device
Order and augmentation depend only on the seed and the epoch's number, not on batch_size, device or `workers`.
If the images fit on the GPU (datasets/resident.py), the first minibatch copies them there, and one kernel makes each
minibatch, with the bits that the host would give it. Else threads of the host prepare minibatches in advance.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from datasets.augment import augment, draw_choices
from datasets.dataset import Images
from datasets.prefetch import prefetch
from datasets.resident import ResidentImages, may_reside
from datasets.statistics import channel_statistics
from tinyfft.backend import Array, Device


class Loader:
    """Minibatches (input, target) on a device, one epoch at a time.

    images      (n, C, H, W) uint8: an array on the host, or an ImageFile
    labels      (n,) integers, the class of each image
    batch_size  images a minibatch
    device      where input and target are put
    shuffle     whether each epoch takes the images in another random order
    crop        largest shift, in pixels; 0 for none
    flip        whether each image is mirrored with probability 1/2
    seed        seed of order and augmentation
    dtype       "float32" or "float64", the dtype of input
    mean        (C,), the mean of each channel, of values scaled to 0..1; default: the mean of `images`. Test images
                need the mean and std of the training images
    std         (C,), the standard deviation, likewise. A channel whose std is 0 is only centred
    drop_last   whether the images of an epoch that do not fill a minibatch are left out
    workers     threads that prepare up to workers + 1 minibatches in advance; 0: each is made when it is requested.
                Without effect if the images are on the GPU
    chosen      indices of the images to use; default: all
    cutout      side of the square that is cut out of each image, in pixels; 0 for none
    Raises ValueError for arguments that do not fit.
    """

    def __init__(
        self,
        images: Images,
        labels: np.ndarray,
        batch_size: int,
        device: Device,
        shuffle: bool = False,
        crop: int = 0,
        flip: bool = False,
        seed: int = 0,
        dtype: str = "float32",
        mean: Sequence[float] | np.ndarray | None = None,
        std: Sequence[float] | np.ndarray | None = None,
        drop_last: bool = False,
        workers: int = 1,
        chosen: np.ndarray | None = None,
        cutout: int = 0,
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
            raise ValueError(
                f"Loader: images are {images.dtype} {images.shape}, expected uint8 (n, C, H, W), not empty"
            )
        if labels.shape != images.shape[:1]:
            raise ValueError(f"Loader: labels have the shape {labels.shape}, expected {images.shape[:1]}")
        limits = {"batch_size": batch_size, "crop": crop, "cutout": cutout, "seed": seed, "workers": workers}
        for name, value in limits.items():
            least = 1 if name == "batch_size" else 0
            if value < least:
                raise ValueError(f"Loader: {name} is {value}, expected at least {least}")
        self.chosen = np.arange(len(images)) if chosen is None else chosen
        if drop_last and len(self.chosen) < batch_size:
            raise ValueError(f"Loader: batch_size is {batch_size}, expected at most {len(self.chosen)} with drop_last")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"Loader: dtype is {dtype}, expected float32 or float64")
        if mean is None or std is None:
            own_mean, own_std = channel_statistics(images)
        self.mean = _per_channel("mean", own_mean if mean is None else mean, images.shape[1])
        self.std = _per_channel("std", own_std if std is None else std, images.shape[1])
        scale = 1 / np.where(self.std > 0, self.std, 1)
        self._factor, self._offset = (scale / 255).astype(dtype), (-self.mean * scale).astype(dtype)
        self.images, self.labels, self.batch_size, self.device = images, labels, batch_size, device
        self.shuffle, self.crop, self.flip, self.cutout = shuffle, crop, flip, cutout
        self.seed, self.drop_last, self.workers = seed, drop_last, workers

    def __len__(self) -> int:
        """Return the number of minibatches of an epoch."""
        whole, rest = divmod(len(self.chosen), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """Yield the minibatches of epoch `number`, starting with minibatch `first`. The caller owns the arrays."""
        for name, value in (("the epoch's number", number), ("the first minibatch", first)):
            if value < 0:
                raise ValueError(f"Loader: {name} is {value}, expected at least 0")
        return self._minibatches(np.random.default_rng([self.seed, number]), first)

    def _minibatches(self, rng: np.random.Generator, first: int) -> Iterator[tuple[Array, Array]]:
        n = len(self.chosen)
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        choices = draw_choices(rng, n, self.images.shape[2:], self.crop, self.flip)
        starts = range(first * self.batch_size, len(self) * self.batch_size, self.batch_size)
        slices = [slice(start, start + self.batch_size) for start in starts]
        if self._resident:
            yield from self._resident.minibatches(slices, order, choices)
            return
        calls = (partial(self._on_host, self.chosen[order[part]], choices[part]) for part in slices)
        for input, target in prefetch(calls, self.workers):
            # Copied by this thread, not by a worker: each thread has its own current GPU and stream.
            yield self.device.array(input), self.device.array(target)

    @cached_property
    def _resident(self) -> ResidentImages | None:
        """The images on the GPU, copied at the first use, or None if they stay on the host."""
        if not may_reside(len(self.chosen) * math.prod(self.images.shape[1:]), self.device):
            return None
        scaling = self._factor, self._offset
        return ResidentImages(self.images, self.labels, self.chosen, *scaling, self.cutout, self.device)

    def _on_host(self, rows: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (input, target) of the images with the indices `rows`, as new arrays of the host."""
        input = augment(self.images[rows], choices, self._factor, self._offset, self.cutout)
        return input, self.labels[rows].astype(np.int64)


def _per_channel(name: str, values: Sequence[float] | np.ndarray, channels: int) -> np.ndarray:
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (channels,):
        raise ValueError(
            f"Loader: {name} has the shape {result.shape}, expected one number for each of {channels} channels"
        )
    return result
