"""The training loop: forward, loss, backward, a step of the optimizer; after each epoch an evaluation.

    trainer = Trainer(network, criterion, optimizer, schedule)
    for metrics in trainer.fit(train_loader, test_loader, epochs=10, data="cifar10"):
        print(metrics["test_accuracy"])

Losses and accuracies are means over the pictures of an epoch; those of training are taken as the epoch goes, with the
weights of the moment. Accuracies are fractions of 1.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinyfft import progress as progress_module
from tinyfft.backend import Array
from tinyfft.nn.module import Module

Batches = Iterable[tuple[Array, Array]]  # (images (S, C, H, W), labels (S,)), on the network's device


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number, so that no further step can help."""


class Trainer:
    def __init__(
        self,
        network: Module,
        criterion: Any,
        optimizer: Any,
        schedule: Any,
        progress: Any = None,
        after_step: Callable[["Trainer"], None] | None = None,
    ) -> None:
        """
        criterion   forward(output, labels) -> loss, backward(output, labels) -> its gradient
        optimizer   step(), on the network's flat weights and gradients, and the attribute learning_rate
        schedule    learning_rate_at(step), asked before each minibatch
        progress    a progress.Bars or progress.Lines; lines without one
        after_step  called with this trainer after each minibatch of training
        """
        self.network = network
        self.criterion = criterion
        self.optimizer = optimizer
        self.schedule = schedule
        self.progress = progress or progress_module.Lines()
        self.after_step = after_step
        self.step = 0  # minibatches trained on so far
        network.needs_gradInput = False

    def fit(self, train_loader: Any, test_loader: Any, epochs: int, data: str) -> Iterator[dict[str, Any]]:
        """Train for `epochs`, and yield each one's measurements: what a line of metrics.jsonl holds.

        `seconds` is the epoch's whole time, evaluation included; `images_per_second` is of training alone.
        """
        for epoch in range(1, epochs + 1):
            start = time.monotonic()
            label = f"epoch {epoch}/{epochs}"
            train = self.train_epoch(train_loader.epoch(epoch), label, len(train_loader))
            trained = time.monotonic()
            test = self.evaluate(test_loader.epoch(0), f"{label}, test", len(test_loader))
            yield {
                "epoch": epoch,
                "train_loss": train["loss"],
                "train_accuracy": train["accuracy"],
                "test_loss": test["loss"],
                "test_accuracy": test["accuracy"],
                "seconds": time.monotonic() - start,
                "images_per_second": train["images"] / (trained - start),
                "data": data,
                "device": str(self.network.device),
            }

    def train_epoch(self, batches: Batches, label: str = "train", total: int | None = None) -> dict[str, Any]:
        """One step for each minibatch; {loss, accuracy, images}. Raises DivergedError at the first loss not finite."""
        self.network.training()
        return self._over(batches, label, total, self._train_step)

    def evaluate(self, batches: Batches, label: str = "test", total: int | None = None) -> dict[str, Any]:
        """{loss, accuracy, images} of the network in evaluate() mode, in which it stays."""
        self.network.evaluate()
        return self._over(batches, label, total, self._evaluate_step)

    def _over(self, batches: Batches, label: str, total: int | None, step: Callable) -> dict[str, Any]:
        images, loss_sum, correct = 0, 0.0, 0
        with self.progress.start(label, total):
            for input, target in batches:
                loss, output = step(input, target)
                images += len(target)
                loss_sum += loss * len(target)
                correct = correct + (output.argmax(axis=1) == target).sum()  # stays on the device until the end
                self.progress.advance(len(target), loss)
        if not images:
            raise ValueError(f"{label}: there is no minibatch, expected at least one")
        return {"loss": loss_sum / images, "accuracy": int(correct) / images, "images": images}

    def _train_step(self, input: Array, target: Array) -> tuple[float, Array]:
        self.optimizer.learning_rate = self.schedule.learning_rate_at(self.step)
        self.network.zeroGradParameters()
        output = self.network.forward(input)
        loss = self.criterion.forward(output, target)
        self._check(loss)
        self.network.backward(input, self.criterion.backward(output, target))
        self.optimizer.step()
        self.network.weights_changed()
        self.step += 1
        if self.after_step:
            self.after_step(self)
        return loss, output

    def _evaluate_step(self, input: Array, target: Array) -> tuple[float, Array]:
        output = self.network.forward(input)
        loss = self.criterion.forward(output, target)
        self._check(loss)
        return loss, output

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} after {self.step} steps, at learning rate {self.optimizer.learning_rate:.3g}: "
                f"try a smaller optimizer.learning_rate"
            )
