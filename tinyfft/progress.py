"""How a loop over minibatches tells how far it is: a bar on a terminal, now and then a line elsewhere.

with progress.start("epoch 3/10", len(loader)):
    for images, labels in loader.epoch(3):
        ...
        progress.advance(len(labels), loss)

`done` minibatches were there before, when a loop goes on that had been cut off.
"""

import sys
import time
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class Lines:
    """Plain lines on standard output, at most one in `seconds` while a loop runs."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds

    @contextmanager
    def start(self, label: str, batches: int | None, done: int = 0):
        self._label, self._batches, self._done, self._images = label, batches, done, 0
        self._started = self._last = time.monotonic()
        yield

    def advance(self, images: int, loss: float | None = None) -> None:
        """One more minibatch of `images` pictures is done; without a loss none is shown."""
        self._done += 1
        self._images += images
        now = time.monotonic()
        if now - self._last >= self._seconds:
            self._last = now
            of = f"/{self._batches}" if self._batches else ""
            speed = self._images / (now - self._started)
            self.write(f"{self._label}: minibatch {self._done}{of}, {_loss(loss)}{speed:.0f} images/s")

    def write(self, line: str) -> None:
        """A line for the user to keep."""
        print(line, flush=True)


class Bars:
    """A tqdm bar on standard error, which goes when its loop ends."""

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
    """Bars if standard error is a terminal, else Lines."""
    return Bars() if sys.stderr.isatty() else Lines()


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"loss {loss:.4f}, "
