"""A run as read from its folder.

    run = read("runs/mine")
    run.history[run.best - 1]["test_accuracy"]

Everything comes from the latest checkpoint; metrics.jsonl and config.toml agree with it.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tinyfft.runs.run_folder import LATEST, best_epoch, selection_split
from tinyfft.runs.toml_schema import flatten
from tinyfft.training import checkpoint

SELECTION_TEXTS = {"validation": "the validation images", "test": "the test images themselves"}
"""What the best epoch is chosen on, by `Run.selected_on`."""


class ReportError(ValueError):
    """A report that cannot be made. The message is one line."""


class Run(NamedTuple):
    """A run, as its latest checkpoint describes it."""

    path: Path
    history: list[dict[str, Any]]  # the metrics of each epoch, as in metrics.jsonl
    step: int  # minibatches trained on
    config: str  # TOML
    data: dict[str, Any]  # name, classes, training_pictures
    machine: dict[str, str]  # hardware and versions by name
    commands: list[str]  # the commands that started and resumed the run

    @property
    def name(self) -> str:
        """The folder as the user wrote it: two runs may share the last part of their paths."""
        return str(self.path)

    @property
    def settings(self) -> dict[str, Any]:
        """The values of the configuration by dotted key. Raises ReportError if it is not TOML."""
        try:
            return flatten(tomllib.loads(self.config))
        except tomllib.TOMLDecodeError as error:
            raise ReportError(f"{self.path}: the configuration is not TOML: {error}") from error

    @property
    def selected_on(self) -> str | None:
        """The split whose accuracy selects the best epoch: "validation" or "test"; None without such an accuracy."""
        return selection_split(self.history[-1]) if self.history else None

    @property
    def best(self) -> int | None:
        """The epoch with the best accuracy, counted from 1."""
        return best_epoch(self.history) if self.selected_on else None

    @property
    def seconds(self) -> float:
        """The time of all epochs together."""
        return sum(metrics["seconds"] for metrics in self.history)


def read(folder: str | os.PathLike[str]) -> Run:
    """Return the run in a folder. Raises ReportError without a run there, CheckpointError for a damaged checkpoint."""
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
        path=path,
        history=training["history"],
        step=training["step"],
        config=metadata.get("config", ""),
        data=json.loads(metadata.get("data", "{}")),
        machine=json.loads(metadata["machine"]),
        commands=json.loads(metadata.get("commands", "[]")),
    )
