"""Single layers: every pass of FFTConvolution beside PyTorch's, at equal precision, in one run.

    python -m benchmarks.layers [--device cpu] [--layers net-L2 k15 ...] [--precisions fp32 tf32 bf16] [--batch-size N]
                                [--fft-conv-pytorch [NAME ...]] [--json FILE] [--markdown FILE] [--resume]

Before anything is timed, ours and the peer's results are compared with a float64 convolution (accuracy.py). A pass of
ours is timed with all its own transforms. "sum" is forward and backward, where backward transforms gradOutput once and
makes the spectra of input and weights again; "kept" is the same with memory = "keep", where both are made once.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import torch

import tinyfft
from benchmarks import accuracy, fft_conv_pytorch, layer_tables, peers, report
from benchmarks.clock import milliseconds
from benchmarks.shapes import LAYERS, PAPER, SMALL, Layer
from tinyfft import nn
from tinyfft.backend import Array, Device
from tinyfft.nn.convolution_layer import PASSES, ConvolutionLayer


def main() -> None:
    options = _options()
    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = {"machine": report.machine(device) | peers.prepare(device)}
    found |= {"command": report.command("python -m benchmarks.layers", options), "rows": []}
    done = report.resume(options, found)
    for name in options.layers:
        layer = (LAYERS | SMALL)[name]
        layer = layer._replace(S=options.batch_size or layer.S)
        for row in rows(layer, [each for each in options.precisions if (name, each) not in done], device):
            if row["precision"] == "fp32" and name in options.fft_conv_pytorch:
                row["fft_conv_pytorch"] = fft_conv_pytorch.measure(layer, arrays(layer, device), device)
            found["rows"].append({"layer": name} | row)
            print(layer_tables.line(found["rows"][-1]), flush=True)
            report.write(options, found, layer_tables.markdown(found))  # now: a run cut off keeps what it has measured


def rows(layer: Layer, precisions: Sequence[str], device: Device) -> Iterator[dict[str, Any]]:
    """Errors and milliseconds of one layer at each precision, ours and the peer's."""
    if not precisions:
        return
    given = arrays(layer, device)
    expected = accuracy.reference(layer, *given)
    for precision in precisions:
        peers.free_memory(device)
        row = _measure(layer, precision, given, expected, device)
        peers.free_memory(device)
        yield row


def _measure(
    layer: Layer, precision: str, given: tuple[Array, ...], expected: list[torch.Tensor], device: Device
) -> dict[str, Any]:
    x, weight, bias, gy = given
    ours, kept = (
        convolution(nn.FFTConvolution, layer, weight, bias, precision=precision, memory=memory)
        for memory in ("recompute", "keep")
    )
    calls = {layout: peers.passes(layer, precision, layout, *given) for layout in peers.LAYOUTS}
    errors, peer_errors = _errors(ours, calls, x, gy, expected)
    times = own_times(ours, x, gy, device)
    times["kept"] = milliseconds(lambda: (kept.updateOutput(x), kept.backward(x, gy)), device, ahead=True)
    peer_times, layouts = peers.time_passes(calls, device)
    peer_times["sum"] = sum(peer_times.values())
    plan = ours.plan(x.shape)
    return {
        "shape": layer._asdict(),
        "precision": precision,
        "lengths": plan.lengths,
        "tiles": plan.tiles,
        "ours_ms": times,
        "peer_ms": peer_times,
        "peer_layouts": layouts,
        "ratio": {name: peer_times["sum" if name == "kept" else name] / times[name] for name in times},
        "errors": errors,
        "peer_errors": peer_errors,
    }


def arrays(layer: Layer, device: Device) -> tuple[Array, Array, Array, Array]:
    """Input, weights, bias and gradOutput: the same numbers at every call."""
    rng = device.xp.random.default_rng(7)
    out = layer.n if layer.padding == "same" else layer.n + 2 * layer.padding - layer.k + 1
    tinyfft.manual_seed(7)
    drawn = nn.FFTConvolution(layer.C, layer.F, layer.k)
    x, gy = (
        rng.standard_normal((layer.S, maps, size, size), dtype=device.xp.float32)
        for maps, size in ((layer.C, layer.n), (layer.F, out))
    )
    return x, drawn.weight, drawn.bias, gy


def convolution(
    kind: type[ConvolutionLayer], layer: Layer, weight: Array, bias: Array, **named: Any
) -> ConvolutionLayer:
    """One of our layers, with copies of these weights."""
    ours = kind(layer.C, layer.F, layer.k, padding=layer.padding, **named)
    ours.weight[...], ours.bias[...] = weight, bias
    return ours


def own_times(ours: ConvolutionLayer, x: Array, gy: Array, device: Device) -> dict[str, float]:
    """Milliseconds of each pass of ours, and of forward and backward together as "sum"."""
    calls = {
        "updateOutput": lambda: ours.updateOutput(x),
        "updateGradInput": lambda: ours.updateGradInput(x, gy),
        "accGradParameters": lambda: ours.accGradParameters(x, gy),
        "sum": lambda: (ours.updateOutput(x), ours.backward(x, gy)),
    }
    return {name: milliseconds(call, device, ahead=True) for name, call in calls.items()}


def _errors(
    ours: ConvolutionLayer, calls: dict[str, dict[str, Any]], x: Array, gy: Array, expected: list[torch.Tensor]
) -> tuple[dict[str, float], dict[str, float]]:
    """Of each pass: ours, and the peer's in its worse layout."""
    ours.forward(x)
    ours.zeroGradParameters()
    results = (ours.output, ours.backward(x, gy), ours.gradWeight)
    errors = [accuracy.error(result, truth) for result, truth in zip(results, expected, strict=True)]
    peer_errors = [
        accuracy.worst([accuracy.error(of[name](), truth) for of in calls.values()])
        for name, truth in zip(PASSES, expected, strict=True)
    ]
    return dict(zip(PASSES, errors, strict=True)), dict(zip(PASSES, peer_errors, strict=True))


def _options() -> argparse.Namespace:
    parser = report.parser("layers", __doc__)
    report.add_device(parser)
    names = {"nargs": "+", "choices": LAYERS | SMALL, "metavar": "NAME"}
    which = f"which, of {', '.join(LAYERS | SMALL)}; without, all but {' and '.join(SMALL)}"
    parser.add_argument("--layers", **names, default=list(LAYERS), help=which)
    report.add_precisions(parser)
    report.add_resume(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="minibatch of every layer, in place of its own")
    parser.add_argument(
        "--fft-conv-pytorch",
        **names | {"nargs": "*"},
        default=[],
        action=_PaperByDefault,
        help=f"time fft-conv-pytorch too, in fp32, on these layers; without names on {', '.join(PAPER)}",
    )
    return parser.parse_args()


class _PaperByDefault(argparse.Action):
    """Some names, or none for the paper's five."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, names: list[str], *_: str) -> None:
        setattr(options, self.dest, names or list(PAPER))


if __name__ == "__main__":
    report.run(main)
