"""Single layers on a GPU: every pass of FFTConvolution beside PyTorch's (cuDNN), at equal precision, in one run.

    python -m benchmarks.layers [--layers net-L2 k15 ...] [--precisions fp32 tf32 bf16] [--json FILE] [--markdown FILE]

The peer is PyTorch in cuDNN's benchmark mode, the better of NCHW and channels_last for each pass. Before anything is
timed both are compared with a float64 convolution: errors are max|y - reference| / max|reference|. A pass of ours is
timed with all its own transforms; the sum is forward and backward, where backward transforms gradOutput once. Times are
medians over groups of calls between two CUDA events, so that the host's part is hidden as in a running network.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cupy
import torch

import tinyfft
from benchmarks.shapes import LAYERS, Layer
from tinyfft import nn

PASSES = ("updateOutput", "updateGradInput", "accGradParameters")
CALLS, GROUPS = 5, 9


def main() -> None:
    options = _options()
    tinyfft.use_device("cuda")
    torch.backends.cudnn.benchmark = True
    rows = []
    for name in options.layers:
        for precision in options.precisions:
            rows.append(measure(name, LAYERS[name], precision))
            print(_line(rows[-1]), flush=True)
    command = ["python -m benchmarks.layers --layers", *options.layers, "--precisions", *options.precisions]
    report = {"machine": machine(), "command": " ".join(command), "rows": rows}
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        Path(options.markdown).write_text(markdown(report), encoding="utf-8")


def measure(name: str, layer: Layer, precision: str) -> dict[str, Any]:
    """Errors and milliseconds of one layer, ours and the peer's."""
    rng = cupy.random.default_rng(7)
    x = rng.standard_normal((layer.S, layer.C, layer.n, layer.n), dtype=cupy.float32)
    ours = nn.FFTConvolution(layer.C, layer.F, layer.k, padding=layer.padding, precision=precision)
    gy = rng.standard_normal(ours.forward(x).shape, dtype=cupy.float32)
    reference = _reference(ours, x, gy, layer)
    ours.zeroGradParameters()
    gx = ours.backward(x, gy)
    errors = [_error(a, b) for a, b in zip((ours.output, gx, ours.gradWeight), reference, strict=True)]
    times = {
        "updateOutput": milliseconds(lambda: ours.updateOutput(x)),
        "updateGradInput": milliseconds(lambda: ours.updateGradInput(x, gy)),
        "accGradParameters": milliseconds(lambda: ours.accGradParameters(x, gy)),
        "sum": milliseconds(lambda: (ours.updateOutput(x), ours.backward(x, gy))),
    }
    peer_times, peer_errors = _peer(ours, x, gy, layer, precision, reference)
    return {
        "layer": name,
        "precision": precision,
        "lengths": ours.plan(x.shape).lengths,
        "tiles": ours.plan(x.shape).tiles,
        "ours_ms": times,
        "peer_ms": peer_times,
        "ratio": {key: peer_times[key] / times[key] for key in times},
        "errors": dict(zip(PASSES, errors, strict=True)),
        "peer_errors": peer_errors,
    }


def milliseconds(call: Callable[[], Any]) -> float:
    """Of one call: the median over groups of calls, after two groups that warm up."""
    times = []
    for _ in range(GROUPS + 2):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(CALLS):
            call()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, end) / CALLS)
    return statistics.median(times[2:])


def machine() -> dict[str, str]:
    """What the figures depend on."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    gpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    versions = {"torch": torch.__version__, "cudnn": str(torch.backends.cudnn.version()), "cupy": cupy.__version__}
    return {"gpu": gpu, **versions, "python": sys.version.split()[0], "tinyfft": tinyfft.__version__}


def markdown(report: dict[str, Any]) -> str:
    """The measurements as a table."""
    lines = [
        "# Layers: tinyfft beside PyTorch (cuDNN)",
        "",
        ", ".join(f"{key} {value}" for key, value in report["machine"].items()),
        "",
        "Milliseconds of updateOutput / updateGradInput / accGradParameters, each with all its own transforms, and of"
        " the three with gradOutput transformed once; ratio = peer's time / ours, below 1 where cuDNN is faster."
        " Errors: max|y - reference| / max|reference| against float64, the worst of the three passes.",
        "",
        "| layer | precision | N | PyTorch ms | tinyfft ms | sum, ratio | ratios of passes | errors, ours / peer's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [_line(row) for row in report["rows"]]) + "\n"


def _line(row: dict[str, Any]) -> str:
    ours, peer, ratio = row["ours_ms"], row["peer_ms"], row["ratio"]
    tiles = f", {row['tiles']} tiles" if row["tiles"] > 1 else ""
    cells = [
        *(row["layer"], row["precision"], f"{row['lengths'][0]} x {row['lengths'][1]}{tiles}"),
        " / ".join(f"{peer[name]:.3f}" for name in PASSES),
        " / ".join(f"{ours[name]:.3f}" for name in PASSES),
        f"{peer['sum']:.3f} / {ours['sum']:.3f} = **{ratio['sum']:.2f}**",
        " / ".join(f"{ratio[name]:.2f}" for name in PASSES),
        f"{max(row['errors'].values()):.1e} / {max(row['peer_errors'].values()):.1e}",
    ]
    return f"| {' | '.join(cells)} |"


def _reference(ours: nn.FFTConvolution, x: Any, gy: Any, layer: Layer) -> list[torch.Tensor]:
    """The three passes in float64, a few samples at a time, by PyTorch without cuDNN."""
    weight, bias = (torch.as_tensor(a).double() for a in (ours.weight, ours.bias))
    outputs, inputs, of_weight = [], [], torch.zeros_like(weight)
    with torch.backends.cudnn.flags(enabled=False):
        for first in range(0, layer.S, 16):
            part, gradient = (torch.as_tensor(a[first : first + 16]).double() for a in (x, gy))
            outputs.append(torch.nn.functional.conv2d(part, weight, bias, padding=layer.padding))
            of_x, of_w = _gradients(part, weight, gradient, layer, (True, True))
            inputs.append(of_x)
            of_weight += of_w
    return [torch.cat(outputs), torch.cat(inputs), of_weight]


def _gradients(x: Any, weight: Any, gy: Any, layer: Layer, wanted: tuple[bool, bool]) -> list[torch.Tensor]:
    padding = [(layer.k - 1) // 2 if layer.padding == "same" else layer.padding] * 2
    mask = (*wanted, False)
    return torch.ops.aten.convolution_backward(
        gy, x, weight, None, [1, 1], padding, [1, 1], False, [0, 0], 1, list(mask)
    )[:2]


def _peer(
    ours: nn.FFTConvolution, x: Any, gy: Any, layer: Layer, precision: str, reference: list[torch.Tensor]
) -> tuple[dict[str, float], dict[str, float]]:
    """(milliseconds, errors) of PyTorch, the better layout for each pass."""
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    times, errors = {name: float("inf") for name in PASSES}, dict.fromkeys(PASSES, 0.0)
    for layout in (torch.contiguous_format, torch.channels_last):
        tensors = [torch.as_tensor(a).to(kind).contiguous(memory_format=layout) for a in (x, ours.weight, gy)]
        bias = torch.as_tensor(ours.bias).to(kind)
        tx, weight, gradient = tensors
        calls = (
            lambda tx=tx, w=weight, b=bias: torch.nn.functional.conv2d(tx, w, b, padding=layer.padding),
            lambda tx=tx, w=weight, g=gradient: _gradients(tx, w, g, layer, (True, False))[0],
            lambda tx=tx, w=weight, g=gradient: _gradients(tx, w, g, layer, (False, True))[1],
        )
        for name, call, expected in zip(PASSES, calls, reference, strict=True):
            errors[name] = max(errors[name], _error(call(), expected))
            times[name] = min(times[name], milliseconds(call))
    return times | {"sum": sum(times.values())}, errors


def _error(values: Any, reference: torch.Tensor) -> float:
    difference = (torch.as_tensor(values).double() - reference).abs().max()
    return float(difference / reference.abs().max())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS), metavar="NAME", help="which")
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "tf32", "bf16"), default=["fp32", "tf32", "bf16"])
    parser.add_argument("--json", metavar="FILE", help="write the measurements to FILE")
    parser.add_argument("--markdown", metavar="FILE", help="write the table to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
