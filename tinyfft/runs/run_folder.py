"""The folder of a run: its configuration, its metrics and the checkpoints from which it can be resumed.

config.toml                the resolved configuration: `train.py --config FOLDER/config.toml` runs it again
metrics.jsonl              one JSON object per epoch, written at the end of the epoch
checkpoint.safetensors     the latest checkpoint: weights, optimizer, random states, position in the data, metrics
epoch-0007.safetensors     the checkpoint after epoch 7; the last few epochs are kept
best.safetensors           the checkpoint after the epoch with the best accuracy on validation images, else test images
report.html                written by train.py after the training

    folder = RunFolder("runs/mine")
    trainer = Trainer(network, criterion, optimizer, schedule, callbacks=[folder])
    folder.resume(trainer)  # from the folder's checkpoint, if there is one

Each file is written under a temporary name and then renamed, so that a killed process leaves only complete files. The
latest checkpoint is authoritative: when a training starts or is resumed, the other files are updated from it.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyfft import machine
from tinyfft.files import replacing, write_text
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import CheckpointError
from tinyfft.training.trainer import Callback, Trainer

CONFIG, METRICS, LATEST, BEST = "config.toml", "metrics.jsonl", "checkpoint.safetensors", "best.safetensors"


class RunFolderError(ValueError):
    """A folder that cannot be used for a new run."""


def choose_folder(out: str | None, name: str) -> Path:
    """Return the folder of a new run: `out`, or by default an unused name runs/NAME-TIME. Does not create the folder.

    Raises RunFolderError if `out` contains a run or is a file.
    """
    if out is None:
        stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
        return next(path for path in map(Path("runs").joinpath, names) if not path.exists())
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"--out {path} is a file, expected a folder")
    if found := [name for name in (CONFIG, METRICS, LATEST) if (path / name).exists()]:
        raise RunFolderError(f"--out {path} holds a run already ({', '.join(found)}), expected a new or empty folder")
    return path


class RunFolder(Callback):
    """A trainer's callback that writes the files of a run."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        texts: Mapping[str, str] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        every_steps: int = 0,
        every_minutes: float = 5.0,
        keep: int = 2,
    ) -> None:
        """
        path           the folder, created when the training starts
        texts          additional metadata of each checkpoint; the text "config" is also written to config.toml
        arrays         additional arrays of each checkpoint
        every_steps    also save a checkpoint every so many training steps; 0: only after each epoch
        every_minutes  also save a checkpoint when the last one is so old; 0: never
        keep           number of epochs, counted from the last, whose checkpoints are kept
        """
        self.path = Path(path)
        self.texts, self.arrays = dict(texts or {}), dict(arrays or {})
        self.every_steps, self.every_minutes, self.keep = every_steps, every_minutes, keep
        self._saved_at = time.monotonic()
        self._owned = False  # whether the latest checkpoint in the folder belongs to this run

    def resume(self, trainer: Trainer, file: str | os.PathLike[str] | None = None) -> list[str]:
        """Restore the trainer from `file`, by default the folder's latest checkpoint; without one do nothing.

        Returns the differences between this machine and the machine that wrote the checkpoint: the results may then
        differ in the last bits. Raises CheckpointError if the file is damaged or belongs to another network.
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
        self._owned = source == self.path / LATEST
        return machine.differences(json.loads(metadata["machine"]), machine.describe(trainer.network.device))

    def started(self, trainer: Trainer) -> None:
        """Create the folder and its first checkpoint. Raises RunFolderError if it contains a run not resumed."""
        if not self._owned and (self.path / LATEST).exists():
            raise RunFolderError(f"{self.path} holds a run already, expected a new folder, or that it is resumed")
        self._owned = True
        self.path.mkdir(parents=True, exist_ok=True)
        for temporary in self.path.glob(".*.tmp"):  # left by a killed process
            temporary.unlink()
        self.save(trainer)
        if "config" in self.texts:
            write_text(self.path / CONFIG, self.texts["config"])
        self._write_metrics(trainer)
        if not trainer.inside_epoch:
            self._keep_epoch(trainer)

    def batch_ended(self, trainer: Trainer) -> None:
        if trainer.network.train:
            by_steps = self.every_steps and trainer.step % self.every_steps == 0
            by_time = self.every_minutes and time.monotonic() - self._saved_at >= 60 * self.every_minutes
            if by_steps or by_time:
                self.save(trainer)

    def epoch_ended(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        self.save(trainer)
        self._write_metrics(trainer)
        self._keep_epoch(trainer)

    def save(self, trainer: Trainer) -> None:
        """Replace the latest checkpoint. If this fails the old one is left, and an OSError names the file."""
        arrays, record = trainer.state()
        texts = {
            "training": json.dumps(record, allow_nan=False),
            "machine": json.dumps(machine.describe(trainer.network.device)),
        }
        checkpoint.save(self.path / LATEST, {**arrays, **self.arrays}, self.texts | texts)
        self._saved_at = time.monotonic()

    def _write_metrics(self, trainer: Trainer) -> None:
        lines = [json.dumps(metrics, allow_nan=False) + "\n" for metrics in trainer.history]
        write_text(self.path / METRICS, "".join(lines))

    def _keep_epoch(self, trainer: Trainer) -> None:
        """Link the latest checkpoint, saved at the end of an epoch, as its epoch's and perhaps as the best one."""
        epochs = len(trainer.history)
        if not epochs:
            return
        kept = [f"epoch-{epoch:04d}.safetensors" for epoch in range(epochs, max(epochs - self.keep, 0), -1)]
        if kept:
            _link(self.path / LATEST, self.path / kept[0])
        for path in self.path.glob("epoch-*.safetensors"):
            if path.name not in kept:
                path.unlink()
        if best_epoch(trainer.history) == epochs:
            _link(self.path / LATEST, self.path / BEST)


def selection_split(metrics: Mapping[str, Any]) -> str | None:
    """Return the split whose accuracy selects the best epoch: "validation", else "test", else None."""
    return next((split for split in ("validation", "test") if f"{split}_accuracy" in metrics), None)


def best_epoch(history: list[dict[str, Any]]) -> int:
    """Return the first epoch with the best accuracy, counted from 1."""
    accuracies = [metrics.get(f"{selection_split(metrics)}_accuracy", 0.0) for metrics in history]
    return accuracies.index(max(accuracies)) + 1


def _link(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, whose contents are never changed, only replaced."""
    with replacing(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # the file system has no hard links
            shutil.copyfile(source, temporary)
