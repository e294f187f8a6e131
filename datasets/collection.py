"""All pictures of one source, before they are divided into those to train and those to test with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from datasets.dataset import DataError, Dataset
from datasets.picture_file import PictureFile
from datasets.pictures import Decoder
from datasets.split import stratified_split

_BATCH = 1024  # pictures of an array that are written at a time


@dataclass(frozen=True, eq=False)
class Collection:
    """Pictures with their labels: those to train with first, then those to test with, if the source tells them apart.

    labels  (n,) int64, the index of the class in `classes`
    train   how many are to train with
    images  (n, 3, H, W) uint8: an array, a PictureFile, or a Decoder that has not begun
    bad     pictures that could not be decoded, by number, with what is wrong with them; a Decoder finds them later
    Raises DataError if there is not one label for each picture.
    """

    name: str
    classes: tuple[str, ...]
    labels: np.ndarray
    train: int
    images: np.ndarray | PictureFile | Decoder
    bad: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"{self.name}: labels are {self.labels.dtype} {self.labels.shape}, "
                f"expected int64 {self.images.shape[:1]}"
            )

    def batches(self) -> Iterator[np.ndarray]:
        """All pictures in order, some at a time."""
        if isinstance(self.images, Decoder):
            yield from self.images.batches()
        else:
            for start in range(0, len(self.images), _BATCH):
                yield self.images[start : start + _BATCH]

    def in_memory(self) -> "Collection":
        """The same with its pictures decoded into an array."""
        if not isinstance(self.images, Decoder):
            return self
        images = self.images.all()
        return replace(self, images=images, bad=dict(self.images.bad))

    def dataset(self, test_fraction: float = 0.0, seed: int = 0) -> Dataset:
        """The good pictures. Without pictures to test with, `test_fraction` of each class is held out by the seed.

        Raises DataError if a class has none to train with, or none of those that the source has to test with.
        """
        good = np.setdiff1d(np.arange(len(self.labels)), [*self.bad])
        train, test = good[good < self.train], good[good >= self.train]
        self._check_classes("train", train)
        if self.train < len(self.labels):
            self._check_classes("test", test)
        else:
            kept, held_out = stratified_split(self.labels[train], test_fraction, seed)
            train, test = train[kept], train[held_out]
            if not len(test):
                raise DataError(f"{self.name}: no class has two pictures, expected some to hold out as test pictures")
        return Dataset(
            self.name, self.classes, self._part(train), self.labels[train], self._part(test), self.labels[test]
        )

    def _check_classes(self, part: str, rows: np.ndarray) -> None:
        left = set(self.labels[rows].tolist())
        for number, cause in sorted(self.bad.items()):
            label = int(self.labels[number])
            if (number < self.train) == (part == "train") and label not in left:
                raise DataError(f"{self.name}: all {part} pictures of the class {self.classes[label]} are bad: {cause}")

    def _part(self, rows: np.ndarray) -> np.ndarray | PictureFile:
        """The pictures with those numbers, which are sorted. An array is copied only if they do not lie together."""
        if isinstance(self.images, PictureFile):
            return self.images.part(rows)
        together = rows[-1] - rows[0] == len(rows) - 1
        return self.images[rows[0] : rows[-1] + 1] if together else self.images[rows]
