"""How long one training iteration takes, whole and layer by layer, and what memory its spectra need.

An iteration is zeroGradParameters, forward, loss, backward and a step of SGD, on a minibatch of random pictures that
lies on the device. Times are medians, after a warm-up in which algorithms are chosen and buffers made; each clock
starts and stops with an idle device. The layers are timed in runs of their own, so that the whole is not slowed by
their clocks; their sum is more than the whole, as a convolution there transforms its gradOutput once for each half.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyfft import nn, optim
from tinyfft.backend import Array, Device
from tinyfft.config import Config
from tinyfft.fourier import arena

WARM_UP = 2  # runs
RUNS = (3, 20)  # at least and at most
SECONDS = 5.0  # no further run after these, if the fewest are done
PASSES = ("updateOutput", "updateGradInput", "accGradParameters")


def measure(network: nn.Sequential, config: Config) -> dict[str, Any]:
    """Time the network on pictures of config.timing; returns what `train.py --time --json` writes."""
    device = network.device
    iteration = Iteration(network, config)
    for _ in range(WARM_UP):
        iteration.run()
    device.synchronize()
    arena.reset_high_water(device)
    iteration_ms = _median_ms(device, iteration.run)
    frequency_bytes = arena.high_water_bytes(device)
    forward_ms = _median_ms(device, lambda: network.forward(iteration.input))
    return {
        "iteration_ms": iteration_ms,
        "forward_ms": forward_ms,
        "device": str(device),
        "device_name": device.hardware,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "images_per_second": 1000 * config.batch_size / iteration_ms,
        "frequency_bytes": frequency_bytes,
        "frequency_bytes_formula": _formula_bytes(network, iteration.input),
        "layers": _time_layers(iteration),
    }


def table(report: dict[str, Any]) -> str:
    """The measurements of `measure` as text: a row for each layer, then the whole."""
    rows = [("layer", *(f"{name} (ms)" for name in PASSES), "algorithm of each pass")]
    for layer in report["layers"]:
        times = ("-" if layer[f"{name}_ms"] is None else f"{layer[f'{name}_ms']:.3f}" for name in PASSES)
        algorithms = layer["algorithm"] or {}
        rows.append((layer["name"], *times, " / ".join(algorithms.get(name) or "-" for name in PASSES if algorithms)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:4], widths[1:4], strict=True)), row[4]])
        for row in rows
    ]
    lines += [
        "",
        f"iteration {report['iteration_ms']:.3f} ms, of which forward {report['forward_ms']:.3f} ms: "
        f"{report['images_per_second']:.1f} images/s at minibatch {report['batch_size']}, {report['precision']}",
        f"frequency memory {_mebibytes(report['frequency_bytes'])} at its peak, "
        f"{_mebibytes(report['frequency_bytes_formula'])} by the paper's formula",
    ]
    return "\n".join(line.rstrip() for line in lines)


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

    def run(self) -> None:
        self.network.zeroGradParameters()
        output = self.network.forward(self.input)
        self.criterion.forward(output, self.target)
        self.network.backward(self.input, self.criterion.backward(output, self.target))
        self.optimizer.step()
        self.network.weights_changed()


def _median_ms(device: Device, run: Callable[[], Any]) -> float:
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


def _time_layers(iteration: Iteration) -> list[dict[str, Any]]:
    """A row for each module; passes run in the order of training, so that buffers hold what they do there."""
    network = iteration.network
    times: dict[tuple[int, str], list[float]] = {}
    totals: list[float] = []
    while not _enough(totals):
        start = time.perf_counter()
        _run_layers(iteration, times)
        totals.append(1000 * (time.perf_counter() - start))
    return [_layer_row(index, network[index], times) for index in range(len(network))]


def _layer_row(index: int, module: nn.Module, times: dict[tuple[int, str], list[float]]) -> dict[str, Any]:
    ran = {name: (index, name) in times for name in PASSES}
    algorithms = getattr(module, "algorithms", None)
    name = f"{index} {type(module).__name__}"
    if algorithms:
        kH, kW = module.kernel_size
        name += f" {module.in_channels}-{module.out_channels} k{kH}x{kW}"
    return {
        "name": name,
        "algorithm": algorithms and {name: algorithms[name] if ran[name] else None for name in PASSES},
        **{f"{name}_ms": statistics.median(times[index, name]) if ran[name] else None for name in PASSES},
    }


def _run_layers(iteration: Iteration, times: dict[tuple[int, str], list[float]]) -> None:
    network, device = iteration.network, iteration.network.device

    def timed(index: int, name: str, *arguments: Array) -> None:
        elapsed = _run_ms(device, lambda: getattr(network[index], name)(*arguments))
        times.setdefault((index, name), []).append(elapsed)

    inputs = [iteration.input]
    for index in range(len(network)):
        timed(index, "updateOutput", inputs[-1])
        inputs.append(network[index].output)
    output = inputs.pop()
    iteration.criterion.forward(output, iteration.target)
    gradient = iteration.criterion.backward(output, iteration.target)
    for index in reversed(range(len(network))):
        module = network[index]
        if module.needs_gradInput:
            timed(index, "updateGradInput", inputs[index], gradient)
        timed(index, "accGradParameters", inputs[index], gradient)
        gradient = module.gradInput


def _formula_bytes(network: nn.Sequential, input: Array) -> int:
    """The most that the paper's formula gives for a convolution of the network; 0 without one."""
    shapes = [input.shape, *(network[index].output.shape for index in range(len(network)))]
    convolutions = [i for i in range(len(network)) if hasattr(network[i], "frequency_bytes_formula")]
    return max((network[i].frequency_bytes_formula(shapes[i]) for i in convolutions), default=0)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
