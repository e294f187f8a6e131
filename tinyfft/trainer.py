"""The training loop: forward, loss, backward, a step of the optimizer; after each epoch an evaluation.

    trainer = Trainer(network, criterion, optimizer, schedule, callbacks=[RunFolder("runs/mine")])
    for metrics in trainer.fit(train_loader, {"test": test_loader}, epochs=10):
        print(metrics["test_accuracy"])

Losses and accuracies are means over the pictures of an epoch; those of training are taken as the epoch goes, with the
weights of the moment. Accuracies are fractions of 1. A loss is looked at once the device has it, on a GPU while that is
at the next minibatch; one that is not finite has changed no weight, nor has a later one (step.py). All that decides how
a training goes on is in `state()`: a trainer that has been given it by `restore` goes on from the same minibatch of the
same epoch, to the same bits.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinyfft import backend, checkpoint
from tinyfft import progress as progress_module
from tinyfft.backend import Array, to_host
from tinyfft.checkpoint import NETWORK, OPTIMIZER
from tinyfft.fourier import arena
from tinyfft.fourier.arena import LimitError
from tinyfft.nn.module import Module
from tinyfft.step import Measured, Step
from tinyfft.sums import Pending, Sums

Batches = Iterable[tuple[Array, Array]]  # (images (S, C, H, W), labels (S,)), on the network's device


class DivergedError(ArithmeticError):
    """The loss or a weight is no longer a finite number, so that no further step can help."""


class Callback:
    """What is told how a training goes; override what is wanted. An exception from here ends the training."""

    def started(self, trainer: "Trainer") -> None:
        """Before the first minibatch, and before the first one after a `restore`."""

    def batch_ended(self, trainer: "Trainer") -> None:
        """After each minibatch: of training where trainer.network.train, else of an evaluation."""

    def epoch_ended(self, trainer: "Trainer", metrics: dict[str, Any]) -> None:
        """After an epoch and its evaluation."""


class Trainer:
    def __init__(
        self,
        network: Module,
        criterion: Any,
        optimizer: Any,
        schedule: Any,
        progress: Any = None,
        callbacks: Sequence[Callback] = (),
        mirror: bool = False,
        graph: bool = True,
    ) -> None:
        """
        criterion   updateOutput(output, labels) -> loss, backward(output, labels) -> its gradient, and
                    check_target_values(output, labels), which raises if the labels are why a loss is NaN
        optimizer   step(loss), on the network's flat weights and gradients, and the attribute learning_rate
        schedule    learning_rate_at(step), asked before each minibatch
        progress    a progress.Bars or progress.Lines; lines without one
        callbacks   each is called in this order
        mirror      whether evaluations take the mean with the mirrored pictures' outputs (evaluation.py)
        graph       whether a GPU's steps are recorded as a CUDA graph, where they may be (step.py)
        """
        self.steps = Step(network, criterion, optimizer, graph, mirror)
        self.schedule = schedule
        self.progress = progress or progress_module.Lines()
        self.callbacks = list(callbacks)
        self.step = 0  # minibatches trained on so far
        self.history: list[dict[str, Any]] = []  # the metrics of each epoch that ended
        self._sums = Sums()  # of the epoch under way
        self._diverged: DivergedError | None = None
        network.needs_gradInput = False

    def fit(
        self, train_loader: Any, evaluations: Mapping[str, Any], epochs: int, data: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Train until there have been `epochs`, and yield each one's measurements: what a line of metrics.jsonl holds.

        train_loader  len(), and epoch(number, first): the minibatches of that epoch from number `first` on
        evaluations   loaders by name, such as "test": each gives NAME_loss and NAME_accuracy
        data          a name for what is trained on, for the measurements
        `seconds` is the epoch's whole time, evaluation included; `images_per_second` is of training alone;
        `learning_rate` is that of its last minibatch.
        """
        self._tell("started")
        for epoch in range(len(self.history) + 1, epochs + 1):
            label = f"epoch {epoch}/{epochs}"
            start = time.monotonic() - self._sums.seconds
            self.network.training()
            batches = train_loader.epoch(epoch, self._sums.batches)
            train = self._over(batches, label, len(train_loader), self._train_step, self._sums)
            metrics = {"epoch": epoch, "train_loss": train["loss"], "train_accuracy": train["accuracy"]}
            for name, loader in evaluations.items():
                found = self.evaluate(loader.epoch(0), f"{label}, {name}", len(loader))
                metrics |= {f"{name}_loss": found["loss"], f"{name}_accuracy": found["accuracy"]}
            metrics |= {
                "seconds": time.monotonic() - start,
                "images_per_second": train["images"] / self._sums.seconds,
                "learning_rate": self.schedule.learning_rate_at(self.step - 1),
                "data": data,
                "device": str(self.network.device),
            }
            self.history.append(metrics)
            self._sums = Sums()
            self._tell("epoch_ended", metrics)
            yield metrics

    def train_epoch(self, batches: Batches, label: str = "train", total: int | None = None) -> dict[str, Any]:
        """One step for each minibatch; {loss, accuracy, images}. Raises DivergedError at the first loss not finite."""
        self.network.training()
        return self._over(batches, label, total, self._train_step, Sums())

    def evaluate(self, batches: Batches, label: str = "test", total: int | None = None) -> dict[str, Any]:
        """{loss, accuracy, images} of the network in evaluate() mode, in which it stays."""
        self.steps.start_evaluation()
        return self._over(batches, label, total, self._evaluate_step, Sums())

    @property
    def network(self) -> Module:
        return self.steps.network

    @property
    def criterion(self) -> Any:
        return self.steps.criterion

    @property
    def optimizer(self) -> Any:
        return self.steps.optimizer

    @property
    def inside_epoch(self) -> bool:
        """Whether an epoch is under way."""
        return self._sums.batches > 0

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """(arrays, record): all that decides how the training goes on. The arrays are not copies; the record is JSON.

        Raises DivergedError if a loss or a weight is not finite: what was saved before is worth more.
        """
        self._settle(self._sums)
        if self._diverged:
            raise self._diverged
        arrays = self._arrays()
        for name, array in arrays.items():
            if not np.isfinite(to_host(array)).all():
                raise DivergedError(f"{name} holds numbers that are not finite after {self.step} steps: {_ADVICE}")
        return arrays, {
            "step": self.step,
            "history": self.history,
            "epoch": self._sums.record(),
            "random": backend.generator().bit_generator.state,
            "arena": arena.found_bytes.get(self.network.device),
            "choices": {name: module.choices for name, module in self._choosing()},
        }

    def restore(self, arrays: Mapping[str, Array], record: Mapping[str, Any]) -> None:
        """Take over a `state()`, of which the arrays may be on the host, and others among them.

        Raises CheckpointError, and changes nothing, if it is of another network.
        """
        own = {name: array for name, array in arrays.items() if name.startswith((NETWORK, OPTIMIZER))}
        checkpoint.copy(own, self._arrays(), self.network.device, "the checkpoint")
        self.network.weights_changed()
        self.steps.start_anew()
        self._diverged = None
        self.step, self.history, self._sums = record["step"], list(record["history"]), Sums(**record["epoch"])
        backend.generator().bit_generator.state = record["random"]
        if record["arena"] is not None:
            arena.found_bytes[self.network.device] = record["arena"]
        for name, module in self._choosing():
            module.choices = record["choices"][name]

    def _arrays(self) -> dict[str, Array]:
        parts = {NETWORK: self.network.state(), OPTIMIZER: self.optimizer.state()}
        return {part + name: array for part, arrays in parts.items() for name, array in arrays.items()}

    def _choosing(self) -> Iterator[tuple[str, Any]]:
        """(name, layer) of those that choose between algorithms by a clock, which would not choose the same again."""
        return ((name, module) for name, module in self.network.modules() if hasattr(module, "choices"))

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)

    def _over(self, batches: Batches, label: str, total: int | None, step: Callable, sums: Sums) -> dict[str, Any]:
        start = time.monotonic() - sums.seconds
        with self.progress.start(label, total, sums.batches):
            for input, target in batches:
                steps = self.step
                wait = self._attempt(step, input, target)
                sums.add(Pending(wait, target, steps, self.optimizer.learning_rate))
                self._settle(sums, but=self.steps.ahead if sums.batches > 1 else 0)
                sums.seconds = time.monotonic() - start
                self.progress.advance(len(target), sums.last_loss)
                self._tell("batch_ended")
            self._settle(sums)
            sums.seconds = time.monotonic() - start
        if not sums.images:
            raise ValueError(f"{label}: there is no minibatch, expected at least one")
        return {"loss": sums.loss / sums.images, "accuracy": sums.correct / sums.images, "images": sums.images}

    def _settle(self, sums: Sums, but: int = 0) -> None:
        """Wait for what was measured, but for the last minibatches. Raises DivergedError if a loss is not finite: then
        neither its step nor a later one was taken."""
        for batch, measured in sums.settle(but):
            if not math.isfinite(measured.loss):
                self.step = batch.steps
                sums.pending.clear()
                if self.steps.output is not None:
                    self.criterion.check_target_values(self.steps.output, batch.target)
                rate = f"at learning rate {batch.learning_rate:.3g}"
                text = f"the loss is {measured.loss} after {batch.steps} steps, {rate}: {_ADVICE}"
                self._diverged = DivergedError(text)
                raise self._diverged

    def _attempt(self, step: Callable, input: Array, target: Array) -> Callable[[], Measured]:
        """step(input, target); where arena.limit_bytes is "auto", again with a smaller arena while memory runs out.

        Random numbers are drawn again alike. Running statistics may have seen the minibatch twice.
        """
        random, first = backend.generator().bit_generator.state, None
        while True:
            try:
                return step(input, target)
            except LimitError:
                if first is None:
                    raise
                raise first from None  # no arena is small enough to help
            except MemoryError as error:
                first = first or error
                self.steps.forget()
                if (limit := arena.shrink(self.network.device)) is None:
                    raise
                self.progress.write(f"out of memory: the arena is limited to {limit} bytes from here on")
                backend.generator().bit_generator.state = random

    def _train_step(self, input: Array, target: Array) -> Callable[[], Measured]:
        self.optimizer.learning_rate = self.schedule.learning_rate_at(self.step)
        self.steps.train(input, target)
        self.step += 1
        return self.steps.measured()

    def _evaluate_step(self, input: Array, target: Array) -> Callable[[], Measured]:
        self.steps.evaluate(input, target)
        return self.steps.measured()


_ADVICE = "try a smaller optimizer.learning_rate"
