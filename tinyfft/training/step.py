"""One training step, or the evaluation of one minibatch, queued on the device without waiting for it.

On a GPU a step is captured once as a CUDA graph and then replayed (cuda/graph.py), if the classes of all modules, the
criterion and the optimizer declare themselves capturable.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinyfft import backend
from tinyfft.backend import Array
from tinyfft.cuda.graph import CapturedGraph
from tinyfft.nn.module import Module, own
from tinyfft.ops.cross_entropy import count_correct
from tinyfft.training import evaluation


class TrainStep:
    def __init__(
        self, network: Module, criterion: Any, optimizer: Any, *, graph: bool = True, mirror: bool = False
    ) -> None:
        """The arguments are described in Trainer."""
        self.network, self.criterion, self.optimizer, self.mirror = network, criterion, optimizer, mirror
        self.output: Array | None = None  # of the last minibatch
        device = network.device
        self._results = device.empty((2,), "float64")  # loss, number of correct outputs
        self._loss_sum = device.empty((1,), "float64")  # over all steps: stays non-finite after a non-finite loss
        owners = [criterion, optimizer, *(module for _, module in network.modules())] if graph else []
        enabled = graph and capturable(owners)
        self._train_graph = CapturedGraph(self._train, device, owners, enabled=enabled)
        self._evaluation_graph = CapturedGraph(self._evaluate, device, owners, enabled=enabled)
        self.reset()

    def train(self, input: Array, target: Array) -> None:
        """Queue one training step. Once a loss was not finite, steps leave the weights unchanged."""
        self._evaluation_graph.reset()  # frees the memory that only this graph holds
        if self._train_graph(input, target):
            backend.count_weight_update()
        self.network.weights_changed()

    def evaluate(self, input: Array, target: Array) -> None:
        """Queue the evaluation of one minibatch: the loss, and the number of correct outputs."""
        self._evaluation_graph(input, target)

    def start_evaluation(self) -> None:
        """Prepare for an evaluation: the weights may have changed since the last one."""
        self.network.evaluate()
        self._evaluation_graph.reset()

    def fetch(self) -> Callable[[], np.ndarray]:
        """Return a function that waits for [loss, number of correct outputs] of the minibatch queued last."""
        return self.network.device.fetch(self._results)

    def reset(self) -> None:
        """Forget non-finite losses, and drop the graphs: call it after changing a setting such as the momentum."""
        self._loss_sum.fill(0)
        self._train_graph.reset()
        self._evaluation_graph.reset()

    def _train(self, input: Array, target: Array) -> None:
        self.network.zeroGradParameters()
        output = self.network.forward(input)
        self._compare(output, target)
        self.network.backward(input, self.criterion.backward(output, target))
        self._loss_sum += self._results[:1]
        self.optimizer.step(self._loss_sum)

    def _evaluate(self, input: Array, target: Array) -> None:
        self._compare(evaluation.outputs(self.network, input, self.mirror), target)

    def _compare(self, output: Array, target: Array) -> None:
        self.output = output
        self._results[0] = self.criterion.updateOutput(output, target)
        self._results[1] = 0
        count_correct(output, target, self._results[1:], self.network.device)


def capturable(owners: Iterable[Any]) -> bool:
    """Return whether the class of each owner declares that its work can be captured in a CUDA graph."""
    return all(own(owner, "capturable", False) for owner in owners)
