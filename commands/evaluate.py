"""train.py --evaluate: evaluate the network of a checkpoint on test images."""

import argparse
from collections.abc import Sequence

import numpy as np

from commands import build
from commands.errors import UsageError
from commands.saved_checkpoint import SavedCheckpoint
from datasets import Dataset
from tinyfft import nn
from tinyfft.files import write_json
from tinyfft.training import evaluation, progress


def run(options: argparse.Namespace) -> int:
    """Print the confusion matrix, accuracy and loss, and write them to the file of --json. Return the exit code."""
    saved = SavedCheckpoint.read(options.evaluate)
    device, network = saved.load_network(options.device)
    display = progress.for_terminal()
    data = build.load_data(saved.config, options.data or saved.data.directory, display)
    _check_classes_and_shape(saved, data)
    loader = saved.make_loader(data.test_images, data.test_labels, device)
    with display.start("test", len(loader)):
        outcome = evaluation.evaluate(network, loader.epoch(0), saved.config.evaluation.mirror, display.advance)
    loss = nn.CrossEntropyCriterion(saved.config.loss.label_smoothing).forward(*map(device.array, outcome))
    print(confusion_table(outcome.confusion, saved.data.classes))
    print(f"test accuracy {outcome.accuracy:.4f}, loss {loss:.4f}, {len(outcome.targets)} images of {data.name}")
    if options.json:
        report = {"data": data.name, "accuracy": outcome.accuracy, "loss": float(loss), "classes": saved.data.classes}
        write_json(options.json, report | {"confusion": outcome.confusion.tolist()})
    return 0


def confusion_table(confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Return the matrix as text: a row for each true class, a column for each predicted class."""
    width = max(len(str(confusion.max())), 5) + 1
    label_width = max(map(len, classes))
    lines = [
        f"{'':<{label_width}}  predicted",
        " " * label_width + "".join(f"{name[: width - 1]:>{width}}" for name in classes),
    ]
    for name, row in zip(classes, confusion, strict=True):
        lines.append(f"{name:<{label_width}}" + "".join(f"{count:>{width}}" for count in row))
    return "\n".join(lines)


def _check_classes_and_shape(saved: SavedCheckpoint, data: Dataset) -> None:
    found = {"classes": list(data.classes), "shape": list(data.test_images.shape[1:])}
    for name, values in found.items():
        expected = getattr(saved.data, name)
        if values != expected:
            text = f"{', '.join(map(str, values))}, expected {', '.join(map(str, expected))}"
            raise UsageError(f"--evaluate: the {name} of {data.name} are {text}, as the network was trained")
