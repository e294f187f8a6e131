"""What is done with one minibatch: a step of training, or an evaluation. Nobody waits for a GPU.

A step is: gradients to zero, forward, loss, backward, and of the optimizer a step unless the loss is not finite. On a
GPU, after it has run a few times for minibatches of one shape, it is recorded as a CUDA graph, and from then on it is
launched as a whole: the host, which takes longer to queue the kernels of a small network than the GPU to run them, has
nothing left to do. The graph writes where the step wrote when it was recorded, and keeps those arrays.
Only what `can_be_recorded` is: modules and a criterion which do the same on the device every time.
Source  CUDA C++ Programming Guide, CUDA Graphs (stream capture)
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tinyfft import backend, evaluation, gpu
from tinyfft.backend import Array
from tinyfft.dense.cross_entropy import count_correct
from tinyfft.fourier.arena import current_arena
from tinyfft.nn.module import Module

WARM_UP = 2
"""Steps before one is recorded: algorithms are chosen, kernels compiled and buffers made."""


class Measured(NamedTuple):
    """Of one minibatch, on the host."""

    loss: float
    correct: int


class Step:
    def __init__(self, network: Module, criterion: Any, optimizer: Any, record: bool = True) -> None:
        """record  whether a GPU's steps are recorded, if they can be"""
        self.network, self.criterion, self.optimizer = network, criterion, optimizer
        self.record = record
        self.ahead = 1 if network.device.records else 0  # steps that may be queued while a loss is waited for
        self.output: Array | None = None  # of the last minibatch
        self._measured = network.device.empty((2,), "float64")  # loss, correct
        self.forget()

    def train(self, input: Array, target: Array) -> Callable[[], Measured]:
        """One step; the result waits for what was measured with the weights before it."""
        shapes = (input.shape, input.dtype, target.dtype)
        if shapes == self._recorded_for:
            self._replay(input, target)
        else:
            self._run(input, target)
            self._ran[shapes] = self._ran.get(shapes, 0) + 1
            if self._ran[shapes] == WARM_UP and self._recorded_for is None and self.can_be_recorded:
                self._recorded_for = shapes
        return self._fetch()

    def evaluate(self, input: Array, target: Array, mirror: bool = False) -> Callable[[], Measured]:
        """The loss and the number of right answers, of evaluation.outputs."""
        self._measure(evaluation.outputs(self.network, input, mirror), target)
        return self._fetch()

    def forget(self) -> None:
        """Let the recorded step go, and its memory: when arrays move, or memory is scarce."""
        self._graph: Callable[[], None] | None = None
        self._recorded_for: tuple | None = None
        self._input: Array | None = None
        self._target: Array | None = None
        self._held: list[Array] = []
        self._ran: dict[tuple, int] = {}

    @property
    def can_be_recorded(self) -> bool:
        """Whether steps will be, after some."""
        if not (self.record and self.network.device.records):
            return False
        parts = (self.criterion, self.optimizer, *(module for _, module in self.network.modules()))
        return all(getattr(part, "records", False) for part in parts)

    def _run(self, input: Array, target: Array) -> None:
        self.network.zeroGradParameters()
        output = self.network.forward(input)
        self._measure(output, target)
        self.network.backward(input, self.criterion.backward(output, target))
        self.optimizer.step(self._measured[:1])
        self.network.weights_changed()

    def _replay(self, input: Array, target: Array) -> None:
        if self._graph is None:
            self._input, self._target = input.copy(), target.copy()
            self._graph = gpu.capture(lambda: self._run(self._input, self._target), self.network.device)
            self._held = [*self._arrays(), current_arena(self.network.device).block]
        self._input[...] = input
        self._target[...] = target
        self._graph()
        backend.count_step()
        self.network.weights_changed()

    def _measure(self, output: Array, target: Array) -> None:
        self.output = output
        self._measured[0] = self.criterion.updateOutput(output, target)
        self._measured[1] = 0
        count_correct(output, target, self._measured[1:], self.network.device)

    def _fetch(self) -> Callable[[], Measured]:
        wait = self.network.device.fetch(self._measured)

        def measured() -> Measured:
            loss, correct = wait()
            return Measured(float(loss), int(correct))

        return measured

    def _arrays(self) -> Iterator[Array]:
        """All that the step writes, or may read."""
        for owner in (self.criterion, self.optimizer, *(module for _, module in self.network.modules())):
            for value in vars(owner).values():
                yield from (
                    part
                    for part in (value if isinstance(value, (list, tuple)) else (value,))
                    if isinstance(part, self.network.device.xp.ndarray)
                )
