"""Pictures -> the batches of an epoch: shuffled, normalised and, where asked, shifted and mirrored.

    input    (value / 255 - mean[c]) / std[c], then mirrored with probability 1/2, then shifted by up to `crop` rows and
             columns; what comes in from outside is zero, the mean colour, as is a square of `cutout` pixels a side
             around any pixel, as far as it lies inside
    target   the labels

Shapes  input (S, C, H, W), target (S,); S is batch_size, but for a last batch that is smaller
Dtypes  images uint8, labels int64 on the host or, the images, in a file; input `dtype`, target int64 on the device
Order and augmentation follow from (seed, number of the epoch) alone: not from the batch size, the device or `workers`.
On a GPU pictures that fit lie there (spatial/minibatch.py says which): from the first batch on, for as long as the
Loader lives, one kernel makes each batch, to the bits that the host gives it.
Raises ValueError for arguments that do not fit.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from datasets.ahead import ahead
from datasets.dataset import Images
from datasets.resident import Resident
from datasets.statistics import channel_statistics
from tinyfft.backend import Array, Device
from tinyfft.spatial.minibatch import may_stay

_HOST = Device("cpu")


class Loader:
    """Batches of (input, target) on a device, one epoch at a time.

    batch_size  pictures a batch; the last one of an epoch has what is left over, or is left out with `drop_last`
    crop        the largest shift, in pixels; 0 for none
    mean, std   per channel, of values from 0 to 1; those of the training set also when testing. Default: of `images`.
                A channel whose std is 0 is only centred
    workers     threads that make up to workers + 1 batches ahead; 0: each is made when it is asked for. No effect where
                the pictures lie on the device
    cutout      the side of the square that is left out, in pixels; 0 for none
    chosen      (n,) the numbers of the pictures to take; default: all
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
        self.images, self.labels = images, labels
        self.batch_size, self.device, self.dtype = batch_size, device, np.dtype(dtype)
        self.shuffle, self.crop, self.flip, self.cutout = shuffle, crop, flip, cutout
        self.seed, self.drop_last, self.workers = seed, drop_last, workers

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        whole, rest = divmod(len(self.chosen), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """The batches of epoch `number` from batch `first` on. The arrays belong to the caller."""
        for name, value in (("the epoch's number", number), ("the first batch", first)):
            if value < 0:
                raise ValueError(f"Loader: {name} is {value}, expected at least 0")
        return self._batches(np.random.default_rng([self.seed, number]), first)

    def _batches(self, rng: np.random.Generator, first: int) -> Iterator[tuple[Array, Array]]:
        n = len(self.chosen)
        places = rng.permutation(n) if self.shuffle else np.arange(n)
        shifts = rng.integers(0, 2 * self.crop + 1, size=(n, 2)) - self.crop
        mirrored = np.logical_and(rng.random(n) < 0.5, self.flip)
        centres = rng.integers(0, self.images.shape[2:], size=(n, 2))
        starts = range(first * self.batch_size, len(self) * self.batch_size, self.batch_size)
        parts = [slice(start, start + self.batch_size) for start in starts]
        if self._resident:
            yield from self._resident.batches(parts, np.column_stack((places, shifts, mirrored, centres)))
            return
        order = self.chosen[places]
        calls = (partial(self._batch, order[part], shifts[part], mirrored[part], centres[part]) for part in parts)
        for input, target in ahead(calls, self.workers):
            # Here, not in a worker: which GPU and which stream are current, every thread says for itself.
            yield self.device.array(input), self.device.array(target)

    @cached_property
    def _resident(self) -> Resident | None:
        """The pictures on the device, if they are to lie there: put there when the first batch is asked for."""
        if not may_stay(len(self.chosen) * math.prod(self.images.shape[1:]), self.device):
            return None
        return Resident(self.images, self.labels, self.chosen, *self._scaling(), self.cutout, self.device)

    def _batch(
        self, chosen: np.ndarray, shifts: np.ndarray, mirrored: np.ndarray, centres: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(input, target) on the host of the pictures with the numbers `chosen`; nothing of it is shared."""
        images = self.images[chosen]
        images[mirrored] = images[mirrored, :, :, ::-1]
        input = self._normalised(images)
        if self.crop:
            input = self._shifted(input, shifts)
        if self.cutout:
            self._cut_out(input, centres)
        return input, self.labels[chosen].astype(np.int64)

    def _shifted(self, input: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Windows of the batch with `crop` zeros on all sides, moved by shifts (S, 2)."""
        S, C, H, W = input.shape
        framed = np.zeros((S, C, H + 2 * self.crop, W + 2 * self.crop), self.dtype)
        # Normalising straight into the frame, a row at a time, takes twice as long as this second copy.
        framed[:, :, self.crop : self.crop + H, self.crop : self.crop + W] = input
        windows = np.lib.stride_tricks.sliding_window_view(framed, (H, W), axis=(2, 3))
        return windows[np.arange(S), :, self.crop + shifts[:, 0], self.crop + shifts[:, 1]]

    def _cut_out(self, input: np.ndarray, centres: np.ndarray) -> None:
        before = self.cutout // 2
        for picture, (y, x) in zip(input, centres, strict=True):
            top, left = y - before, x - before
            picture[:, max(top, 0) : top + self.cutout, max(left, 0) : left + self.cutout] = 0

    def _normalised(self, batch: np.ndarray) -> np.ndarray:
        out = _HOST.empty(batch.shape, self.dtype)
        factor, offset = self._scaling()
        np.multiply(batch, factor[:, None, None], out=out, dtype=self.dtype)
        return np.add(out, offset[:, None, None], out=out)

    def _scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """(factor, offset), each (C,): value factor + offset is the normalised value."""
        scale = 1 / np.where(self.std > 0, self.std, 1)
        return (scale / 255).astype(self.dtype), (-self.mean * scale).astype(self.dtype)


def _per_channel(name: str, values: Sequence[float] | np.ndarray, channels: int) -> np.ndarray:
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (channels,):
        raise ValueError(
            f"Loader: {name} has the shape {result.shape}, expected one number for each of {channels} channels"
        )
    return result
