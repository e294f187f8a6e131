"""Running metrics of a loop over minibatches, on a device that may not have computed the last results yet."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Results = Callable[[], tuple[float, int]]
"""Waits for a minibatch, and returns its mean loss and the number of images that the network classifies correctly."""


@dataclass
class RunningMetrics:
    """Sums over minibatches: `images` and `batches` include pending minibatches, `loss` and `correct` do not."""

    images: int = 0
    loss: float = 0.0  # summed over images
    correct: int = 0
    batches: int = 0
    seconds: float = 0.0  # of the loop so far
    last_loss: float | None = None  # mean loss of the last minibatch whose results were read
    _pending: deque[tuple[int, Results]] = field(default_factory=deque)

    def add(self, images: int, results: Results) -> None:
        """Count a minibatch. `results` is called later, by `drain`."""
        self._pending.append((images, results))
        self.images += images
        self.batches += 1

    def drain(self, keep: int = 0) -> None:
        """Wait for the results of all pending minibatches except the last `keep`, and add them."""
        while len(self._pending) > keep:
            images, results = self._pending.popleft()
            self.last_loss, correct = results()
            self.loss += self.last_loss * images
            self.correct += correct

    def means(self) -> dict[str, Any]:
        """Return {loss, accuracy, images}: means over the images. Nothing may be pending."""
        return {"loss": self.loss / self.images, "accuracy": self.correct / self.images, "images": self.images}

    def state(self) -> dict[str, Any]:
        """Return the arguments of RunningMetrics that continue these sums, as JSON values. Nothing may be pending."""
        return {name: getattr(self, name) for name in ("images", "loss", "correct", "batches", "seconds")}
