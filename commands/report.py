"""The report of a run, written when its training has ended."""

import dataclasses
import platform
from pathlib import Path
from typing import Any

from datasets import Dataset
from tinyfft.files import write_text
from tinyfft.runs import report, timing
from tinyfft.runs.config import Config, Timing
from tinyfft.training.evaluation import evaluate
from tinyfft.training.trainer import Trainer


def write(folder: Path, trainer: Trainer, config: Config, data: Dataset, test_loader: Any) -> None:
    """Write report.html to the run's folder, or print why it cannot be written.

    The trainer must be in the state of the folder's latest checkpoint. Do not train with it afterwards: timing the
    layers changes the network's running statistics. Raises OSError, which names the file, if writing fails.
    """
    display, network = trainer.progress, trainer.network
    try:
        report.require_matplotlib()
    except report.ReportError as error:
        display.write(f"no {report.NAME}: {error}; then python train.py --resume {folder} writes it")
        return
    run = report.read(folder)
    run = run._replace(machine=run.machine | {"Python": platform.python_version(), "system": platform.platform()})
    with display.start(report.NAME, len(test_loader)):
        outcome = evaluate(network, test_loader.epoch(0), trainer.train_step.mirror, display.advance)
    findings = report.Findings(
        classes=data.classes,
        confusion=outcome.confusion,
        correct=report.examples(outcome, data.test_images, correct=True),
        wrong=report.examples(outcome, data.test_images, correct=False),
        kernels=report.first_kernels(network),
        layers=timing.measure_layers(network, _timing_config(config, data)),
    )
    write_text(folder / report.NAME, report.run_page(run, findings))


def _timing_config(config: Config, data: Dataset) -> Config:
    """Return the config with random images of the data's shape, at most as many as there are training images."""
    images = Timing(data.train_images.shape[1:], len(data.classes))
    return dataclasses.replace(config, batch_size=min(config.batch_size, len(data.train_images)), timing=images)
