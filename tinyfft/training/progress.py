"""Progress displays of a loop over minibatches: a bar on a terminal, a line from time to time elsewhere.

with progress.start("epoch 3/10", len(loader)):
    for images, labels in loader.epoch(3):
        ...
        progress.advance(len(labels), loss)

`batches` is the number of minibatches, if it is known. A loop that resumes begins after `done` of them.
"""

import sys
import time
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class Lines:
    """Prints plain lines on standard output."""

    def __init__(self, seconds: float = 30.0) -> None:
        """seconds  the least time between two lines of a loop"""
        self._seconds = seconds

    @contextmanager
    def start(self, label: str, batches: int | None, done: int = 0):
        self._label, self._batches, self._done, self._images = label, batches, done, 0
        self._started = self._last = time.monotonic()
        yield

    def advance(self, images: int, loss: float | None = None) -> None:
        """Count a finished minibatch of `images` images, and show the loss, if there is one."""
        self._done += 1
        self._images += images
        now = time.monotonic()
        if now - self._last >= self._seconds:
            self._last = now
            of = f"/{self._batches}" if self._batches else ""
            speed = self._images / (now - self._started)
            self.write(f"{self._label}: minibatch {self._done}{of}, {_loss(loss)}{speed:.0f} images/s")

    def write(self, line: str) -> None:
        """Print a line that stays."""
        print(line, flush=True)


class Bars:
    """Shows a tqdm bar on standard error, and removes it when the loop ends."""

    @contextmanager
    def start(self, label: str, batches: int | None, done: int = 0):
        self._images, self._started = 0, time.monotonic()
        bar = {"initial": done, "total": batches, "unit": "batch", "leave": False, "dynamic_ncols": True}
        with tqdm(desc=label, **bar) as self._bar:
            yield

    def advance(self, images: int, loss: float | None = None) -> None:
        self._images += images
        speed = self._images / max(time.monotonic() - self._started, 1e-9)
        self._bar.set_postfix_str(f"{_loss(loss)}{speed:.0f} images/s", refresh=False)
        self._bar.update()

    def write(self, line: str) -> None:
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


def for_terminal() -> Any:
    """Return Bars if standard error is a terminal, else Lines."""
    return Bars() if sys.stderr.isatty() else Lines()


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"loss {loss:.4f}, "
