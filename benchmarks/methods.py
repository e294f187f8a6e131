"""The two methods of Convolution on one layer, and which of them "auto" takes, beside PyTorch.

    python -m benchmarks.methods [--device cpu] [--layers cifar-L1 net-L3 ... | --configs cifar paper ...]
                                 [--batch-size N] [--json FILE] [--markdown FILE] [--resume]

A pass is timed with all its own transforms. "sum" is forward and backward, as in training: of "auto" with the method
that it has chosen for each pass. PyTorch's is the better of NCHW and channels_last, at equal precision. The three are
timed in turns, ROUNDS times, and medians taken: on a CPU that others use too, one after the other would not be
comparable. Layers are measured in fp32, those of configs at their precision, on a CPU in fp32 too.
"""

import argparse
import statistics
from collections.abc import Iterable
from typing import Any

import numpy as np

import models
import tinyfft
from benchmarks import peers, report
from benchmarks.layers import arrays, convolution, own_times
from benchmarks.shapes import CIFAR, LAYERS, SMALL, Layer
from tinyfft import nn
from tinyfft.backend import Device
from tinyfft.config import load_config
from tinyfft.fourier.product import precisions
from tinyfft.nn.convolution_layer import PASSES

ALL = CIFAR | LAYERS | SMALL
CHOSEN = (*CIFAR, "net-L1", "net-L3", "net-L5", "convnet-L5")
METHODS = ("direct", "fft", "auto")
ROUNDS = 3
ABOUT = (
    "Milliseconds of updateOutput / updateGradInput / accGradParameters, and of forward and backward together (sum)."
    " direct / PyTorch: of the three passes' sum, above 1 where PyTorch is faster. auto: what it took for each pass,"
    " and its time over that of the better method."
)
HEAD = (
    *("layer", "precision", "minibatch", "PyTorch ms", "direct ms", "fft ms", "sum, PyTorch / direct / fft / auto"),
    *("**direct / PyTorch**", "auto", "**auto / better**"),
)


def main() -> None:
    options = _options()
    layers = {name: (ALL[name], "fp32") for name in options.layers or CHOSEN}
    cases = of_configs(options.configs) if options.configs else layers
    device = report.use_device(options.device)
    found = {"machine": report.machine(device) | peers.prepare(device)}
    found |= {"command": report.command("python -m benchmarks.methods", options), "rows": []}
    done = report.resume(options, found)
    for name, (layer, precision) in cases.items():
        layer = layer._replace(S=options.batch_size or layer.S)
        precision = precision if precision in precisions(device) else "fp32"
        if (name, precision) in done:
            continue
        found["rows"].append({"layer": name} | measure(layer, precision, device))
        print(report.table_row(_cells(found["rows"][-1])), flush=True)
        report.write(options, found, markdown(found))


def of_configs(names: Iterable[str]) -> dict[str, tuple[Layer, str]]:
    """The convolutions of these configs' networks and their precisions, each once, by its first place in a network.

    The networks see one picture, on the CPU, which then is the current device. All of their convolutions keep its size.
    """
    tinyfft.use_device("cpu")
    places: dict[tuple[Layer, str], str] = {}
    for name in names:
        config = load_config(name)
        on_cpu = load_config(name, ["algorithm=fft", "precision=fp32"])
        network = models.build(on_cpu, config.timing.input_shape, config.timing.classes)
        network.forward(np.zeros((1, *config.timing.input_shape), np.float32))
        for path, module in network.modules():
            if isinstance(module, nn.Convolution):
                maps, (n, _), (k, _) = module.weight.shape[1::-1], module.output.shape[2:], module.kernel_size
                places.setdefault((Layer(config.batch_size, *maps, n, k, "same"), config.precision), f"{name} {path}")
    return {place: case for case, place in places.items()}


def measure(layer: Layer, precision: str, device: Device) -> dict[str, Any]:
    """Milliseconds of each method and of the peer, and what "auto" took for each pass."""
    x, weight, bias, gy = arrays(layer, device)
    layers = {
        method: convolution(nn.Convolution, layer, weight, bias, algorithm=method, precision=precision)
        for method in METHODS
    }
    rounds = [{method: own_times(of, x, gy, device) for method, of in layers.items()} for _ in range(ROUNDS)]
    row: dict[str, Any] = {"shape": layer._asdict(), "precision": precision, "chosen": dict(layers["auto"].algorithms)}
    row |= {method: _medians([times[method] for times in rounds]) for method in METHODS}
    calls = {layout: peers.passes(layer, precision, layout, x, weight, bias, gy) for layout in peers.LAYOUTS}
    row["peer"] = _medians([peers.time_passes(calls, device)[0] for _ in range(ROUNDS)])
    row["peer"]["sum"] = sum(row["peer"].values())
    row["direct_share"] = row["direct"]["sum"] / row["peer"]["sum"]
    row["auto_share"] = row["auto"]["sum"] / min(row["direct"]["sum"], row["fft"]["sum"])
    peers.free_memory(device)
    return row


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    lines = [ABOUT, "", *report.table(HEAD, map(_cells, found["rows"]))]
    return report.document("Methods: direct and Fourier convolution", found, lines)


def _cells(row: dict[str, Any]) -> list[str]:
    sides = ("peer", *METHODS)
    return [
        *(row["layer"], row["precision"], str(row["shape"]["S"])),
        *(" / ".join(f"{row[side][name]:.2f}" for name in PASSES) for side in sides[:-1]),
        " / ".join(f"{row[side]['sum']:.2f}" for side in sides),
        f"**{row['direct_share']:.2f}**",
        " / ".join(row["chosen"][name] for name in PASSES),
        f"**{row['auto_share']:.2f}**",
    ]


def _options() -> argparse.Namespace:
    parser = report.parser("methods", __doc__)
    report.add_device(parser)
    which, names = parser.add_mutually_exclusive_group(), {"nargs": "+", "metavar": "NAME"}
    help_text = f"which, of {', '.join(ALL)}; without, {', '.join(CHOSEN)}"
    which.add_argument("--layers", **names, choices=ALL, help=help_text)
    which.add_argument("--configs", **names, help="all convolutions of the networks of these, from configs/")
    report.add_resume(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="minibatch of every layer, in place of its own")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
