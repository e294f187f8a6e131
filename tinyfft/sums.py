"""What a loop over minibatches has seen so far: sums of what was measured, and what a GPU still has to measure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tinyfft.backend import Array
from tinyfft.step import Measured


@dataclass
class Pending:
    """A minibatch whose results may not be there yet."""

    wait: Callable[[], Measured]
    target: Array
    steps: int  # taken before it
    learning_rate: float


@dataclass
class Sums:
    images: int = 0
    loss: float = 0.0
    correct: int = 0
    batches: int = 0
    seconds: float = 0.0
    last_loss: float | None = None  # that is known
    pending: list[Pending] = field(default_factory=list)  # what is counted, but not in loss and correct

    def add(self, pending: Pending) -> None:
        """Count a minibatch."""
        self.pending.append(pending)
        self.images += len(pending.target)
        self.batches += 1

    def settle(self, but: int = 0) -> Iterator[tuple[Pending, Measured]]:
        """Wait for what was measured, but for the last minibatches, and yield each before it is added."""
        while len(self.pending) > but:
            first = self.pending.pop(0)
            measured = first.wait()
            yield first, measured
            self.last_loss = measured.loss
            self.loss += measured.loss * len(first.target)
            self.correct += measured.correct

    def record(self) -> dict[str, Any]:
        """What makes the same again, once all is settled; JSON."""
        return {name: getattr(self, name) for name in ("images", "loss", "correct", "batches", "seconds")}
