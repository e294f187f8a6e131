"""PyTorch's side of a whole training: the network's twin and torch.optim.SGD behind the interfaces of Trainer."""

import dataclasses
from typing import Any

import torch

from benchmarks import peers, torch_iteration
from benchmarks.twins import twin
from commands import build
from tinyfft import nn
from tinyfft.backend import Array
from tinyfft.config import Config
from tinyfft.optim import SGD
from tinyfft.timing import Iteration
from tinyfft.training.step import TrainStep


class TorchNetwork:
    """A twin with the interface that Trainer needs of a network and of its optimizer."""

    def __init__(self, network: nn.Sequential, settings: dict[str, Any], layout: str, optimizer: str) -> None:
        self.device = network.device
        self.format = peers.LAYOUTS[layout]
        self.model = twin(network).to(memory_format=self.format)
        self.optimizer = torch.optim.SGD(self.model.parameters(), **settings, **{optimizer: True})

    def training(self) -> None:
        self.model.train()

    def evaluate(self) -> None:
        self.model.eval()

    def forward(self, input: Array) -> Array:
        with torch.no_grad():
            output = self.model(torch.as_tensor(input).contiguous(memory_format=self.format))
        return self.device.xp.asarray(output)

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate


def faster_twin(
    network: nn.Sequential, optimizer: SGD, config: Config, shape: tuple[int, int, int], classes: int
) -> TorchNetwork:
    """Return the twin of `network` in its faster layout, found by timing iterations of another such network."""
    timing = dataclasses.replace(config.timing, input_shape=shape, classes=classes)
    like = Iteration(build.make_network(config, shape, classes), dataclasses.replace(config, timing=timing))
    how = "CUDA graph" if network.device.captures and config.graph else "eager"
    times = {layout: torch_iteration.measure(like, config.precision, layout, how) for layout in peers.LAYOUTS}
    layout = min(times, key=lambda name: times[name]["iteration_ms"])
    return TorchNetwork(network, torch_iteration.sgd_settings(optimizer), layout, times[layout]["optimizer"])


class TorchStep(TrainStep):
    """A step of training on a TorchNetwork: zero the gradients, forward, loss, backward, optimizer."""

    def train(self, input: Array, target: Array) -> None:
        input = torch.as_tensor(input).contiguous(memory_format=self.network.format)
        self._run(input, torch.as_tensor(target))

    def _run(self, input: torch.Tensor, target: torch.Tensor) -> None:
        optimizer, results = self.optimizer.optimizer, torch.as_tensor(self._results)
        optimizer.zero_grad(set_to_none=True)
        output = self.network.model(input)
        smoothing = self.criterion.label_smoothing
        loss = torch.nn.functional.cross_entropy(output, target, label_smoothing=smoothing)
        loss.backward()
        optimizer.step()
        results[0] = loss.detach()
        results[1] = (output.detach().argmax(1) == target).sum()


class GraphStep(TorchStep):
    """The same as one CUDA graph."""

    _graph: torch.cuda.CUDAGraph | None = None

    def train(self, input: Array, target: Array) -> None:
        input, target, rate = torch.as_tensor(input), torch.as_tensor(target), self.optimizer.learning_rate
        if self._graph is None:
            self._capture(input, target)
        self._rate.fill_(rate)
        self._input.copy_(input)
        self._target.copy_(target)
        self._graph.replay()

    def _capture(self, input: torch.Tensor, target: torch.Tensor) -> None:
        """Capture the graph on copies of a minibatch. The warm-up leaves weights, statistics and momentum unchanged."""
        network, optimizer = self.network, self.optimizer.optimizer
        self._input = input.clone(memory_format=network.format)
        self._target = target.clone()
        self._rate = torch.zeros((), device=input.device)
        kept = [tensor.detach().clone() for tensor in network.model.state_dict().values()]
        optimizer.param_groups[0]["lr"] = self._rate  # zero, so that the warm-up does not move the weights
        torch_iteration.warm_up(lambda: self._run(self._input, self._target))
        for tensor, before in zip(network.model.state_dict().values(), kept, strict=True):
            tensor.copy_(before)
        for state in optimizer.state.values():
            state["momentum_buffer"].zero_()
        optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._run(self._input, self._target)
