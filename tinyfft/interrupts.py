"""SIGINT and SIGTERM end a training after the minibatch under way, so that it can be saved; a second one at once.

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

from tinyfft.trainer import Callback, Trainer

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """The training was asked to end by the signal with this number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number


class Interrupts(Callback):
    def __init__(self, program: str = "train.py") -> None:
        self.received: int | None = None
        self._program = program

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # a caller may want it ignored
                signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def batch_ended(self, trainer: Trainer) -> None:
        """Raises Stopped if a signal came."""
        if self.received is not None:
            raise Stopped(self.received)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        text = f"{self._program}: {signal.Signals(number).name}: ends after this minibatch, a second one at once\n"
        os.write(sys.stderr.fileno(), text.encode())
