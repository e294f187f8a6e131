"""report.html in the folder of a run whose training has ended."""

import dataclasses
import platform
from pathlib import Path
from typing import Any

from datasets import Dataset
from tinyfft import report, timing
from tinyfft.config import Config, Timing
from tinyfft.evaluation import evaluate
from tinyfft.files import write_text
from tinyfft.trainer import Trainer


def write(folder: Path, trainer: Trainer, config: Config, data: Dataset, test_loader: Any) -> None:
    """Write it for the folder's latest checkpoint, which is the trainer's, or say why there is none.

    The network is not to be trained after that: timing its layers leaves it in another state, but for its weights.
    Raises OSError, naming the file, if it cannot be written: the checkpoint was before.
    """
    show, network = trainer.progress, trainer.network
    try:
        report.require_matplotlib()
    except report.ReportError as error:
        show.write(f"no {report.NAME}: {error}; then python train.py --resume {folder} writes it")
        return
    run = report.read(folder)
    run = run._replace(machine=run.machine | {"Python": platform.python_version(), "system": platform.platform()})
    with show.start(report.NAME, len(test_loader)):
        outcome = evaluate(network, test_loader.epoch(0), trainer.train_step.mirror, show.advance)
    findings = report.Findings(
        data.classes,
        outcome.confusion,
        report.examples(outcome, data.test_images, right=True),
        report.examples(outcome, data.test_images, right=False),
        report.first_kernels(network),
        timing.measure_layers(network, _as_trained(config, data)),
    )
    write_text(folder / report.NAME, report.run_page(run, findings))


def _as_trained(config: Config, data: Dataset) -> Config:
    """The config with pictures to time that are like the data: as large, and no more than there are."""
    shapes = Timing(data.train_images.shape[1:], len(data.classes))
    return dataclasses.replace(config, batch_size=min(config.batch_size, len(data.train_images)), timing=shapes)
