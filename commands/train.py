"""train.py --config NAME and train.py --resume: a training, from its first minibatch or from where it was stopped."""

import argparse
import json
import shlex
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from commands import build, report
from commands.errors import UsageError
from commands.options import LATEST, overrides
from commands.saved import Saved
from datasets import Dataset
from tinyfft import run_folder
from tinyfft.backend import Device
from tinyfft.config import Config, differing_keys, load_config, parse_config, to_toml
from tinyfft.run_folder import RunFolder
from tinyfft.trainer import Callback, Trainer
from tinyfft.training import progress
from tinyfft.training.interrupts import Interrupts, Stopped
from tinyfft.training.tensorboard import TensorBoard

CHANGEABLE = ("data.workers", "checkpoint.", "tensorboard", "graph")
"""Keys, or how they begin, that may differ from the checkpoint's when a run goes on: they change no result."""


def start(options: argparse.Namespace) -> int:
    """A new run; returns the exit code."""
    config = load_config(options.config, overrides(options))
    folder = run_folder.choose(options.out, Path(options.config).stem)
    device = build.use_device(options.device)
    return _train(config, device, folder, options.data, None)


def resume(options: argparse.Namespace) -> int:
    """Go on with a run; returns the exit code."""
    file = _find(options.resume)
    saved = Saved.read(file)
    config = _same_config(saved.config, options)
    folder = file.parent
    if options.out is not None:
        folder = run_folder.choose(options.out, file.parent.name)
    elif file.name != run_folder.LATEST:
        raise UsageError(f"--resume {file} is not its folder's latest checkpoint, expected a new folder with --out DIR")
    device = build.use_device(options.device)
    return _train(config, device, folder, options.data or saved.directory, saved)


def _train(config: Config, device: Device, folder: Path, directory: str | None, saved: Saved | None) -> int:
    build.prepare(config, device)
    callbacks = [ShowAlgorithms()] + ([TensorBoard(folder)] if config.tensorboard else [])
    show = progress.for_terminal()
    show.write(f"device {device} ({device.hardware})")
    data = build.load_data(config, directory, show)
    network = build.make_network(config, data.train_images.shape[1:], len(data.classes))
    train_loader, evaluations = build.make_loaders(config, device, data)
    trainer = build.make_trainer(config, network, len(train_loader), show, callbacks)
    texts = {"config": to_toml(config), "data": json.dumps(_describe(data, directory))}
    texts["commands"] = json.dumps([*(saved.commands if saved else ()), shlex.join(["python", *sys.argv])])
    c = config.checkpoint
    run = RunFolder(folder, texts, {"data.mean": train_loader.mean, "data.std": train_loader.std}, **vars(c))
    if saved is not None:
        _check_same_data(saved, data, train_loader)
        for difference in run.resume(trainer, saved.path):
            show.write(f"warning: {difference}: the last bits may differ")
        show.write(f"goes on after {trainer.step} steps, in epoch {min(len(trainer.history) + 1, config.epochs)}")
    trainer.callbacks.append(run)
    with Interrupts() as interrupts:
        trainer.callbacks.append(interrupts)
        show.write(f"writing to {folder}")
        try:
            _fit(trainer, train_loader, evaluations, config, data.name)
        except Stopped as stop:
            run.save(trainer)
            show.write(f"stopped by {stop} after {trainer.step} steps; python train.py --resume {folder} goes on")
            return 128 + stop.signal
    report.write(folder, trainer, config, data, evaluations["test"])
    return 0


def _fit(trainer: Trainer, train_loader: Any, evaluations: dict[str, Any], config: Config, name: str) -> None:
    start = time.monotonic()
    for metrics in trainer.fit(train_loader, evaluations, config.epochs, name):
        parts = ["train", *evaluations]
        of_parts = "; ".join(
            f"{part} loss {metrics[f'{part}_loss']:.4f}, accuracy {metrics[f'{part}_accuracy']:.4f}" for part in parts
        )
        speed = f"{metrics['seconds']:.1f} s, {metrics['images_per_second']:.0f} images/s"
        trainer.progress.write(f"epoch {metrics['epoch']}/{config.epochs}: {of_parts}; {speed}")
    last, best = trainer.history[-1], run_folder.best_epoch(trainer.history)
    by = run_folder.chosen_by(last)
    trainer.progress.write(
        f"best {by} accuracy {trainer.history[best - 1][f'{by}_accuracy']:.4f}, of epoch {best}"
        + (", chosen on the test pictures themselves" if by == "test" else "")
    )
    trainer.progress.write(
        f"test accuracy {last['test_accuracy']:.4f}, loss {last['test_loss']:.4f}, "
        f"after {config.epochs} epochs in {time.monotonic() - start:.1f} s"
    )


class ShowAlgorithms(Callback):
    """After the first minibatch: how each convolution computes each pass."""

    def __init__(self) -> None:
        self._shown = False

    def batch_ended(self, trainer: Trainer) -> None:
        if self._shown:
            return
        self._shown = True
        for name, module in trainer.network.modules():
            if hasattr(module, "algorithms"):
                chosen = ", ".join(f"{key} {value}" for key, value in module.algorithms.items() if value)
                trainer.progress.write(f"layer {name} ({type(module).__name__}): {chosen}")


def _find(asked: Any) -> Path:
    """The checkpoint that --resume means."""
    if asked is LATEST:
        found = sorted(Path("runs").glob(f"*/{run_folder.LATEST}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise UsageError(f"--resume: there is no runs/*/{run_folder.LATEST} here")
        return found[-1]
    path = Path(asked)
    if path.is_dir():
        path /= run_folder.LATEST
    if not path.is_file():
        raise UsageError(f"--resume: there is no {path}")
    return path


def _same_config(saved: Config, options: argparse.Namespace) -> Config:
    """The checkpoint's config, with what may be changed as asked for; an error names keys that may not."""
    base = load_config(options.config) if options.config else saved
    asked = parse_config(to_toml(base), overrides(options))
    different = [key for key in differing_keys(saved, asked) if not key.startswith(CHANGEABLE)]
    if different:
        raise UsageError(f"--resume: the checkpoint was made with another {', another '.join(different)}")
    return asked


def _describe(data: Dataset, directory: str | None) -> dict[str, Any]:
    """What a checkpoint says of its data."""
    return {
        "name": data.name,
        "directory": None if directory is None else str(Path(directory).resolve()),
        "classes": data.classes,
        "shape": data.train_images.shape[1:],
        "training_pictures": len(data.train_images),
        "labels": zlib.crc32(data.train_labels.tobytes()),
    }


def _check_same_data(saved: Saved, data: Dataset, loader: Any) -> None:
    """The training pictures are the checkpoint's if their labels, mean and deviation are."""
    now = json.loads(json.dumps(_describe(data, None)))
    different = [name for name in now if name not in ("name", "directory") and now[name] != saved.data[name]]
    if (loader.mean != saved.mean).any() or (loader.std != saved.std).any():
        different.append("pixels")
    if different:
        raise UsageError(
            f"--resume: the data {data.name} are not those of the checkpoint ({saved.data['name']}), "
            f"other {', '.join(different)}"
        )
