"""Time a training iteration, whole and layer by layer, and measure the memory of its spectra.

An iteration is zeroGradParameters, forward, loss, backward and one SGD step, on a minibatch of random images on the
device. Times are medians after a warm-up, in which algorithms are selected and buffers allocated. The clock starts and
stops when the device is idle.

The layers are timed in separate runs, so that their clocks do not slow the iteration down. The sum of their times
exceeds the iteration's: a convolution transforms gradOutput once per iteration, but once in each of its two backward
passes when they are timed alone.

Frequency memory is the measured peak of the arena: of a layer, the maximum over its Fourier passes; of the network, the
maximum over its layers, which use the same memory one after the other. Spectra kept from the forward to the backward
pass lie outside the arena and are counted separately.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinyfft import arena, nn, optim
from tinyfft.backend import Array, Device
from tinyfft.cuda.graph import CapturedGraph
from tinyfft.fourier.convolution import PASSES
from tinyfft.runs.config import Config
from tinyfft.runs.text_table import align
from tinyfft.training.step import TrainStep, capturable

WARM_UP_RUNS = 3  # a GPU captures its CUDA graph in the third
MIN_RUNS, MAX_RUNS = 3, 20
ENOUGH_MS = 2000.0  # after MIN_RUNS, no further run once all runs together have taken this long


def measure(network: nn.Sequential, config: Config) -> dict[str, Any]:
    """Time the network on random images of shape config.timing.input_shape; return the report of `train.py --time`."""
    device = network.device
    iteration = Iteration(network, config)
    for _ in range(WARM_UP_RUNS):
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
        "frequency_bytes": max((row["frequency_bytes"] for row in convolutions), default=0),
        "frequency_bytes_formula": max((row["frequency_bytes_formula"] for row in convolutions), default=0),
        "kept_bytes": sum(row["kept_bytes"] for row in convolutions),
        "layers": layers,
    }


def measure_layers(network: nn.Sequential, config: Config) -> list[dict[str, Any]]:
    """Return only the rows of the layers. Changes gradients, running statistics and the random state, not weights."""
    iteration = Iteration(network, config)
    for _ in range(WARM_UP_RUNS):
        _run_layers(iteration, defaultdict(list))
    return _measure_layers(iteration)


def table(report: dict[str, Any]) -> str:
    """Return the report of `measure` as text: a row for each layer, then the whole iteration."""
    times = (f"{name} (ms)" for name in PASSES)
    head = ("layer", *times, "memory (MiB)", "paper's", "kept", "chunks", "N, tiles", "algorithm of each pass")
    lines = align([head, *map(_cells, report["layers"])], left=(0, len(head) - 1))
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
    """Return a row of the table: "-" for a pass that did not run, empty cells for a layer without spectra."""
    times = ("-" if layer[f"{name}_ms"] is None else f"{layer[f'{name}_ms']:.3f}" for name in PASSES)
    algorithms = layer["algorithm"]
    if not algorithms:
        return layer["name"], *times, "", "", "", "", "", ""
    memory = (_mebibytes(layer[key]) for key in ("frequency_bytes", "frequency_bytes_formula", "kept_bytes"))
    transforms = "{} x {}, {}".format(*layer["lengths"], layer["tiles"]) if layer["lengths"] else "-"
    selected = " / ".join(algorithms[name] or "-" for name in PASSES)
    return layer["name"], *times, *memory, str(layer["chunks"] or "-"), transforms, selected


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f}"


class Iteration:
    """A repeatable training iteration on one random minibatch."""

    def __init__(self, network: nn.Sequential, config: Config) -> None:
        """
        network  put into training mode
        config   gives the minibatch (batch_size, timing, seed), the loss, the optimizer and whether to use a CUDA graph
        """
        rng = np.random.default_rng(config.seed)
        shape = (config.batch_size, *config.timing.input_shape)
        self.network = network
        self.input = network.device.array(rng.standard_normal(shape, dtype=np.float32))
        self.target = network.device.array(rng.integers(config.timing.classes, size=config.batch_size))
        self.criterion = nn.CrossEntropyCriterion(label_smoothing=config.loss.label_smoothing)
        # At the config's learning rate, random labels could lead to NaN, whose arithmetic takes another time.
        options = vars(config.optimizer) | {"learning_rate": 1e-6}
        self.optimizer = optim.SGD(*network.getParameters(), **options)
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
    """Return the median time of MIN_RUNS to MAX_RUNS calls of `run`."""
    times: list[float] = []
    while len(times) < MIN_RUNS or (len(times) < MAX_RUNS and sum(times) < ENOUGH_MS):
        times.append(_run_ms(device, run))
    return statistics.median(times)


def _run_ms(device: Device, run: Callable[[], Any]) -> float:
    device.synchronize()
    start = time.perf_counter()
    run()
    device.synchronize()
    return 1000 * (time.perf_counter() - start)


class _PassRun(NamedTuple):
    """One run of one pass of a layer."""

    ms: float
    frequency_bytes: int


def _measure_layers(iteration: Iteration) -> list[dict[str, Any]]:
    """Return a row for each layer. Passes run in the order of training, so that their buffers are as in training."""
    runs: dict[tuple[int, str], list[_PassRun]] = defaultdict(list)
    median_ms(iteration.network.device, lambda: _run_layers(iteration, runs))
    rows, shape = [], iteration.input.shape
    for index, module in enumerate(iteration.network):
        rows.append(_row(index, module, shape, {name: runs[index, name] for name in PASSES}))
        shape = module.output.shape
    return rows


def _row(
    index: int, module: nn.Module, input_shape: tuple[int, ...], runs: dict[str, list[_PassRun]]
) -> dict[str, Any]:
    """Return a layer's row. `runs` holds an empty list for a pass that did not run."""
    row = {"name": f"{index} {type(module).__name__}", "algorithm": None}
    for name, of_pass in runs.items():
        row[f"{name}_ms"] = statistics.median(run.ms for run in of_pass) if of_pass else None
    if not hasattr(module, "algorithms"):
        return row
    kH, kW = module.kernel_size
    algorithms = {name: module.algorithms[name] if of_pass else None for name, of_pass in runs.items()}
    plan = module.plan(input_shape) if "fft" in algorithms.values() else None
    return row | {
        "name": f"{row['name']} {module.in_channels}-{module.out_channels} k{kH}x{kW}",
        "algorithm": algorithms,
        "frequency_bytes": max(of_pass[-1].frequency_bytes for of_pass in runs.values() if of_pass),
        "frequency_bytes_formula": module.frequency_bytes_formula(input_shape),
        "kept_bytes": module.kept_bytes,
        "chunks": module.chunks if plan else 0,
        "lengths": list(plan.lengths) if plan else None,
        "tiles": plan.tiles if plan else None,
    }


def _run_layers(iteration: Iteration, runs: dict[tuple[int, str], list[_PassRun]]) -> None:
    """Run all passes of all layers once, and append each to `runs`."""
    network, device = iteration.network, iteration.network.device

    def run(index: int, name: str, *arguments: Array) -> None:
        arena.reset_high_water(device)
        ms = _run_ms(device, lambda: getattr(network[index], name)(*arguments))
        uses_fft = getattr(network[index], "algorithms", {}).get(name) == "fft"
        runs[index, name].append(_PassRun(ms, arena.high_water_bytes(device) if uses_fft else 0))

    inputs = [iteration.input]
    for index, module in enumerate(network):
        run(index, "updateOutput", inputs[-1])
        inputs.append(module.output)
    output = inputs.pop()
    iteration.criterion.forward(output, iteration.target)
    gradient = iteration.criterion.backward(output, iteration.target)
    for index, module in reversed(list(enumerate(network))):
        if module.needs_gradInput:
            run(index, "updateGradInput", inputs[index], gradient)
        run(index, "accGradParameters", inputs[index], gradient)
        gradient = module.gradInput
