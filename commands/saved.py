"""A checkpoint of train.py as its commands read it: which network it is of, and what it was trained on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyfft import checkpoint
from tinyfft.checkpoint import CheckpointError
from tinyfft.config import Config, ConfigError, parse_config


class Saved(NamedTuple):
    path: Path
    config: Config
    data: dict[str, Any]  # name, directory, classes, shape, ...: as commands/train.py describes them
    arrays: dict[str, np.ndarray]
    commands: list[str]  # that started the run and went on with it

    @property
    def directory(self) -> str | None:
        """Where the pictures were."""
        return self.data["directory"]

    @property
    def mean(self) -> np.ndarray:
        return self.arrays["data.mean"]

    @property
    def std(self) -> np.ndarray:
        return self.arrays["data.std"]

    @property
    def classes(self) -> list[str]:
        return self.data["classes"]

    @property
    def shape(self) -> list[int]:
        """(C, H, W) of a picture."""
        return self.data["shape"]

    @classmethod
    def read(cls, path: str | Path) -> "Saved":
        """Raises CheckpointError if the file is no whole checkpoint of train.py, OSError if it cannot be read."""
        arrays, metadata = checkpoint.read(path)
        for name, found in (("config", metadata), ("data", metadata), ("data.mean", arrays), ("data.std", arrays)):
            if name not in found:
                raise CheckpointError(f"{path} is no checkpoint of train.py: it has no {name}")
        return cls(
            Path(path),
            _config(path, metadata),
            json.loads(metadata["data"]),
            arrays,
            json.loads(metadata.get("commands", "[]")),
        )


def _config(path: str | Path, metadata: Mapping[str, str]) -> Config:
    text = metadata["config"].replace('limit_bytes = "auto"', "limit_bytes = 0")  # older versions had "auto"
    try:
        return parse_config(text)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its config cannot be read by this version: {error}") from error
