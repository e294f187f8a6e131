"""A checkpoint written by train.py: its network, its config and the description of its data."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from commands import build
from commands.errors import UsageError
from datasets import Dataset, Loader
from tinyfft import nn
from tinyfft.backend import Device
from tinyfft.runs.config import Config, ConfigError, parse_config
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import CheckpointError


class DataDescription(NamedTuple):
    """The data of a training, as its checkpoints describe it in JSON."""

    name: str
    directory: str | None
    classes: Sequence[str]
    shape: Sequence[int]  # (C, H, W) of an image
    training_pictures: int  # number of training images
    labels: int  # CRC-32 of the training labels

    @classmethod
    def of(cls, data: Dataset, directory: str | None) -> "DataDescription":
        """Return the description of data loaded from `directory`."""
        return cls(
            name=data.name,
            directory=None if directory is None else str(Path(directory).resolve()),
            classes=list(data.classes),
            shape=list(data.train_images.shape[1:]),
            training_pictures=len(data.train_images),
            labels=zlib.crc32(data.train_labels.tobytes()),
        )


class SavedCheckpoint(NamedTuple):
    """The contents of a checkpoint file."""

    path: Path
    config: Config
    data: DataDescription
    arrays: dict[str, np.ndarray]
    commands: list[str]  # the commands that started and resumed the run

    @classmethod
    def read(cls, path: str | Path) -> "SavedCheckpoint":
        """Read a file. Raises CheckpointError if it is not a complete checkpoint of train.py, OSError if unreadable."""
        arrays, metadata = checkpoint.read(path)
        for name, found in (("config", metadata), ("data", metadata), ("data.mean", arrays), ("data.std", arrays)):
            if name not in found:
                raise CheckpointError(f"{path} is no checkpoint of train.py: it has no {name}")
        text = metadata["config"].replace('limit_bytes = "auto"', "limit_bytes = 0")  # version 0.1 had "auto"
        try:
            config = parse_config(text)
        except ConfigError as error:
            raise CheckpointError(f"{path}: its config cannot be read by this version: {error}") from error
        data = DataDescription(**json.loads(metadata["data"]))
        return cls(Path(path), config, data, arrays, json.loads(metadata.get("commands", "[]")))

    def load_network(self, device_name: str) -> tuple[Device, nn.Sequential]:
        """Return (device, network with the checkpoint's weights)."""
        device = build.use_device(device_name, self.config)
        network = build.make_network(self.config, tuple(self.data.shape), len(self.data.classes))
        checkpoint.put(self.arrays, network, str(self.path))
        return device, network

    def make_loader(self, images: Any, labels: np.ndarray, device: Device) -> Loader:
        """Return a loader for an evaluation, which normalises images as the training did."""
        statistics = {"mean": self.arrays["data.mean"], "std": self.arrays["data.std"]}
        return Loader(images, labels, self.config.batch_size, device, workers=self.config.data.workers, **statistics)

    def check_data(self, data: DataDescription, loader: Loader) -> None:
        """Raise UsageError unless labels, mean and standard deviation of the training images are the checkpoint's."""
        names = ("classes", "shape", "training_pictures", "labels")
        different = [name for name in names if getattr(data, name) != getattr(self.data, name)]
        if (loader.mean != self.arrays["data.mean"]).any() or (loader.std != self.arrays["data.std"]).any():
            different.append("pixels")
        if different:
            raise UsageError(
                f"--resume: the data {data.name} are not those of the checkpoint ({self.data.name}), "
                f"other {', '.join(different)}"
            )
