"""The peer of a whole training: our network's twin and torch.optim.SGD, as Trainer sees a network and its steps."""

from typing import Any

import torch

import tinyfft
from benchmarks import peers
from benchmarks.twins import twin
from tinyfft.backend import Array
from tinyfft.training.step import TrainStep


class TorchNetwork:
    """A twin as Trainer sees a network and its optimizer: arrays in, arrays out, PyTorch's own autograd between."""

    def __init__(self, network: tinyfft.nn.Sequential, settings: dict[str, Any], layout: str, optimizer: str) -> None:
        self.device = network.device
        self.format = peers.LAYOUTS[layout]
        self.model = twin(network).to(memory_format=self.format)
        self.optimizer = torch.optim.SGD(self.model.parameters(), **settings, **{optimizer: True})
        self.needs_gradInput = False

    def training(self) -> None:
        self.model.train()

    def evaluate(self) -> None:
        self.model.eval()

    def zeroGradParameters(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def forward(self, input: Array) -> Array:
        with torch.set_grad_enabled(self.model.training):
            self._output = self.model(torch.as_tensor(input).contiguous(memory_format=self.format))
        return self.device.xp.asarray(self._output.detach())

    def backward(self, input: Array, gradOutput: Array) -> None:
        self._output.backward(torch.as_tensor(gradOutput))

    def weights_changed(self) -> None:
        pass  # nothing is derived from them

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate

    def step(self, loss: Array) -> None:
        self.optimizer.step()


class GraphStep(TrainStep):
    """Steps of which the forward pass, the loss, the backward pass and the optimizer's step are one CUDA graph."""

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
        """On copies; what it takes to warm up leaves weights, statistics and the optimizer's state as they were."""
        network, optimizer = self.network, self.optimizer.optimizer
        self._input = input.clone(memory_format=network.format)
        self._target = target.clone()
        self._rate = torch.zeros((), device=input.device)
        kept = [tensor.detach().clone() for tensor in network.model.state_dict().values()]
        optimizer.param_groups[0]["lr"] = self._rate  # zero: no step is taken meanwhile
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._run()
        torch.cuda.current_stream().wait_stream(stream)
        for tensor, before in zip(network.model.state_dict().values(), kept, strict=True):
            tensor.copy_(before)
        for state in optimizer.state.values():
            state["momentum_buffer"].zero_()
        optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._run()

    def _run(self) -> None:
        optimizer, results = self.optimizer.optimizer, torch.as_tensor(self._results)
        optimizer.zero_grad(set_to_none=True)
        output = self.network.model(self._input)
        smoothing = self.criterion.label_smoothing
        loss = torch.nn.functional.cross_entropy(output, self._target, label_smoothing=smoothing)
        loss.backward()
        optimizer.step()
        results[0] = loss.detach()
        results[1] = (output.detach().argmax(1) == self._target).sum()
