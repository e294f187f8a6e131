"""All images of one source with their labels, before they are divided into a training and a test split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from datasets.dataset import DataError, Dataset
from datasets.decoder import Decoder
from datasets.image_file import ImageFile
from datasets.split import stratified_split

_BATCH = 1024  # images


@dataclass(frozen=True, eq=False)
class Collection:
    """Images with their labels. If the source has test images of its own, they follow the training images.

    name         name of the dataset
    classes      the name of each class
    labels       (n,) int64, the index of each image's class in `classes`
    train_count  the first `train_count` images are training images, all others are test images
    images       (n, 3, H, W) uint8: an array, an ImageFile, or a Decoder
    bad          the index of each image that cannot be decoded, and what is wrong with it; for a Decoder, its `bad`,
                 which it fills while it decodes
    Raises DataError if there is not one label for each image.
    """

    name: str
    classes: tuple[str, ...]
    labels: np.ndarray
    train_count: int
    images: np.ndarray | ImageFile | Decoder
    bad: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"{self.name}: labels are {self.labels.dtype} {self.labels.shape}, "
                f"expected int64 {self.images.shape[:1]}"
            )

    def batches(self) -> Iterator[np.ndarray]:
        """Yield all images in order, in batches."""
        if isinstance(self.images, Decoder):
            yield from self.images.batches()
        else:
            for start in range(0, len(self.images), _BATCH):
                yield self.images[start : start + _BATCH]

    def in_memory(self) -> "Collection":
        """Return the same collection with its images in an array."""
        return replace(self, images=self.images.all()) if isinstance(self.images, Decoder) else self

    def dataset(self, test_fraction: float = 0.0, seed: int = 0) -> Dataset:
        """Return the dataset of the good images.

        test_fraction  the share of each class that is held out, if the source has no test images of its own
        seed           decides which images are held out
        Raises DataError if bad images leave a class without training images, or without test images of the source.
        """
        good = np.setdiff1d(np.arange(len(self.labels)), [*self.bad])
        train, test = good[good < self.train_count], good[good >= self.train_count]
        self._check_classes("train", train)
        if self.train_count < len(self.labels):
            self._check_classes("test", test)
        else:
            kept, held_out = stratified_split(self.labels[train], test_fraction, seed)
            train, test = train[kept], train[held_out]
            if not len(test):
                raise DataError(f"{self.name}: no class has two images, expected some to hold out as test images")
        return Dataset(
            self.name, self.classes, self._subset(train), self.labels[train], self._subset(test), self.labels[test]
        )

    def _check_classes(self, split: str, rows: np.ndarray) -> None:
        left = set(self.labels[rows].tolist())
        for index, cause in sorted(self.bad.items()):
            label = int(self.labels[index])
            if (index < self.train_count) == (split == "train") and label not in left:
                raise DataError(f"{self.name}: all {split} images of the class {self.classes[label]} are bad: {cause}")

    def _subset(self, rows: np.ndarray) -> np.ndarray | ImageFile:
        """Return the images with these indices, which are sorted. Contiguous rows of an array are not copied."""
        if isinstance(self.images, ImageFile):
            return self.images.subset(rows)
        contiguous = rows[-1] - rows[0] == len(rows) - 1
        return self.images[rows[0] : rows[-1] + 1] if contiguous else self.images[rows]
