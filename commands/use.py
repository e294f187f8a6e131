"""train.py --evaluate and train.py --predict: what the network of a checkpoint makes of pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from commands import build
from commands.errors import UsageError
from commands.saved import Saved
from datasets import Dataset, Decoder, Loader
from tinyfft import checkpoint, nn
from tinyfft.backend import Device
from tinyfft.evaluation import evaluate as outputs_of
from tinyfft.evaluation import probabilities
from tinyfft.files import write_json
from tinyfft.training import progress


def evaluate(options: argparse.Namespace) -> int:
    """Accuracy, loss and confusion of the test pictures; returns the exit code."""
    saved, device, network = _load(options.evaluate, options)
    show = progress.for_terminal()
    data = build.load_data(saved.config, options.data or saved.directory, show)
    _check_same_kind(saved, data)
    loader = _loader(saved, device, data.test_images, data.test_labels)
    with show.start("test", len(loader)):
        outcome = outputs_of(network, loader.epoch(0), saved.config.evaluation.mirror, show.advance)
    loss = nn.CrossEntropyCriterion(saved.config.loss.label_smoothing).forward(*map(device.array, outcome))
    print(confusion_table(outcome.confusion, saved.classes))
    print(f"test accuracy {outcome.accuracy:.4f}, loss {loss:.4f}, {len(outcome.targets)} pictures of {data.name}")
    if options.json:
        report = {"data": data.name, "accuracy": outcome.accuracy, "loss": float(loss), "classes": saved.classes}
        report |= {"confusion": outcome.confusion.tolist()}
        write_json(options.json, report)
    return 0


def predict(options: argparse.Namespace) -> int:
    """The classes of pictures with their probabilities, the likeliest first; returns the exit code."""
    file, *pictures = options.predict
    saved, device, network = _load(file, options)
    of = saved.config.data
    images = Decoder(pictures, _read, of.size, of.fit, shape=saved.shape, progress=False).all()
    loader = _loader(saved, device, images, np.zeros(len(images), np.int64))
    found = probabilities(outputs_of(network, loader.epoch(0), saved.config.evaluation.mirror).outputs)
    for name, of_classes in zip(pictures, found, strict=True):
        ranked = sorted(zip(of_classes, saved.classes, strict=True), key=lambda pair: -pair[0])
        print(f"{name}: " + ", ".join(f"{label} {share:.3f}" for share, label in ranked))
    return 0


def confusion_table(confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Lines of text: true classes down, predicted ones across."""
    width = max(len(str(confusion.max())), 5) + 1
    label = max(map(len, classes))
    head = " " * label + "".join(f"{name[: width - 1]:>{width}}" for name in classes)
    rows = [
        f"{name:<{label}}" + "".join(f"{count:>{width}}" for count in row)
        for name, row in zip(classes, confusion, strict=True)
    ]
    return "\n".join([f"{'':<{label}}  predicted", head, *rows])


def _read(picture: str) -> bytes:
    return Path(picture).read_bytes()


def _check_same_kind(saved: Saved, data: Dataset) -> None:
    expected = (
        ("classes", list(data.classes), saved.classes),
        ("shape", list(data.test_images.shape[1:]), saved.shape),
    )
    for name, came, wanted in expected:
        if came != wanted:
            text = f"{', '.join(map(str, came))}, expected {', '.join(map(str, wanted))}"
            raise UsageError(f"--evaluate: the {name} of {data.name} are {text}, as the network was trained")


def _load(file: str, options: argparse.Namespace) -> tuple[Saved, Device, nn.Sequential]:
    saved = Saved.read(file)
    device = build.use_device(options.device)
    build.prepare(saved.config, device)
    network = build.make_network(saved.config, tuple(saved.shape), len(saved.classes))
    checkpoint.put(saved.arrays, network, file)
    return saved, device, network


def _loader(saved: Saved, device: Device, images: Any, labels: np.ndarray) -> Loader:
    return Loader(
        images,
        labels,
        saved.config.batch_size,
        device,
        mean=saved.mean,
        std=saved.std,
        workers=saved.config.data.workers,
    )
