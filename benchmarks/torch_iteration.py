"""PyTorch's side of a training iteration: the network's twin, trained on the same minibatch.

A variant is a layout (NCHW or channels_last) and a mode: eager, or on a GPU a CUDA graph of the eager network or of the
network after torch.compile. A CUDA graph takes the host's time out of the iteration. Precision is PyTorch's: flags for
TF32, autocast for bf16. The optimizer is torch.optim.SGD, fused or foreach, whichever takes less time for a step.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.clock import milliseconds
from benchmarks.peers import LAYOUTS, set_precision
from benchmarks.twins import twin
from tinyfft.backend import Device
from tinyfft.optim import SGD
from tinyfft.timing import Iteration

RUNS = {"cpu": ("eager",), "cuda": ("eager", "CUDA graph", "torch.compile, CUDA graph")}
WARM_UP_CALLS = 3


class TorchIteration:
    """One iteration with copies of the weights, minibatch, criterion and SGD settings of `ours`."""

    def __init__(self, ours: Iteration, precision: str, layout: str) -> None:
        set_precision(precision)
        self.device = ours.network.device
        self.bf16 = precision == "bf16"
        self.model = twin(ours.network).to(memory_format=LAYOUTS[layout])
        self.input = torch.as_tensor(ours.input).clone(memory_format=LAYOUTS[layout])
        self.target = torch.as_tensor(ours.target).clone()
        self.label_smoothing = ours.criterion.label_smoothing
        settings, parameters = sgd_settings(ours.optimizer), list(self.model.parameters())
        self.optimizer_name = _faster_sgd(parameters, settings, self.device)
        self.optimizer = torch.optim.SGD(parameters, **settings, **{self.optimizer_name: True})

    def compile(self) -> None:
        """Compile the model with torch.compile, which fuses element-wise operations."""
        self.model = torch.compile(self.model)

    def forward(self) -> torch.Tensor:
        with self._autocast():
            return self.model(self.input)

    def infer(self, input: torch.Tensor) -> torch.Tensor:
        """Return the output without gradients. The caller sets the evaluation mode."""
        with torch.no_grad(), self._autocast():
            return self.model(input)

    def loss(self) -> torch.Tensor:
        with self._autocast():
            return torch.nn.functional.cross_entropy(
                self.model(self.input), self.target, label_smoothing=self.label_smoothing
            )

    def run(self) -> None:
        # backward writes gradients that are None and adds to others: None is faster, and safe to capture
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()

    def _autocast(self) -> torch.autocast:
        # without its cache of converted weights: each is used once, and a captured graph must convert them each time
        return torch.autocast(self.device.kind, torch.bfloat16, enabled=self.bf16, cache_enabled=False)


def sgd_settings(like: SGD) -> dict[str, Any]:
    """Return the arguments that make torch.optim.SGD behave as tinyfft's optimizer."""
    settings = {name: getattr(like, name) for name in ("momentum", "nesterov", "weight_decay")}
    return settings | {"lr": like.learning_rate}


def measure(ours: Iteration, precision: str, layout: str, how: str) -> dict[str, Any]:
    """Return milliseconds of an iteration, of its forward pass and of inference, and on a GPU PyTorch's peak bytes.

    "inference_ms" has a time for each size of a minibatch.
    """
    peer = TorchIteration(ours, precision, layout)
    if how.startswith("torch.compile"):
        peer.compile()
    run, forward, peak = peer.run, peer.forward, None
    if "CUDA graph" in how:
        run, peak = _capture(peer, peer.run)
        forward, _ = _capture(peer, peer.forward)
    iteration_ms = milliseconds(run, peer.device)
    if peer.device.kind == "cuda" and how == "eager":
        peak = _peak_bytes(run)
    return {
        "optimizer": peer.optimizer_name,
        "iteration_ms": iteration_ms,
        "forward_ms": milliseconds(forward, peer.device),
        "inference_ms": {batch: _inference_ms(peer, batch, how) for batch in sorted({1, len(peer.input)})},
        "peak_bytes": peak,
    }


def _inference_ms(peer: TorchIteration, batch_size: int, how: str) -> float:
    peer.model.eval()
    input = peer.input[:batch_size]

    def infer() -> None:
        peer.infer(input)

    call = _capture(peer, infer)[0] if "CUDA graph" in how else infer
    return milliseconds(call, peer.device)


def _capture(peer: TorchIteration, call: Callable[[], Any]) -> tuple[Callable[[], None], int]:
    """Capture `call` as a CUDA graph. Returns (a call that replays the graph, peak bytes during the capture).

    A replay allocates nothing: the graph takes the memory of its capture.
    """
    warm_up(call)
    peer.optimizer.zero_grad(set_to_none=True)  # so that gradients too come from the graph's memory
    graph = torch.cuda.CUDAGraph()

    def capture() -> None:
        with torch.cuda.graph(graph):
            call()

    peak = _peak_bytes(capture)
    return graph.replay, peak


def warm_up(call: Callable[[], Any]) -> None:
    """Call a few times on a side stream, as PyTorch's notes on CUDA graphs ask before a capture."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_CALLS):
            call()
    torch.cuda.current_stream().wait_stream(stream)


def _peak_bytes(call: Callable[[], Any]) -> int:
    """Return the peak during a call of what PyTorch's allocator has handed out, earlier allocations included."""
    gc.collect()  # discarded optimizers form reference cycles and hold their arrays
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def _faster_sgd(parameters: list[torch.nn.Parameter], settings: dict[str, Any], device: Device) -> str:
    """Return "fused" or "foreach", timed on copies so that the parameters stay as they are."""
    copies = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    for parameter in copies:
        parameter.grad = torch.zeros_like(parameter)
    optimizers = {name: torch.optim.SGD(copies, **settings, **{name: True}) for name in ("fused", "foreach")}
    times = {name: milliseconds(optimizer.step, device) for name, optimizer in optimizers.items()}
    return min(times, key=times.get)
