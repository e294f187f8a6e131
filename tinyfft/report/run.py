"""A run as its folder tells it.

    run = read("runs/mine")
    run.history[run.best - 1]["test_accuracy"]

All comes from the latest checkpoint, with which metrics.jsonl and config.toml agree.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tinyfft import checkpoint
from tinyfft.runs.run_folder import LATEST, best_epoch, selection_split
from tinyfft.runs.toml_schema import flatten

CHOSEN_ON = {"validation": "the validation pictures", "test": "the test pictures themselves"}
"""Where the best epoch comes from, by `Run.chosen_by`."""


class ReportError(ValueError):
    """A report that cannot be made. The message is one plain line."""


class Run(NamedTuple):
    path: Path
    history: list[dict[str, Any]]  # a line of metrics.jsonl for each epoch
    step: int  # minibatches trained on
    config: str  # TOML
    data: dict[str, Any]  # name, classes, training_pictures
    machine: dict[str, str]  # what it was and which versions it had, by name
    commands: list[str]  # that started the run and went on with it

    @property
    def name(self) -> str:
        """The folder as it was asked for: the last part alone may be shared by two runs."""
        return str(self.path)

    @property
    def settings(self) -> dict[str, Any]:
        """The values of the configuration by dotted key. Raises ReportError if it is no TOML."""
        try:
            return flatten(tomllib.loads(self.config))
        except tomllib.TOMLDecodeError as error:
            raise ReportError(f"{self.path}: the configuration is not TOML: {error}") from error

    @property
    def chosen_by(self) -> str | None:
        """The pictures by which the best epoch is chosen, "validation" or "test"; None if no epoch has ended."""
        by = selection_split(self.history[-1]) if self.history else None
        return by if by and f"{by}_accuracy" in self.history[-1] else None

    @property
    def best(self) -> int | None:
        """The epoch with the best accuracy, counted from 1."""
        return best_epoch(self.history) if self.chosen_by else None

    @property
    def seconds(self) -> float:
        """What all epochs took together."""
        return sum(metrics["seconds"] for metrics in self.history)


def read(folder: str | os.PathLike[str]) -> Run:
    """Raises ReportError if the folder holds no run, CheckpointError if its checkpoint is damaged."""
    path = Path(folder)
    if not path.is_dir():
        raise ReportError(f"{path} {'is a file' if path.exists() else 'does not exist'}, expected the folder of a run")
    if not (path / LATEST).is_file():
        raise ReportError(f"{path} holds no run: there is no {LATEST} in it")
    metadata = checkpoint.read(path / LATEST)[1]
    if "training" not in metadata:
        raise ReportError(f"{path / LATEST} holds weights alone, expected the checkpoint of a training")
    training = json.loads(metadata["training"])
    return Run(
        path,
        training["history"],
        training["step"],
        metadata.get("config", ""),
        json.loads(metadata.get("data", "{}")),
        json.loads(metadata["machine"]),
        json.loads(metadata.get("commands", "[]")),
    )
