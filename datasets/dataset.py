"""What every source of pictures returns: uint8 pictures and their labels, in a training and a test part.

Shapes  images (n, 3, H, W), labels (n,); H and W are the same in both parts
Dtypes  images uint8 (0 to 255), labels int64 (the index of the class in `classes`)
Raises DataError, whatever the source, with one line that names the cause.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class DataError(ValueError):
    """Data that are missing, damaged or not what they should be. The message is one plain line."""


class Images(Protocol):
    """Pictures (n, C, H, W): an array, or what is read from a file like one (datasets/picture_file.py)."""

    shape: tuple[int, ...]
    dtype: np.dtype
    ndim: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures to train and to test with. Checked when made: a Dataset that exists has these shapes and dtypes."""

    name: str
    classes: tuple[str, ...]
    train_images: Images
    train_labels: np.ndarray
    test_images: Images
    test_labels: np.ndarray

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            self._check_part(part, images, labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: training pictures are {self._size(self.train_images)}, "
                f"test pictures {self._size(self.test_images)}, expected one size"
            )

    def _check_part(self, part: str, images: Images, labels: np.ndarray) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise DataError(
                f"{self.name}: {part}_images are {images.dtype} {images.shape}, "
                "expected uint8 (n, 3, H, W) with at least one picture"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{self.name}: {part}_labels are {labels.dtype} {labels.shape}, expected int64 {images.shape[:1]}"
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise DataError(
                f"{self.name}: {part}_labels run from {labels.min()} to {labels.max()}, "
                f"expected 0 to {len(self.classes) - 1}"
            )

    @staticmethod
    def _size(images: Images) -> str:
        return f"{images.shape[3]}x{images.shape[2]}"
