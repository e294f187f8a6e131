"""The paper's figures of time: against the kernel's size, the image's size and the minibatch, beside PyTorch.

    python -m benchmarks.sweeps [--device cpu] [--sweeps kernel image minibatch] [--precisions fp32 tf32 bf16]
                                [--batch-size N] [--json FILE] [--markdown FILE] [--resume] [--plots DIR]
    python -m benchmarks.sweeps --from FILE [--markdown FILE] [--plots DIR]

f = 96 input and f' = 256 output maps, valid convolutions; around S = 128, 32 x 32 pixels and kernels of 7 x 7, one
quantity goes through its values. Each point is measured as `benchmarks.layers` does, errors included. --from draws an
earlier run's JSON, on a machine that has matplotlib.
Source  Mathieu, Henaff, LeCun 2013, the figures of its section of experiments
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import figures, layer_tables, report
from benchmarks.shapes import Layer
from tinyfft.fourier.product import PRECISIONS

CENTRE = Layer(128, 96, 256, 32, 7)
SWEEPS = {
    "kernel": ("k", (3, 5, 7, 9, 11, 13, 15), "kernel size (pixels)"),
    "image": ("n", (16, 24, 32, 40, 48, 56, 64), "image size (pixels)"),
    "minibatch": ("S", (16, 32, 64, 96, 128), "minibatch (images)"),
}
"""Name -> (which of the layer's sizes, its values, its label)."""


def main() -> None:
    options = _options()
    found = _earlier(options.from_file) if options.from_file else measure(options)
    report.write(options, found, markdown(found))
    if options.plots:
        plot(found, Path(options.plots))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All points of the sweeps asked for, written one by one: rows of `benchmarks.layers`, "sweep" and "value"."""
    from benchmarks import layers, peers  # PyTorch, which drawing does without

    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = {"machine": report.machine(device) | peers.prepare(device)}
    found |= {"command": report.command("python -m benchmarks.sweeps", options), "rows": []}
    done = report.resume(options, found)
    for sweep in options.sweeps:
        size, values, _ = SWEEPS[sweep]
        for value in values:
            layer, name = CENTRE._replace(**{"S": options.batch_size, size: value}), f"{sweep} {value}"
            for row in layers.rows(layer, [each for each in options.precisions if (name, each) not in done], device):
                found["rows"].append({"layer": name, "sweep": sweep, "value": value} | row)
                print(layer_tables.line(found["rows"][-1]), flush=True)
                report.write(options, found, markdown(found))
    return found


def markdown(found: dict[str, Any]) -> str:
    """The points as the tables of `benchmarks.layers`."""
    return layer_tables.markdown(found, "Sweeps: f = 96, f' = 256, valid convolutions")


def plot(found: dict[str, Any], folder: Path) -> None:
    """A figure for each sweep, SWEEP.svg, with a panel for each precision."""
    folder.mkdir(parents=True, exist_ok=True)
    hardware, peer = found["machine"]["hardware"], found["machine"]["PyTorch"]
    for sweep, (_, _, label) in SWEEPS.items():
        rows = [row for row in found["rows"] if row["sweep"] == sweep]
        if rows:
            panels = [
                _panel(precision, [row for row in rows if row["precision"] == precision])
                for precision in PRECISIONS
                if any(row["precision"] == precision for row in rows)
            ]
            title = f"{_fixed(sweep, rows[0]['shape'])}\n{hardware}, PyTorch {peer}"
            figures.save(folder / f"{sweep}.svg", title, label, "time (ms)", panels)


def _earlier(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _panel(precision: str, rows: list[dict[str, Any]]) -> figures.Panel:
    lines = (
        figures.Line("PyTorch, three passes", [row["peer_ms"]["sum"] for row in rows], "PyTorch"),
        figures.Line("PyTorch, forward", [row["peer_ms"]["updateOutput"] for row in rows], "PyTorch", dashed=True),
        figures.Line("tinyfft, three passes", [row["ours_ms"]["sum"] for row in rows], "tinyfft"),
        figures.Line("tinyfft, forward", [row["ours_ms"]["updateOutput"] for row in rows], "tinyfft", dashed=True),
    )
    return figures.Panel(precision, [row["value"] for row in rows], lines)


def _fixed(sweep: str, shape: dict[str, Any]) -> str:
    """The sizes that a sweep holds."""
    sizes = {
        "minibatch": f"minibatch {shape['S']}",
        "image": f"{shape['n']} x {shape['n']} pixels",
        "kernel": f"{shape['k']} x {shape['k']} kernels",
    }
    held = [text for name, text in sizes.items() if name != sweep]
    return ", ".join([f"{shape['C']} to {shape['F']} maps", *held])


def _options() -> argparse.Namespace:
    parser = report.parser("sweeps", __doc__)
    report.add_device(parser)
    parser.add_argument("--sweeps", nargs="+", choices=SWEEPS, default=list(SWEEPS), help="which")
    report.add_precisions(parser)
    report.add_resume(parser)
    parser.add_argument(
        "--batch-size", type=int, default=CENTRE.S, metavar="N", help="minibatch of the kernel and image sweeps"
    )
    parser.add_argument("--plots", metavar="DIR", help="draw the figures in DIR")
    parser.add_argument("--from", dest="from_file", metavar="FILE", help="take the JSON of an earlier run")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
