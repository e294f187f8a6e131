"""Time the two methods of Convolution on one layer, and the method that "auto" chooses, beside PyTorch.

    python -m benchmarks.methods [--layers NAME ... | --configs NAME ...] [--json FILE] [--markdown FILE] [--resume]

Each pass is timed with all its own transforms. "sum" is forward and backward, as in training; "auto" runs the method
that it has chosen for each pass. PyTorch runs in the better of NCHW and channels_last, at equal precision. The methods
alternate for ROUNDS rounds, and the medians count: on a CPU with other work, times taken one after the other are not
comparable. --layers are measured in fp32, --configs at their precision, or in fp32 on a CPU.
"""

import statistics
from collections.abc import Iterable

import numpy as np

import models
import tinyfft
from benchmarks import report
from benchmarks.layers import three
from benchmarks.report import Options, Report, Row
from benchmarks.shapes import CIFAR, LAYERS, SMALL, Layer
from tinyfft import nn
from tinyfft.backend import Device
from tinyfft.config import load_config
from tinyfft.nn.convolution_layer import PASSES

ALL = CIFAR | LAYERS | SMALL
DEFAULT = (*CIFAR, "net-L1", "net-L3", "net-L5", "convnet-L5")
METHODS = ("direct", "fft", "auto")
ROUNDS = 3
TEXT = (
    "Milliseconds of updateOutput / updateGradInput / accGradParameters, and of forward and backward together (sum)."
    " direct / PyTorch: sums of the three passes, above 1 where PyTorch is faster. auto: the method chosen for each"
    " pass, and the time over the better method's."
)
HEAD = (
    "layer | precision | minibatch | PyTorch ms | direct ms | fft ms | sum, PyTorch / direct / fft / auto"
    " | **direct / PyTorch** | auto | **auto / better**"
)
TIMES = " | ".join(three(side, ".2f") for side in ("peer", "direct", "fft"))
CELLS = (
    "{layer} | {precision} | {shape[S]} | " + TIMES + " | {peer[sum]:.2f} / {direct[sum]:.2f} / {fft[sum]:.2f}"
    " / {auto[sum]:.2f} | **{direct_share:.2f}** | " + three("chosen", "") + " | **{auto_share:.2f}**"
)


def main() -> None:
    options = _options()
    layers = {name: (ALL[name], "fp32") for name in options.layers or DEFAULT}
    cases = of_configs(options.configs) if options.configs else layers

    from benchmarks import peers  # PyTorch, which --help does not need

    device = report.use_device(options.device)
    found = report.begin("methods", options, device, peers.prepare(device))
    done = report.resume(options, found)
    for name, (layer, precision) in cases.items():
        layer = layer._replace(S=options.batch_size or layer.S)
        precision = precision if precision in precisions(device) else "fp32"
        if (name, precision) not in done:
            row = {"layer": name} | measure(layer, precision, device)
            report.add(found, row, CELLS.format_map(row), options, markdown)


def of_configs(names: Iterable[str]) -> dict[str, tuple[Layer, str]]:
    """Return {place in a network: (convolution, precision)} of these configs, each convolution once.

    The networks run once on one image to find the sizes, on the CPU, which becomes the current device. All their
    convolutions keep the image's size.
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


def measure(layer: Layer, precision: str, device: Device) -> Row:
    """Time each method and PyTorch on one layer."""
    from benchmarks import peers
    from benchmarks.layer_timing import arrays, convolution, own_times

    x, weight, bias, gy = arrays(layer, device)
    layers = {
        method: convolution(nn.Convolution, layer, weight, bias, algorithm=method, precision=precision)
        for method in METHODS
    }
    rounds = [{method: own_times(ours, x, gy, device) for method, ours in layers.items()} for _ in range(ROUNDS)]
    row: Row = {"shape": layer._asdict(), "precision": precision, "chosen": dict(layers["auto"].algorithms)}
    row |= {method: _medians([times[method] for times in rounds]) for method in METHODS}
    calls = {layout: peers.passes(layer, precision, layout, x, weight, bias, gy) for layout in peers.LAYOUTS}
    row["peer"] = _medians([peers.time_passes(calls, device)[0] for _ in range(ROUNDS)])
    row["peer"]["sum"] = sum(row["peer"][name] for name in PASSES)
    row["direct_share"] = row["direct"]["sum"] / row["peer"]["sum"]
    row["auto_share"] = row["auto"]["sum"] / min(row["direct"]["sum"], row["fft"]["sum"])
    peers.free_memory(device)
    return row


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}


def markdown(found: Report) -> str:
    table = report.table(HEAD, CELLS, found["rows"])
    return report.document("Methods: direct and Fourier convolution", found, TEXT, table)


def _options() -> Options:
    layers = {"choices": ALL, "help": f"of {', '.join(ALL)}; default: {', '.join(DEFAULT)}"}
    configs = {"help": "measure all convolutions of these networks instead of --layers"}
    flags = ("device", "layers", "configs", "resume", "batch-size")
    options = report.parse("methods", __doc__, *flags, layers=layers, configs=configs)
    if options.layers and options.configs:
        raise report.UsageError("--layers and --configs are both given, expected one of them")
    return options


if __name__ == "__main__":
    report.run(main)
