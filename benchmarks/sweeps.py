"""Time one layer against the kernel's size, the image's size and the minibatch, beside PyTorch: the paper's figures.

    python -m benchmarks.sweeps [--sweeps NAME ...] [--precisions fp32 ...] [--json FILE] [--markdown FILE] [--resume]
    python -m benchmarks.sweeps --from FILE --plots DIR

A valid convolution with f = 96 input and f' = 256 output maps. Each sweep varies one of minibatch S = 128, images of
32 x 32 pixels, kernels of 7 x 7, and holds the other two. `benchmarks.layers` measures each point, errors included.
Source  Mathieu, Henaff, LeCun 2013, the figures of its section of experiments
"""

import argparse
from pathlib import Path

from benchmarks import figures, layers, report
from benchmarks.report import Report, Row
from benchmarks.shapes import Layer
from tinyfft.fourier.product import PRECISIONS

CENTRE = Layer(128, 96, 256, 32, 7)
SWEEPS = {
    "kernel": ("k", (3, 5, 7, 9, 11, 13, 15), "kernel size (pixels)"),
    "image": ("n", (16, 24, 32, 40, 48, 56, 64), "image size (pixels)"),
    "minibatch": ("S", (16, 32, 64, 96, 128), "minibatch (images)"),
}
"""Sweep -> (field of the layer, its values, axis label)."""


def main() -> None:
    options = {
        "--device": {},
        "--sweeps": {"nargs": "+", "choices": SWEEPS, "default": list(SWEEPS), "help": "default: all"},
        "--precisions": {},
        "--resume": {},
        "--batch-size": {"default": CENTRE.S, "help": "minibatch of the kernel and image sweeps"},
        "--plots": {},
        "--from": {},
    }
    report.produce(report.parser("sweeps", __doc__, options).parse_args(), measure, markdown, plot)


def measure(options: argparse.Namespace) -> Report:
    """Measure each point of the sweeps: a row of `benchmarks.layers` with "sweep" and "value"."""
    from benchmarks import layer_timing, peers  # PyTorch, which --from does not need

    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = report.begin("sweeps", options, device, peers.prepare(device))
    done = report.resume(options, found)
    for sweep in options.sweeps:
        size, values, _ = SWEEPS[sweep]
        for value in values:
            layer, name = CENTRE._replace(**{"S": options.batch_size, size: value}), f"{sweep} {value}"
            precisions = [precision for precision in options.precisions if (name, precision) not in done]
            for row in layer_timing.rows(layer, precisions, device):
                row = {"layer": name, "sweep": sweep, "value": value} | row
                report.add(found, row, layers.line(row), options, markdown)
    return found


def markdown(found: Report) -> str:
    """Return the page of a report: the tables of `benchmarks.layers`."""
    return layers.markdown(found, "Sweeps: f = 96, f' = 256, valid convolutions")


def plot(found: Report, folder: Path) -> None:
    """Draw SWEEP.svg for each sweep, with a panel for each precision."""
    hardware, peer = found["machine"]["hardware"], found["machine"]["PyTorch"]
    for sweep, (_, _, label) in SWEEPS.items():
        rows = [row for row in found["rows"] if row["sweep"] == sweep]
        by_precision = {name: [row for row in rows if row["precision"] == name] for name in PRECISIONS["cuda"]}
        panels = [_panel(name, points) for name, points in by_precision.items() if points]
        if panels:
            title = f"{_fixed(sweep, rows[0]['shape'])}\n{hardware}, PyTorch {peer}"
            figures.save_panels(folder / f"{sweep}.svg", title, label, "time (ms)", panels)


def _panel(precision: str, rows: list[Row]) -> figures.Panel:
    lines = [
        figures.Line(f"{side}, {label}", [row[times][key] for row in rows], side, dashed=key != "sum")
        for side, times in (("PyTorch", "peer_ms"), ("tinyfft", "ours_ms"))
        for key, label in (("sum", "three passes"), ("updateOutput", "forward"))
    ]
    return figures.Panel(precision, [row["value"] for row in rows], lines)


def _fixed(sweep: str, shape: dict[str, int]) -> str:
    """Return the sizes that a sweep does not vary."""
    sizes = {
        "minibatch": f"minibatch {shape['S']}",
        "image": f"{shape['n']} x {shape['n']} pixels",
        "kernel": f"{shape['k']} x {shape['k']} kernels",
    }
    held = [text for name, text in sizes.items() if name != sweep]
    return ", ".join([f"{shape['C']} to {shape['F']} maps", *held])


if __name__ == "__main__":
    report.run(main)
