"""Time one layer against the kernel's size, the image's size and the minibatch, beside PyTorch: the paper's figures.

    python -m benchmarks.sweeps [--sweeps NAME ...] [--precisions fp32 ...] [--json FILE] [--markdown FILE] [--resume]
    python -m benchmarks.sweeps --from FILE --plots DIR

A valid convolution with f = 96 input and f' = 256 output maps. Each sweep varies one of minibatch S = 128, images of
32 x 32 pixels, kernels of 7 x 7, and holds the other two. `benchmarks.layers` measures each point, errors included.
Source  Mathieu, Henaff, LeCun 2013, the figures of its section of experiments
"""

from pathlib import Path

from benchmarks import figures, layers, report
from benchmarks.report import Options, Report, Row
from benchmarks.shapes import Layer
from tinyfft.fourier.product import PRECISIONS

CENTRE = Layer(128, 96, 256, 32, 7)
SWEEPS = {
    "kernel": ("k", (3, 5, 7, 9, 11, 13, 15), "kernel size (pixels)", "minibatch {S}, {n} x {n} pixels"),
    "image": ("n", (16, 24, 32, 40, 48, 56, 64), "image size (pixels)", "minibatch {S}, {k} x {k} kernels"),
    "minibatch": ("S", (16, 32, 64, 96, 128), "minibatch (images)", "{n} x {n} pixels, {k} x {k} kernels"),
}
"""Sweep -> (field of the layer, its values, axis label, the other sizes)."""


def main() -> None:
    flags = ("device", "sweeps", "precisions", "resume", "batch-size", "plots", "from")
    options = report.parse(
        "sweeps",
        __doc__,
        *flags,
        sweeps={"nargs": "+", "choices": SWEEPS, "default": list(SWEEPS), "help": "default: all"},
        batch_size={"default": CENTRE.S, "help": "minibatch of the kernel and image sweeps"},
    )
    report.produce(options, measure, markdown, plot)


def measure(options: Options) -> Report:
    """Measure each point of the sweeps: a row of `benchmarks.layers` with "sweep" and "value"."""
    cases = []
    for sweep in options.sweeps:
        size, values, *_ = SWEEPS[sweep]
        for value in values:
            head = {"layer": f"{sweep} {value}", "sweep": sweep, "value": value}
            cases.append((head, CENTRE._replace(**{"S": options.batch_size, size: value})))
    return layers.measure("sweeps", cases, options, markdown)


def markdown(found: Report) -> str:
    """Return the page of a report: the tables of `benchmarks.layers`."""
    return layers.markdown(found, "Sweeps: f = 96, f' = 256, valid convolutions")


def plot(found: Report, folder: Path) -> None:
    """Draw SWEEP.svg for each sweep, with a panel for each precision."""
    hardware, peer = found["machine"]["hardware"], found["machine"]["PyTorch"]
    for sweep, (_, _, label, others) in SWEEPS.items():
        rows = [row for row in found["rows"] if row["sweep"] == sweep]
        by_precision = {name: [row for row in rows if row["precision"] == name] for name in PRECISIONS}
        panels = [_panel(name, points) for name, points in by_precision.items() if points]
        if panels:
            sizes = ("{C} to {F} maps, " + others).format_map(rows[0]["shape"])
            title = f"{sizes}\n{hardware}, PyTorch {peer}"
            figures.save_panels(folder / f"{sweep}.svg", title, label, "time (ms)", panels)


def _panel(precision: str, rows: list[Row]) -> figures.Panel:
    lines = [
        figures.Line(f"{side}, {label}", [row[times][key] for row in rows], side, dashed=key != "sum")
        for side, times in (("PyTorch", "peer_ms"), ("tinyfft", "ours_ms"))
        for key, label in (("sum", "three passes"), ("updateOutput", "forward"))
    ]
    return figures.Panel(precision, [row["value"] for row in rows], lines)


if __name__ == "__main__":
    report.run(main)
