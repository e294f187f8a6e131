"""The training loop: a training step for each minibatch, and an evaluation after each epoch.

    trainer = Trainer(network, criterion, optimizer, schedule, callbacks=[RunFolder("runs/mine")])
    for metrics in trainer.fit(train_loader, {"test": test_loader}, epochs=10):
        print(metrics["test_accuracy"])

Losses and accuracies (fractions of 1) are means over the images of an epoch, in training with the weights before each
step. The host reads a loss while a GPU works on the next minibatch. After a loss that is not finite no step changes a
weight. A trainer that restores a `state()` continues with the next minibatch of the same epoch, to the same bits.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinyfft import random
from tinyfft.backend import Array, to_host
from tinyfft.nn.module import Module
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import NETWORK, OPTIMIZER
from tinyfft.training.metrics import Results, RunningMetrics
from tinyfft.training.progress import Lines
from tinyfft.training.step import TrainStep

Batches = Iterable[tuple[Array, Array]]  # (images (S, C, H, W), labels (S,)), on the network's device

_ADVICE = "try a smaller optimizer.learning_rate"


class DivergedError(ArithmeticError):
    """A loss or a weight is not finite, so that no further step can help."""


class Callback:
    """Override the methods that you need. An exception from one of them ends the training."""

    def started(self, trainer: "Trainer") -> None:
        """Called before the first minibatch of `fit`, also after a `restore`."""

    def batch_ended(self, trainer: "Trainer") -> None:
        """Called after each minibatch: of training if trainer.network.train, else of an evaluation."""

    def epoch_ended(self, trainer: "Trainer", metrics: dict[str, Any]) -> None:
        """Called after each epoch and its evaluations."""


class Trainer:
    def __init__(
        self,
        network: Module,
        criterion: Any,
        optimizer: Any,
        schedule: Any,
        *,
        progress: Any = None,
        callbacks: Sequence[Callback] = (),
        mirror: bool = False,
        graph: bool = True,
    ) -> None:
        """
        network     its flat weights and gradients belong to the optimizer
        criterion   updateOutput(output, labels) -> loss, backward(output, labels) -> its gradient, and
                    check_target_values(output, labels), which raises if the labels are the reason for a loss of NaN
        optimizer   step(loss), which changes the weights if the loss is finite; state(); attribute learning_rate
        schedule    learning_rate_at(step), called before each training step
        progress    progress.Bars() or progress.Lines(); None: Lines()
        callbacks   called in this order
        mirror      whether evaluations average over mirrored images (evaluation.outputs)
        graph       whether a GPU's steps are captured as CUDA graphs where this is possible (step.py)
        """
        self.network, self.criterion, self.optimizer, self.schedule = network, criterion, optimizer, schedule
        self.train_step = TrainStep(network, criterion, optimizer, graph=graph, mirror=mirror)
        self.progress = progress or Lines()
        self.callbacks = list(callbacks)
        self.global_step = 0  # minibatches trained on
        self.history: list[dict[str, Any]] = []  # the metrics of each finished epoch
        self._running = RunningMetrics()  # of the current epoch's training
        self._diverged: DivergedError | None = None
        network.needs_gradInput = False

    def fit(
        self, train_loader: Any, evaluations: Mapping[str, Any], epochs: int, data: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Train until `epochs` epochs are finished, and yield the metrics of each: a line of metrics.jsonl.

        train_loader  len(), and epoch(number, first): the minibatches of an epoch from number `first` on
        evaluations   loaders by name: "test" gives test_loss and test_accuracy
        data          the name of the data, for the metrics
        `seconds` is the time of the epoch including its evaluations, `images_per_second` the speed of its training
        alone, `learning_rate` the rate of its last step.
        """
        self._notify("started")
        for epoch in range(len(self.history) + 1, epochs + 1):
            label = f"epoch {epoch}/{epochs}"
            start = time.monotonic() - self._running.seconds
            batches = train_loader.epoch(epoch, self._running.batches)
            means = self.train_epoch(batches, label, len(train_loader), self._running)
            metrics = {"epoch": epoch, "train_loss": means["loss"], "train_accuracy": means["accuracy"]}
            for name, loader in evaluations.items():
                means = self.evaluate(loader.epoch(0), f"{label}, {name}", len(loader))
                metrics |= {f"{name}_loss": means["loss"], f"{name}_accuracy": means["accuracy"]}
            metrics |= {
                "seconds": time.monotonic() - start,
                "images_per_second": self._running.images / self._running.seconds,
                "learning_rate": self.schedule.learning_rate_at(self.global_step - 1),
                "data": data,
                "device": str(self.network.device),
            }
            self.history.append(metrics)
            self._running = RunningMetrics()
            self._notify("epoch_ended", metrics)
            yield metrics

    def train_epoch(
        self, batches: Batches, label: str = "train", total: int | None = None, running: RunningMetrics | None = None
    ) -> dict[str, Any]:
        """Take one step for each minibatch; return {loss, accuracy, images}, also of minibatches counted in `running`.

        Raises DivergedError if a loss is not finite, ValueError if there is no minibatch.
        """
        self.network.training()
        return self._loop(self._train_minibatch, batches, label, total, running or RunningMetrics())

    def evaluate(self, batches: Batches, label: str = "test", total: int | None = None) -> dict[str, Any]:
        """Return {loss, accuracy, images} in evaluate() mode, in which the network stays. Raises as `train_epoch`."""
        self.train_step.start_evaluation()
        return self._loop(self.train_step.evaluate, batches, label, total, RunningMetrics())

    @property
    def step(self) -> int:
        """`global_step`, for callbacks."""
        return self.global_step

    @property
    def inside_epoch(self) -> bool:
        """Whether the current epoch has begun."""
        return self._running.batches > 0

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return (arrays, record), which determine the rest of the training. Arrays are not copied; the record is JSON.

        Raises DivergedError if a loss or a weight is not finite, so that no such state replaces a good one.
        """
        if self._diverged:
            raise self._diverged
        self._running.drain()
        arrays = self._arrays()
        for name, array in arrays.items():
            if not np.isfinite(to_host(array)).all():
                raise DivergedError(f"{name} is not finite after {self.global_step} steps: {_ADVICE}")
        return arrays, {
            "step": self.global_step,
            "history": self.history,
            "epoch": self._running.state(),
            "random": random.generator().bit_generator.state,
            "arena": None,  # older versions read this key
            "choices": {name: module.choices for name, module in self.network.modules() if hasattr(module, "choices")},
        }

    def restore(self, arrays: Mapping[str, Array], record: Mapping[str, Any]) -> None:
        """Continue from a `state()`. Its arrays may be on the host; arrays with other names are ignored.

        Raises CheckpointError, and changes nothing, if the state belongs to another network.
        """
        own = {name: array for name, array in arrays.items() if name.startswith((NETWORK, OPTIMIZER))}
        checkpoint.copy(own, self._arrays(), self.network.device, "the checkpoint")
        self.network.weights_changed()
        self.train_step.reset()
        self._diverged = None
        self.global_step, self.history = record["step"], list(record["history"])
        self._running = RunningMetrics(**record["epoch"])
        random.generator().bit_generator.state = record["random"]
        modules = dict(self.network.modules())
        for name, choices in record["choices"].items():  # algorithms chosen by time: other ones give other bits
            modules[name].choices = choices

    def _arrays(self) -> dict[str, Array]:
        parts = {NETWORK: self.network.state(), OPTIMIZER: self.optimizer.state()}
        return {part + name: array for part, arrays in parts.items() for name, array in arrays.items()}

    def _notify(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)

    def _train_minibatch(self, input: Array, target: Array) -> None:
        self.optimizer.learning_rate = self.schedule.learning_rate_at(self.global_step)
        self.train_step.train(input, target)
        self.global_step += 1

    def _loop(
        self, run: Callable, batches: Batches, label: str, total: int | None, running: RunningMetrics
    ) -> dict[str, Any]:
        """Call run(input, target) for each minibatch, add the results to `running`, and return the means."""
        start = time.monotonic() - running.seconds
        with self.progress.start(label, total, running.batches):
            for input, target in batches:
                running.add(len(target), self._queue(run, input, target))
                running.drain(keep=self.network.device.steps_ahead)
                running.seconds = time.monotonic() - start
                self.progress.advance(len(target), running.last_loss)
                self._notify("batch_ended")
            running.drain()
            running.seconds = time.monotonic() - start
        if not running.batches:
            raise ValueError(f"{label}: there is no minibatch, expected at least one")
        return running.means()

    def _queue(self, run: Callable, input: Array, target: Array) -> Results:
        """Call run(input, target), and return a function that waits for the results.

        If the loss is not finite, the function raises ValueError if the labels are the reason, else DivergedError.
        """
        steps_before = self.global_step
        run(input, target)
        fetched, learning_rate = self.train_step.fetch(), self.optimizer.learning_rate

        def results() -> tuple[float, int]:
            loss, correct = fetched().tolist()
            if math.isfinite(loss):
                return loss, int(correct)
            self.global_step = steps_before  # neither this step nor a later one has changed a weight
            if self.train_step.output is not None:
                self.criterion.check_target_values(self.train_step.output, target)
            text = f"the loss is {loss} after {steps_before} steps, at learning rate {learning_rate:.3g}: {_ADVICE}"
            self._diverged = DivergedError(text)
            raise self._diverged

        return results
