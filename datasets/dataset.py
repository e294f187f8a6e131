"""The form of every dataset: uint8 images with labels, divided into a training and a test split.

Shapes  images (n, 3, H, W), labels (n,); H and W are the same in both splits
Dtypes  images uint8 (0 to 255), labels int64 (the index of the class in `classes`)
Raises DataError with one line that names the cause.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class DataError(ValueError):
    """Data that are missing, damaged or of the wrong form. The message is one plain line."""


class Images(Protocol):
    """Images (n, C, H, W): an array, or a file indexed like one (datasets/image_file.py)."""

    shape: tuple[int, ...]
    dtype: np.dtype
    ndim: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels. The constructor checks shapes, dtypes and labels.

    name          the dataset's name, for messages and reports
    classes       the name of each class
    train_images  (n, 3, H, W) uint8
    train_labels  (n,) int64
    test_images   (m, 3, H, W) uint8
    test_labels   (m,) int64
    """

    name: str
    classes: tuple[str, ...]
    train_images: Images
    train_labels: np.ndarray
    test_images: Images
    test_labels: np.ndarray

    def __post_init__(self) -> None:
        self._check_split("train", self.train_images, self.train_labels)
        self._check_split("test", self.test_images, self.test_labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: training images are {self._size(self.train_images)}, "
                f"test images {self._size(self.test_images)}, expected one size"
            )

    def _check_split(self, split: str, images: Images, labels: np.ndarray) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise DataError(
                f"{self.name}: {split}_images are {images.dtype} {images.shape}, "
                "expected uint8 (n, 3, H, W) with at least one image"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{self.name}: {split}_labels are {labels.dtype} {labels.shape}, expected int64 {images.shape[:1]}"
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise DataError(
                f"{self.name}: {split}_labels run from {labels.min()} to {labels.max()}, "
                f"expected 0 to {len(self.classes) - 1}"
            )

    @staticmethod
    def _size(images: Images) -> str:
        return f"{images.shape[3]}x{images.shape[2]}"
