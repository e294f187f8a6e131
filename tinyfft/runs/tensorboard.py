"""Metrics of each epoch for TensorBoard: tensorboard --logdir runs.

Each number of metrics.jsonl except `epoch` becomes a scalar: loss/train, accuracy/test, seconds, learning_rate, ...
tensorboardX writes them, without PyTorch or TensorFlow: the extra `tensorboard`.
Source  tensorboardX.SummaryWriter, documentation
"""

import os
from typing import Any

from tinyfft.runs.config import ConfigError
from tinyfft.training.trainer import Callback, Trainer


class TensorBoard(Callback):
    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """
        folder  for the event files; the first is written when an epoch ends
        Raises ConfigError if tensorboardX is not installed.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            advice = "pip install -e '.[tensorboard]' in the checkout"
            raise ConfigError(f"tensorboard is true, which needs tensorboardX ({error}): {advice}") from error
        self._make_writer, self._folder = SummaryWriter, os.fspath(folder)
        self._writer: Any = None

    def epoch_ended(self, trainer: Trainer, metrics: dict[str, Any]) -> None:
        if self._writer is None:
            self._writer = self._make_writer(self._folder)
        for name, value in metrics.items():
            if isinstance(value, (int, float)) and name != "epoch":
                self._writer.add_scalar(_tag(name), value, metrics["epoch"])
        self._writer.flush()


def _tag(name: str) -> str:
    """Return loss/train for train_loss: TensorBoard shows scalars with the same prefix side by side."""
    part, _, kind = name.rpartition("_")
    return f"{kind}/{part}" if kind in ("loss", "accuracy") else name
