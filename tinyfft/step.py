"""What is done with one minibatch: a step of training, or an evaluation. Nobody waits for a GPU.

A step is: gradients to zero, forward, loss, backward, and of the optimizer a step unless a loss was not finite. On a
GPU both are recorded and launched as a whole (recorded.py), if all modules, the criterion and the optimizer say of
themselves that they may be: by `capturable`, that they do the same on the device every time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tinyfft import backend, evaluation
from tinyfft.backend import Array
from tinyfft.nn.module import Module
from tinyfft.ops.cross_entropy import count_correct
from tinyfft.recorded import Recorded


class Measured(NamedTuple):
    """Of one minibatch, on the host."""

    loss: float
    correct: int


class Step:
    def __init__(
        self, network: Module, criterion: Any, optimizer: Any, graph: bool = True, mirror: bool = False
    ) -> None:
        """
        graph   whether a GPU's steps are recorded, where they may be
        mirror  as evaluation.outputs has it
        """
        self.network, self.criterion, self.optimizer = network, criterion, optimizer
        self.ahead = 1 if network.device.captures else 0  # steps that may be queued while a loss is waited for
        self.output: Array | None = None  # of the last minibatch
        self._measured = network.device.empty((2,), "float64")  # loss, correct
        self._losses = network.device.empty((1,), "float64")  # their sum: not finite from the first such loss on
        self._losses.fill(0)
        self.mirror = mirror
        owners = (criterion, optimizer, *(module for _, module in network.modules())) if graph else ()
        self._training = Recorded(self._train, network.device, owners, graph)
        self._evaluation = Recorded(self._evaluate, network.device, owners, graph)

    @property
    def recorded(self) -> bool:
        """Whether its parts may be recorded."""
        return self._training.record

    def train(self, input: Array, target: Array) -> None:
        """One step, queued; none is taken any more after a loss that was not finite."""
        self._evaluation.forget()  # and the memory that it alone keeps
        if self._training(input, target):
            backend.count_weight_update()
        self.network.weights_changed()

    def evaluate(self, input: Array, target: Array) -> None:
        """The loss and the number of right answers, of evaluation.outputs; queued."""
        self._evaluation(input, target)

    def start_evaluation(self) -> None:
        """To be called before an evaluation: of weights that have changed no spectra are left."""
        self.network.evaluate()
        self._evaluation.forget()

    def measured(self) -> Callable[[], Measured]:
        """What waits for the loss and the right answers of the last minibatch, with the weights before its step."""
        wait = self.network.device.fetch(self._measured)

        def measured() -> Measured:
            loss, correct = wait()
            return Measured(float(loss), int(correct))

        return measured

    def forget(self) -> None:
        """Let what was recorded go: when memory is scarce, or a number that it was recorded with has changed."""
        self._training.forget()
        self._evaluation.forget()

    def start_anew(self) -> None:
        """Forget, and take steps again after a loss that was not finite: when all has been restored."""
        self.forget()
        self._losses.fill(0)

    def _train(self, input: Array, target: Array) -> None:
        self.network.zeroGradParameters()
        output = self.network.forward(input)
        self._measure(output, target)
        self.network.backward(input, self.criterion.backward(output, target))
        self._losses += self._measured[:1]
        self.optimizer.step(self._losses)

    def _evaluate(self, input: Array, target: Array) -> None:
        self._measure(evaluation.outputs(self.network, input, self.mirror), target)

    def _measure(self, output: Array, target: Array) -> None:
        self.output = output
        self._measured[0] = self.criterion.updateOutput(output, target)
        self._measured[1] = 0
        count_correct(output, target, self._measured[1:], self.network.device)
