"""What a run leaves behind, and goes on from: a folder with its configuration, its measurements and its checkpoints.

config.toml                the resolved configuration: `train.py --config FOLDER/config.toml` runs it again
metrics.jsonl              one JSON object for each epoch, written when the epoch ends
checkpoint.safetensors     always the latest: weights, optimizer, random states, place in the data, measurements
epoch-0007.safetensors     as it was after that epoch, of the last few epochs
best.safetensors           as it was after the epoch with the best accuracy: of validation, else of the test pictures
report.html                is written by train.py when a training has ended

    folder = RunFolder("runs/mine")
    trainer = Trainer(network, criterion, optimizer, schedule, callbacks=[folder])
    folder.resume(trainer)  # from the folder's checkpoint, if there is one

A file is written under another name and then renamed, so that whatever ends the process leaves whole files. What the
checkpoint says counts: the other files are brought into line with it when a training starts or goes on.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyfft import checkpoint, machine
from tinyfft.checkpoint import CheckpointError
from tinyfft.files import replacing, write_text
from tinyfft.trainer import Callback, Trainer

LATEST, BEST = "checkpoint.safetensors", "best.safetensors"
FILES = ("config.toml", "metrics.jsonl", LATEST)


class RunFolderError(ValueError):
    """A folder that cannot take a new run."""


def choose(out: str | None, name: str) -> Path:
    """Where a run goes: `out` if given, else a new name runs/NAME-TIME. Nothing is made yet.

    Raises RunFolderError if there is a run already or `out` is a file.
    """
    if out is None:
        stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
        return next(path for path in map(Path("runs").joinpath, names) if not path.exists())
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"--out {path} is a file, expected a folder")
    if found := [name for name in FILES if (path / name).exists()]:
        raise RunFolderError(f"--out {path} holds a run already ({', '.join(found)}), expected a new or empty folder")
    return path


class RunFolder(Callback):
    def __init__(
        self,
        path: str | os.PathLike[str],
        texts: Mapping[str, str] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        every_steps: int = 0,
        every_minutes: float = 5.0,
        keep: int = 2,
    ) -> None:
        """
        texts          what the checkpoints' metadata hold as well; "config" goes to config.toml too
        arrays         what the checkpoints hold as well
        every_steps    checkpoints after so many steps, beside those after each epoch; 0: none
        every_minutes  and when the last one is so old; 0: none
        keep           of how many of the last epochs the checkpoints are kept
        """
        self.path = Path(path)
        self.texts, self.arrays = dict(texts or {}), dict(arrays or {})
        self.every_steps, self.every_minutes, self.keep = every_steps, every_minutes, keep
        self._saved = time.monotonic()
        self._goes_on = False

    def resume(self, trainer: Trainer, file: str | os.PathLike[str] | None = None) -> list[str]:
        """Give the trainer the state in `file`, or in the folder's latest checkpoint; does nothing if there is none.

        Returns what of the machine differs from the one that the checkpoint was written on: bits may differ then.
        Raises CheckpointError if the file is damaged or of another network.
        """
        source = Path(file or self.path / LATEST)
        if not source.exists() and file is None:
            return []
        arrays, metadata = checkpoint.read(source)
        if "training" not in metadata:
            raise CheckpointError(f"{source} holds weights alone, expected the checkpoint of a training")
        try:
            trainer.restore(arrays, json.loads(metadata["training"]))
        except CheckpointError as error:
            raise CheckpointError(f"{source}: {error}") from error
        self._goes_on = source == self.path / LATEST
        return machine.differences(json.loads(metadata["machine"]), machine.describe(trainer.network.device))

    def started(self, trainer: Trainer) -> None:
        """Make the folder and its first checkpoint. Raises RunFolderError if it holds a run that was not resumed."""
        if not self._goes_on and (self.path / LATEST).exists():
            raise RunFolderError(f"{self.path} holds a run already, expected a new folder, or that it is resumed")
        self._goes_on = True
        self.path.mkdir(parents=True, exist_ok=True)
        for left in self.path.glob(".*.tmp"):  # by a process that was killed
            left.unlink()
        self.save(trainer)
        if "config" in self.texts:
            write_text(self.path / "config.toml", self.texts["config"])
        self._write_metrics(trainer)
        if not trainer.inside_epoch:
            self._keep(trainer)

    def batch_ended(self, trainer: Trainer) -> None:
        if trainer.network.train:
            due = self.every_steps and trainer.step % self.every_steps == 0
            late = self.every_minutes and time.monotonic() - self._saved >= 60 * self.every_minutes
            if due or late:
                self.save(trainer)

    def epoch_ended(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        self.save(trainer)
        self._write_metrics(trainer)
        self._keep(trainer)

    def save(self, trainer: Trainer) -> None:
        """Replace the latest checkpoint. Raises OSError, naming the file, if that fails: the old one is still there."""
        arrays, record = trainer.state()
        texts = {
            "training": json.dumps(record, allow_nan=False),
            "machine": json.dumps(machine.describe(trainer.network.device)),
        }
        checkpoint.save(self.path / LATEST, {**arrays, **self.arrays}, self.texts | texts)
        self._saved = time.monotonic()

    def _write_metrics(self, trainer: Trainer) -> None:
        lines = [json.dumps(metrics, allow_nan=False) + "\n" for metrics in trainer.history]
        write_text(self.path / "metrics.jsonl", "".join(lines))

    def _keep(self, trainer: Trainer) -> None:
        """Under another name, the latest checkpoint, which was written when its epoch had ended."""
        epochs = len(trainer.history)
        if not epochs:
            return
        latest = self.path / LATEST
        if self.keep:
            _link(latest, self.path / _name(epochs))
        for path in self.path.glob(_name("*")):
            if path.name not in {_name(epoch) for epoch in range(epochs - self.keep + 1, epochs + 1)}:
                path.unlink()
        if best_epoch(trainer.history) == epochs:
            _link(latest, self.path / BEST)


def chosen_by(metrics: Mapping[str, Any]) -> str:
    """The pictures by whose accuracy epochs are compared: "validation", or "test" where there are none."""
    return "validation" if "validation_accuracy" in metrics else "test"


def best_epoch(history: list[dict[str, Any]]) -> int:
    """The first epoch with the best accuracy, counted from 1."""
    accuracies = [metrics.get(f"{chosen_by(metrics)}_accuracy", 0.0) for metrics in history]
    return accuracies.index(max(accuracies)) + 1


def _name(epoch: int | str) -> str:
    return f"epoch-{epoch:04d}.safetensors" if isinstance(epoch, int) else f"epoch-{epoch}.safetensors"


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, in place of what has it. It is never written again, only replaced."""
    with replacing(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(source, temporary)
