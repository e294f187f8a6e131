"""How long one training iteration takes, and what memory its spectra need: whole and layer by layer.

An iteration is zeroGradParameters, forward, loss, backward and a step of SGD, on a minibatch of random pictures that
lies on the device. Times are medians, after a warm-up in which algorithms are chosen and buffers made; each clock
starts and stops with an idle device. The layers are timed in runs of their own, so that the whole is not slowed by
their clocks; their sum is more than the whole, as a convolution there transforms its gradOutput once for each half.
Frequency memory is the arena's high-water mark, measured: for a layer the highest of its Fourier passes, for all the
highest of the layers, as they take the same memory in turn. Spectra that are kept from one pass to another lie outside
the arena and are counted apart.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyfft import nn, optim
from tinyfft.backend import Array, Device
from tinyfft.config import Config
from tinyfft.cuda.graph import CapturedGraph
from tinyfft.fourier import arena
from tinyfft.fourier.convolution import PASSES
from tinyfft.training.step import TrainStep, capturable

WARM_UP = 3  # runs, of which a GPU's third is captured
RUNS = (3, 20)  # at least and at most
SECONDS = 2.0  # no further run after these, if the fewest are done


def measure(network: nn.Sequential, config: Config) -> dict[str, Any]:
    """Time the network on pictures of config.timing; returns what `train.py --time --json` writes."""
    device = network.device
    iteration = Iteration(network, config)
    for _ in range(WARM_UP):
        iteration.run()
    iteration_ms = median_ms(device, iteration.run)
    forward_ms = median_ms(device, iteration.forward)
    layers = _measure_layers(iteration)
    convolutions = [row for row in layers if row["algorithm"]]
    return {
        "iteration_ms": iteration_ms,
        "forward_ms": forward_ms,
        "device": str(device),
        "device_name": device.hardware,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "images_per_second": 1000 * config.batch_size / iteration_ms,
        **{
            key: max((row[key] for row in convolutions), default=0)
            for key in ("frequency_bytes", "frequency_bytes_formula")
        },
        "kept_bytes": sum(row["kept_bytes"] for row in convolutions),
        "layers": layers,
    }


def measure_layers(network: nn.Sequential, config: Config) -> list[dict[str, Any]]:
    """The rows of `measure` alone. Weights stay; gradients, running statistics and random numbers do not."""
    iteration = Iteration(network, config)
    for _ in range(WARM_UP):
        _run_layers(iteration, {})
    return _measure_layers(iteration)


def table(report: dict[str, Any]) -> str:
    """The measurements of `measure` as text: a row for each layer, then the whole."""
    times = (f"{name} (ms)" for name in PASSES)
    head = ("layer", *times, "memory (MiB)", "paper's", "kept", "chunks", "N, tiles", "algorithm of each pass")
    rows = [head, *map(_cells, report["layers"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:-1]), row[-1]]).rstrip() for row in rows
    ]
    lines += [
        "",
        f"iteration {report['iteration_ms']:.3f} ms, of which forward {report['forward_ms']:.3f} ms: "
        f"{report['images_per_second']:.1f} images/s at minibatch {report['batch_size']}, {report['precision']}",
        f"frequency memory {_mebibytes(report['frequency_bytes'])} MiB at its peak, "
        f"{_mebibytes(report['frequency_bytes_formula'])} MiB by the paper's formula; "
        f"{_mebibytes(report['kept_bytes'])} MiB of kept spectra",
    ]
    return "\n".join(lines)


def _cells(layer: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table; "-" for what did not run, nothing where there are no spectra."""
    times = ("-" if layer[f"{name}_ms"] is None else f"{layer[f'{name}_ms']:.3f}" for name in PASSES)
    algorithms = layer["algorithm"]
    if not algorithms:
        return layer["name"], *times, "", "", "", "", "", ""
    memory = (_mebibytes(layer[key]) for key in ("frequency_bytes", "frequency_bytes_formula", "kept_bytes"))
    chosen = " / ".join(algorithms[name] or "-" for name in PASSES)
    transforms = "{} x {}, {}".format(*layer["lengths"], layer["tiles"]) if layer["lengths"] else "-"
    return layer["name"], *times, *memory, str(layer["chunks"] or "-"), transforms, chosen


class Iteration:
    """One training iteration on a random minibatch, which can be run again and again."""

    def __init__(self, network: nn.Sequential, config: Config) -> None:
        rng = np.random.default_rng(config.seed)
        shape = (config.batch_size, *config.timing.input_shape)
        self.network = network
        self.input = network.device.array(rng.standard_normal(shape, dtype=np.float32))
        self.target = network.device.array(rng.integers(config.timing.classes, size=config.batch_size))
        self.criterion = nn.CrossEntropyCriterion(label_smoothing=config.loss.label_smoothing)
        # steps too small to matter: random labels at the run's own rate could end in NaN, which takes other times
        o = config.optimizer
        self.optimizer = optim.SGD(*network.getParameters(), 1e-6, o.momentum, o.nesterov, o.weight_decay)
        network.needs_gradInput = False
        network.training()
        self._step = TrainStep(network, self.criterion, self.optimizer, graph=config.graph)
        modules = [module for _, module in network.modules()]
        enabled = config.graph and capturable(modules)
        self._forward = CapturedGraph(network.forward, network.device, modules, enabled=enabled)

    def run(self) -> None:
        self._step.train(self.input, self.target)

    def forward(self) -> None:
        self._forward(self.input)


def median_ms(device: Device, run: Callable[[], Any]) -> float:
    """Of some runs of `run`."""
    times: list[float] = []
    while not _enough(times):
        times.append(_run_ms(device, run))
    return statistics.median(times)


def _enough(times: list[float]) -> bool:
    return len(times) >= RUNS[1] or (len(times) >= RUNS[0] and sum(times) >= 1000 * SECONDS)


def _run_ms(device: Device, run: Callable[[], Any]) -> float:
    device.synchronize()
    start = time.perf_counter()
    run()
    device.synchronize()
    return 1000 * (time.perf_counter() - start)


def _measure_layers(iteration: Iteration) -> list[dict[str, Any]]:
    """A row for each module; passes run in the order of training, so that buffers hold what they do there."""
    passes: dict[tuple[int, str], _Pass] = {}
    totals: list[float] = []
    while not _enough(totals):
        start = time.perf_counter()
        _run_layers(iteration, passes)
        totals.append(1000 * (time.perf_counter() - start))
    network, rows, shape = iteration.network, [], iteration.input.shape
    for index in range(len(network)):
        ran = {name: passes.get((index, name)) for name in PASSES}
        rows.append(_layer_row(f"{index} {type(network[index]).__name__}", network[index], shape, ran))
        shape = network[index].output.shape
    return rows


@dataclass
class _Pass:
    """One layer's runs of one pass."""

    times: list[float] = field(default_factory=list)  # ms
    frequency_bytes: int = 0  # the same in all runs


def _layer_row(name: str, module: nn.Module, shape: tuple[int, ...], ran: dict[str, _Pass | None]) -> dict[str, Any]:
    """`shape` is the input's; passes that did not run are None."""
    row = {
        "name": name,
        "algorithm": None,
        **{f"{name}_ms": of_pass and statistics.median(of_pass.times) for name, of_pass in ran.items()},
    }
    if hasattr(module, "algorithms"):
        kH, kW = module.kernel_size
        algorithms = {name: of_pass and module.algorithms[name] for name, of_pass in ran.items()}
        row |= {
            "name": f"{name} {module.in_channels}-{module.out_channels} k{kH}x{kW}",
            "algorithm": algorithms,
            "frequency_bytes": max(of_pass.frequency_bytes for of_pass in ran.values() if of_pass),
            "frequency_bytes_formula": module.frequency_bytes_formula(shape),
            "kept_bytes": module.kept_bytes,
            "chunks": module.chunks if "fft" in algorithms.values() else 0,
            "lengths": list(module.plan(shape).lengths) if "fft" in algorithms.values() else None,
            "tiles": module.plan(shape).tiles if "fft" in algorithms.values() else None,
        }
    return row


def _run_layers(iteration: Iteration, passes: dict[tuple[int, str], _Pass]) -> None:
    network, device = iteration.network, iteration.network.device

    def measured(index: int, name: str, *arguments: Array) -> None:
        of_pass = passes.setdefault((index, name), _Pass())
        arena.reset_high_water(device)
        of_pass.times.append(_run_ms(device, lambda: getattr(network[index], name)(*arguments)))
        if getattr(network[index], "algorithms", {}).get(name) == "fft":
            of_pass.frequency_bytes = arena.high_water_bytes(device)

    inputs = [iteration.input]
    for index in range(len(network)):
        measured(index, "updateOutput", inputs[-1])
        inputs.append(network[index].output)
    output = inputs.pop()
    iteration.criterion.forward(output, iteration.target)
    gradient = iteration.criterion.backward(output, iteration.target)
    for index in reversed(range(len(network))):
        module = network[index]
        if module.needs_gradInput:
            measured(index, "updateGradInput", inputs[index], gradient)
        measured(index, "accGradParameters", inputs[index], gradient)
        gradient = module.gradInput


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f}"
