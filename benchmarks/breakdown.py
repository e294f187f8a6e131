"""Where each millisecond of a training iteration on a GPU goes, beside what the hardware needs for it.

    python -m benchmarks.breakdown [--configs paper] [--precisions fp32 tf32 bf16] [--set KEY=VALUE ...]
                                   [--json FILE] [--markdown FILE] [--plots DIR]
    python -m benchmarks.breakdown --from FILE [--markdown FILE] [--plots DIR]

Kernels are timed one by one, by CUDA events around each (watch.py); what is left of the iteration, which is timed as a
whole and recorded, is the rest: memory set to zero, small sums, gaps. The floor of a product is its operations at the
best rate reached here on large ones; that of all else, and of products that are too thin for that, is each
byte of their arrays moved once, or twice if it is read and written, at the bandwidth of a copy.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import models
import tinyfft
from benchmarks import breakdown_tables, report
from benchmarks.clock import milliseconds, occupy
from benchmarks.watch import Watch, operations
from tinyfft import cublas
from tinyfft.backend import Device
from tinyfft.config import load_config
from tinyfft.fourier import arena
from tinyfft.fourier.product import product
from tinyfft.timing import Iteration

ROUNDS = 5
COPIED_BYTES = 1 << 30
SIZES = (8, 2048)  # of the products whose rate is the best: how many, rows and columns


def main() -> None:
    options = _options()
    found = json.loads(Path(options.from_file).read_text(encoding="utf-8")) if options.from_file else measure(options)
    report.write(options, found, breakdown_tables.markdown(found))
    if options.plots:
        breakdown_tables.plot(found, Path(options.plots))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    device = report.use_device("cuda")
    options.precisions = report.precisions(options.precisions, device)
    found = {"machine": report.machine(device), "command": report.command("python -m benchmarks.breakdown", options)}
    copy = copy_rate(device)
    found |= {"copy_gb_per_s": copy / 1e6, "rows": []}
    for name in options.configs:
        for precision in options.precisions:
            numbers = "uint32" if precision == "bf16" else "complex64"  # of spectra
            rates = {kind: product_rate(kind, precision, device) for kind in (numbers, "float32")}
            found["rows"].append(row(name, precision, options.set, device, copy, rates))
            print(breakdown_tables.line(found["rows"][-1]), flush=True)
            report.write(options, found, breakdown_tables.markdown(found))
            arena.release(device)
            device.free_unused()
    return found


def row(
    name: str, precision: str, overrides: list[str], device: Device, copy: float, rates: dict[str, float]
) -> dict[str, Any]:
    """One config at one precision: {group: ms} and {group: floor in ms}, the whole, and the sum of the floors."""
    whole = milliseconds(_iteration(name, [*overrides, f"precision={precision}"]).run, device)
    iteration = _iteration(name, [*overrides, f"precision={precision}", "graph=false"])
    times, floors = watched(iteration.run, device, copy, rates)
    zeros = sum(array.nbytes for array in iteration.network.parameters()[1]) / copy
    times["rest"], floors["rest"] = max(0.0, whole - sum(times.values())), zeros
    return {
        "config": name,
        "precision": precision,
        "iteration_ms": whole,
        "groups": times,
        "floors": floors,
        "floor_ms": sum(floors.values()),
    }


def watched(
    run: Callable[[], None], device: Device, copy: float, rates: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """({group: ms}, {group: floor in ms}) of the kernels that a call of `run` launches, each group's median."""
    for _ in range(3):
        run()
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        occupy(device, 2)
        with Watch(device) as watch:
            run()
        rounds.append(watch.milliseconds())
    times = {group: sorted(of[group] for of in rounds)[ROUNDS // 2] for group in rounds[0]}
    return times, watch.floors(copy, rates)


def copy_rate(device: Device) -> float:
    """Bytes a millisecond that a copy reads and writes."""
    source, target = (device.empty((COPIED_BYTES,), "uint8") for _ in range(2))
    return 2 * COPIED_BYTES / milliseconds(lambda: device.xp.copyto(target, source), device, ahead=True)


def product_rate(kind: str, precision: str, device: Device) -> float:
    """Real operations a millisecond of large products of this dtype: of complex ones by whatever multiplies spectra."""
    batch, n = SIZES
    a, b = (device.array(_numbers(kind, (batch, n, n), seed)) for seed in range(2))
    out = device.empty(a.shape, kind)

    def multiply() -> None:
        if kind == "float32":
            cublas.gemm(a, b, out, device, tf32=precision != "fp32")  # as nn.Linear does
        else:
            product(a, b, out, device, precision=precision)

    return operations(a, out) / milliseconds(multiply, device, ahead=True)


def _numbers(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random ones, since a GPU is faster with zeros."""
    parts = np.random.default_rng(seed).standard_normal((*shape, 1 if kind == "float32" else 2), np.float32)
    if kind != "uint32":
        return parts.view(kind)[..., 0]
    re, im = (parts[..., part].view(np.uint32) for part in range(2))
    return re >> 16 | im & 0xFFFF0000


def _iteration(name: str, overrides: list[str]) -> Iteration:
    config = load_config(name, overrides)
    tinyfft.manual_seed(config.seed)
    return Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)


def _options() -> argparse.Namespace:
    parser = report.parser("breakdown", __doc__)
    parser.add_argument("--configs", nargs="+", default=["paper"], metavar="NAME", help="from configs/")
    report.add_precisions(parser)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change keys of the configs")
    parser.add_argument("--from", dest="from_file", metavar="FILE", help="an earlier run's JSON, in place of a GPU")
    parser.add_argument("--plots", metavar="DIR", help="draw DIR/breakdown.svg")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
