"""Compare a plan's cost with its time, for several tile sizes of one layer.

    python -m benchmarks.plans [--device cpu] [--layers NAME ...] [--batch-size N] [--json FILE] [--markdown FILE]

The cost is plan.cost, in operations of a pass; the time is updateOutput's. The first row of a layer has the plan of
least cost, which tinyfft takes. The other rows force square tiles, 2 to 6 on each axis. The first should be fastest.
"""

from math import ceil

import numpy as np

from benchmarks import report
from benchmarks.clock import milliseconds
from benchmarks.report import Report, Row
from benchmarks.shapes import LAYERS, SMALL, Layer
from tinyfft import nn
from tinyfft.backend import Device

ALL = LAYERS | SMALL
DEFAULT = ("net-L1", "net-L2", "net-L5", "k15-16", "convnet-L1", "convnet-L2")
TILES_PER_AXIS = (2, 3, 4, 6)
HEAD = "layer | minibatch | N | tiles | cost, 10^9 operations | ms | 10^9 operations / s | time / the first's"
CELLS = (
    "{layer} | {shape[S]} | {lengths[0]} x {lengths[1]} | {tiles} | {giga_operations:.2f} | {ms:.1f}"
    " | {giga_per_second:.0f} | {share:.2f}"
)


def main() -> None:
    layers = {"choices": ALL, "default": list(DEFAULT), "help": f"of {', '.join(ALL)}; default: {', '.join(DEFAULT)}"}
    batch_size = {"default": 16, "help": "minibatch of every layer"}
    flags = ("device", "layers", "batch-size")
    options = report.parse("plans", __doc__, *flags, layers=layers, batch_size=batch_size)
    device = report.use_device(options.device)
    found = report.begin("plans", options, device)
    for name in options.layers:
        for row in measure(ALL[name]._replace(S=options.batch_size), device):
            row = {"layer": name} | row
            report.add(found, row, CELLS.format_map(_cells(row)), options, markdown)


def measure(layer: Layer, device: Device) -> list[Row]:
    """Time the plan of least cost, then forced tile sizes."""
    rng = np.random.default_rng(7)
    x = device.array(rng.standard_normal((layer.S, layer.C, layer.n, layer.n), dtype=np.float32))
    rows: list[Row] = []
    out = nn.FFTConvolution(layer.C, layer.F, layer.k, padding=layer.padding).plan(x.shape).y.axis.out
    for tile in (None, *(ceil(out / count) for count in TILES_PER_AXIS if count < out)):
        ours = nn.FFTConvolution(layer.C, layer.F, layer.k, padding=layer.padding, tile=tile)
        plan, ms = ours.plan(x.shape), milliseconds(lambda ours=ours: ours.updateOutput(x), device)
        row = {"shape": layer._asdict(), "lengths": plan.lengths, "tiles": plan.tiles, "cost": plan.cost, "ms": ms}
        rows.append(row | {"share": ms / rows[0]["ms"] if rows else 1.0})
    return rows


def markdown(found: Report) -> str:
    return report.document("Plans: cost and time", found, report.table(HEAD, CELLS, map(_cells, found["rows"])))


def _cells(row: Row) -> Row:
    giga_operations = row["cost"] / 1e9
    return row | {"giga_operations": giga_operations, "giga_per_second": 1000 * giga_operations / row["ms"]}


if __name__ == "__main__":
    report.run(main)
