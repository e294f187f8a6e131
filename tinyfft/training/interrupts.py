"""SIGINT and SIGTERM end a training after the current minibatch, so that it can be saved. A second signal ends the
process at once.

with Interrupts() as interrupts:
    trainer.callbacks.append(interrupts)
    try:
        ...
    except Stopped as stop:
        folder.save(trainer)
        return 128 + stop.signal
"""

import os
import signal
import sys
from types import FrameType

from tinyfft.training.trainer import Callback, Trainer

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """A signal has ended the training; `signal` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number


class Interrupts(Callback):
    def __init__(self, program: str = "train.py") -> None:
        """program  names the program in the message on standard error"""
        self.received: int | None = None
        self._program = program

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # the parent process may have asked to ignore this signal
                signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def batch_ended(self, trainer: Trainer) -> None:
        """Raise Stopped if a signal has arrived."""
        if self.received is not None:
            raise Stopped(self.received)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        text = f"{self._program}: {signal.Signals(number).name}: ends after this minibatch, a second one at once\n"
        os.write(sys.stderr.fileno(), text.encode())
