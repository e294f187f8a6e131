"""Time the parts of a training iteration on a GPU, beside the least time that the hardware needs for each.

    python -m benchmarks.breakdown [--configs NAME ...] [--precisions fp32 ...] [--json FILE] [--markdown FILE]
    python -m benchmarks.breakdown --from FILE --plots DIR

CUDA events around each kernel launch give the time of each part (watch.py). The whole iteration is timed as it normally
runs, as a CUDA graph. The difference is the part "rest": memory set to zero, small sums, gaps. The floor is the least
time: of a matrix product its operations at the rate of large products here, or its bytes if they take longer; of all
else its bytes at the bandwidth of a copy. An array counts once, or twice if a kernel both reads and writes it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import models
import tinyfft
from benchmarks import figures, report
from benchmarks.clock import milliseconds, occupy
from benchmarks.report import Options, Report, Row
from benchmarks.watch import Watch, operations
from tinyfft import arena
from tinyfft.backend import Device
from tinyfft.config import load_config
from tinyfft.cuda import cublas
from tinyfft.fourier.product import product
from tinyfft.timing import Iteration

ROUNDS = 5
COPIED_BYTES = 1 << 30
PRODUCT_SHAPE = (8, 2048, 2048)  # of the matrix products whose rate counts as the best

HEAD = "config | precision | part | ms | floor, ms"
CELLS = "{config} | {precision} | {part} | {ms:.3f} | {floor:.3f}"
TEXT = (
    "Each part's kernels, timed one by one, and the least time that the hardware needs: products at the rate of large"
    " ones, all else at the bandwidth of a copy. The whole iteration is timed as it runs, as a CUDA graph."
)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999", "#555555", "#BBBBBB")
"""Okabe and Ito's colours, then greys."""


def main() -> None:
    flags = ("configs", "precisions", "set", "plots", "from")
    options = report.parse("breakdown", __doc__, *flags, configs={"default": ["paper"]})
    report.produce(options, measure, markdown, plot)


def measure(options: Options) -> Report:
    """Time each config at each precision."""
    device = report.use_device("cuda")
    options.precisions = report.precisions(options.precisions, device)
    copy = copy_rate(device)
    found = report.begin("breakdown", options, device) | {"copy_gb_per_s": copy / 1e6}
    for name in options.configs:
        for precision in options.precisions:
            spectrum_dtype = "uint32" if precision == "bf16" else "complex64"
            rates = {dtype: product_rate(dtype, precision, device) for dtype in (spectrum_dtype, "float32")}
            row = measure_row(name, precision, options.set, device, copy, rates)
            report.add(found, row, CELLS.format_map(_whole(row)), options, markdown)
            arena.release(device)
            device.free_unused()
    return found


def measure_row(
    name: str, precision: str, overrides: list[str], device: Device, copy: float, rates: dict[str, float]
) -> Row:
    """Time one config at one precision: {group: ms}, {group: floor in ms}, the whole, and the sum of the floors."""
    whole = milliseconds(_iteration(name, [*overrides, f"precision={precision}"]).run, device)
    iteration = _iteration(name, [*overrides, f"precision={precision}", "graph=false"])
    times, floors = watched(iteration.run, device, copy, rates)
    zeros = sum(array.nbytes for array in iteration.network.parameters()[1]) / copy
    times["rest"], floors["rest"] = max(0.0, whole - sum(times.values())), zeros
    row = {"config": name, "precision": precision, "iteration_ms": whole}
    return row | {"groups": times, "floors": floors, "floor_ms": sum(floors.values())}


def watched(
    run: Callable[[], None], device: Device, copy: float, rates: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return ({group: median ms}, {group: floor in ms}) of the kernels that a call of `run` launches."""
    for _ in range(3):
        run()
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        occupy(device, 2)
        with Watch(device) as watch:
            run()
        rounds.append(watch.milliseconds())
    times = {group: sorted(times[group] for times in rounds)[ROUNDS // 2] for group in rounds[0]}
    return times, watch.floors(copy, rates)


def copy_rate(device: Device) -> float:
    """Return the bytes that a copy reads and writes in a millisecond."""
    source, target = (device.empty((COPIED_BYTES,), "uint8") for _ in range(2))
    return 2 * COPIED_BYTES / milliseconds(lambda: device.xp.copyto(target, source), device, ahead=True)


def product_rate(dtype: str, precision: str, device: Device) -> float:
    """Return the real operations of large matrix products in a millisecond.

    float32 goes to cuBLAS as nn.Linear does; the dtypes of spectra go to the engine's product.
    """
    a, b = (device.array(_random(dtype, PRODUCT_SHAPE, seed)) for seed in range(2))
    out = device.empty(PRODUCT_SHAPE, dtype)

    def multiply() -> None:
        if dtype == "float32":
            cublas.gemm(a, b, out, device, tf32=precision != "fp32")
        else:
            product(a, b, out, device, precision=precision)

    return operations(a, out) / milliseconds(multiply, device, ahead=True)


def _random(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return random numbers, since a GPU is faster with zeros. uint32 holds a pair of bfloat16."""
    parts = np.random.default_rng(seed).standard_normal((*shape, 1 if dtype == "float32" else 2), np.float32)
    if dtype != "uint32":
        return parts.view(dtype)[..., 0]
    re, im = (parts[..., part].view(np.uint32) for part in range(2))
    return re >> 16 | im & 0xFFFF0000


def _iteration(name: str, overrides: list[str]) -> Iteration:
    config = load_config(name, overrides)
    tinyfft.manual_seed(config.seed)
    return Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)


def markdown(found: Report) -> str:
    parts = [part for row in found["rows"] for part in _parts(row)]
    text = f"{TEXT}\nA copy reads and writes {found['copy_gb_per_s']:.0f} GB/s together."
    return report.document("Where the milliseconds of an iteration go", found, text, report.table(HEAD, CELLS, parts))


def _parts(row: Row) -> Iterator[Row]:
    """Yield a row of the table for each part, then for the whole."""
    for name, ms in row["groups"].items():
        yield row | {"part": name, "ms": ms, "floor": row["floors"][name]}
    yield _whole(row)


def _whole(row: Row) -> Row:
    ms, floor = row["iteration_ms"], row["floor_ms"]
    return row | {"part": f"**whole**, {ms / floor:.2f} x the sum of floors", "ms": ms, "floor": floor}


def plot(found: Report, folder: Path) -> None:
    """Draw breakdown.svg: for each row a bar of its parts, with marks at the sum of floors and at the whole.

    The parts are timed without a CUDA graph, with gaps between kernels, so their sum may exceed the whole.
    """
    rows = found["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["groups"]))
    figure, ax = figures.pyplot().subplots(figsize=(9, 1.4 + 0.7 * len(rows)), layout="constrained")
    labels = [f"{row['config']}, {row['precision']}" for row in rows]
    left = np.zeros(len(rows))
    for name, colour in zip(names, COLOURS, strict=False):
        widths = [row["groups"].get(name, 0.0) for row in rows]
        ax.barh(labels, widths, 0.6, left, label=name, color=colour)
        left += widths
    for key, style, label in (("floor_ms", "k--", "sum of floors"), ("iteration_ms", "k-", "whole, as a CUDA graph")):
        for place, row in enumerate(rows):
            ax.plot([row[key]] * 2, [place - 0.4, place + 0.4], style, label=None if place else label)
    ax.set_xlim(0, 1.05 * ax.dataLim.xmax)  # a part of zero width would end the axis at its bar
    ax.invert_yaxis()
    ax.set_xlabel("one training iteration (ms)")
    ax.set_title(found["machine"]["hardware"], fontsize=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figures.save(figure, folder / "breakdown.svg")


if __name__ == "__main__":
    report.run(main)
