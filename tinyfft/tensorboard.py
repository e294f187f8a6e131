"""The measurements of each epoch for TensorBoard: tensorboard --logdir runs.

A scalar for each number of metrics.jsonl but the epoch's own: loss/train, accuracy/test, seconds, learning_rate, ...
The writer is tensorboardX's, which needs neither PyTorch nor TensorFlow: the extra `tensorboard`.
Source  tensorboardX.SummaryWriter, documentation
"""

import os
from typing import Any

from tinyfft.config import ConfigError
from tinyfft.trainer import Callback, Trainer


class TensorBoard(Callback):
    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Nothing is written to the folder before an epoch ends. Raises ConfigError where tensorboardX is missing."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                f"tensorboard is true, which needs tensorboardX ({error}): pip install -e '.[tensorboard]'"
            ) from error
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
    """train_loss -> loss/train, so that TensorBoard puts the losses of all pictures side by side."""
    part, _, kind = name.rpartition("_")
    return f"{kind}/{part}" if kind in ("loss", "accuracy") else name
