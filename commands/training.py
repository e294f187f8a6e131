"""A training as train.py runs it, for a new run and for a resumed one."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from commands import build, report
from commands.saved_checkpoint import DataDescription, SavedCheckpoint
from tinyfft.backend import Device
from tinyfft.runs.config import Config, to_toml
from tinyfft.runs.run_folder import RunFolder, best_epoch, selection_split
from tinyfft.runs.tensorboard import TensorBoard
from tinyfft.training import progress
from tinyfft.training.interrupts import Interrupts, Stopped
from tinyfft.training.trainer import Callback, Trainer


def run_training(
    config: Config, device: Device, folder: Path, directory: str | None, saved: SavedCheckpoint | None = None
) -> int:
    """Train until the config's last epoch and write the report. Return the exit code.

    folder     where the run's files are written
    directory  where the images are; None: the dataset named by the config
    saved      the checkpoint to resume
    """
    callbacks = [ShowAlgorithms()] + ([TensorBoard(folder)] if config.tensorboard else [])
    display = progress.for_terminal()
    display.write(f"device {device} ({device.hardware})")
    data = build.load_data(config, directory, display)
    network = build.make_network(config, data.train_images.shape[1:], len(data.classes))
    train_loader, evaluations = build.make_loaders(config, device, data)
    trainer = build.make_trainer(config, network, len(train_loader), display, callbacks)
    description = DataDescription.of(data, directory)
    commands = [*(saved.commands if saved else ()), shlex.join(["python", *sys.argv])]
    texts = {"config": to_toml(config), "data": json.dumps(description._asdict()), "commands": json.dumps(commands)}
    arrays = {"data.mean": train_loader.mean, "data.std": train_loader.std}
    run = RunFolder(folder, texts, arrays, **vars(config.checkpoint))
    if saved is not None:
        saved.check_data(description, train_loader)
        for difference in run.resume(trainer, saved.path):
            display.write(f"warning: {difference}: the last bits may differ")
        epoch = min(len(trainer.history) + 1, config.epochs)
        display.write(f"goes on after {trainer.step} steps, in epoch {epoch}")
    trainer.callbacks.append(run)
    with Interrupts() as interrupts:
        trainer.callbacks.append(interrupts)
        display.write(f"writing to {folder}")
        try:
            _fit(trainer, train_loader, evaluations, config.epochs, data.name)
        except Stopped as stop:
            run.save(trainer)
            display.write(f"stopped by {stop} after {trainer.step} steps; python train.py --resume {folder} goes on")
            return 128 + stop.signal
    report.write(folder, trainer, config, data, evaluations["test"])
    return 0


def _fit(trainer: Trainer, train_loader: Any, evaluations: dict[str, Any], epochs: int, data_name: str) -> None:
    """Train, and print a line for each epoch and a summary."""
    start = time.monotonic()
    for metrics in trainer.fit(train_loader, evaluations, epochs, data_name):
        results = "; ".join(
            f"{split} loss {metrics[f'{split}_loss']:.4f}, accuracy {metrics[f'{split}_accuracy']:.4f}"
            for split in ("train", *evaluations)
        )
        speed = f"{metrics['seconds']:.1f} s, {metrics['images_per_second']:.0f} images/s"
        trainer.progress.write(f"epoch {metrics['epoch']}/{epochs}: {results}; {speed}")
    last, best = trainer.history[-1], best_epoch(trainer.history)
    split = selection_split(last)
    trainer.progress.write(
        f"best {split} accuracy {trainer.history[best - 1][f'{split}_accuracy']:.4f}, of epoch {best}"
        + (", chosen on the test images themselves" if split == "test" else "")
    )
    trainer.progress.write(
        f"test accuracy {last['test_accuracy']:.4f}, loss {last['test_loss']:.4f}, "
        f"after {epochs} epochs in {time.monotonic() - start:.1f} s"
    )


class ShowAlgorithms(Callback):
    """Print after the first minibatch which algorithm each convolution uses for each pass."""

    def __init__(self) -> None:
        self._shown = False

    def batch_ended(self, trainer: Trainer) -> None:
        if self._shown:
            return
        self._shown = True
        for name, module in trainer.network.modules():
            if hasattr(module, "algorithms"):
                selected = ", ".join(f"{key} {value}" for key, value in module.algorithms.items() if value)
                trainer.progress.write(f"layer {name} ({type(module).__name__}): {selected}")
