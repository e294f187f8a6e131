"""The plan's cost beside the clock: a layer cut into tiles in several ways, what each costs and how long it takes.

    python -m benchmarks.plans [--device cpu] [--layers net-L1 convnet-L1 ...] [--batch-size N] [--json FILE]
                               [--markdown FILE]

The cost is plan.cost, in operations of a pass; the time that of updateOutput. The first row of a layer is the plan that
costs least, the others force square tiles, 2 to 6 on an axis. What counts is whether the first row is the fastest too.
"""

from math import ceil
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.clock import milliseconds
from benchmarks.shapes import LAYERS, SMALL, Layer
from tinyfft import nn
from tinyfft.backend import Device

ALL = LAYERS | SMALL
CHOSEN = ("net-L1", "net-L2", "net-L5", "k15-16", "convnet-L1", "convnet-L2")
TILES = (2, 3, 4, 6)  # on each axis
HEAD = ("layer", "minibatch", "N", "tiles", "cost, 10^9 operations", "ms", "10^9 operations / s", "time / the first's")


def main() -> None:
    parser = report.parser("plans", __doc__)
    report.add_device(parser)
    names = {"nargs": "+", "choices": ALL, "metavar": "NAME", "default": list(CHOSEN)}
    parser.add_argument("--layers", **names, help=f"which, of {', '.join(ALL)}; without, {', '.join(CHOSEN)}")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="minibatch of every layer")
    options = parser.parse_args()
    device = report.use_device(options.device)
    found = {"machine": report.machine(device), "command": report.command("python -m benchmarks.plans", options)}
    found["rows"] = []
    for name in options.layers:
        found["rows"] += [{"layer": name} | row for row in measure(ALL[name]._replace(S=options.batch_size), device)]
        report.write(options, found, markdown(found))
    print(markdown(found), end="")


def measure(layer: Layer, device: Device) -> list[dict[str, Any]]:
    """The plan that costs least, then tiles that are forced."""
    rng = np.random.default_rng(7)
    x = device.array(rng.standard_normal((layer.S, layer.C, layer.n, layer.n), dtype=np.float32))
    rows: list[dict[str, Any]] = []
    out = nn.FFTConvolution(layer.C, layer.F, layer.k, padding=layer.padding).plan(x.shape).y.axis.out
    for tile in (None, *(ceil(out / count) for count in TILES if count < out)):
        ours = nn.FFTConvolution(layer.C, layer.F, layer.k, padding=layer.padding, tile=tile)
        plan, ms = ours.plan(x.shape), milliseconds(lambda of=ours: of.updateOutput(x), device)
        row = {"shape": layer._asdict(), "lengths": plan.lengths, "tiles": plan.tiles, "cost": plan.cost, "ms": ms}
        rows.append(row | {"share": ms / rows[0]["ms"] if rows else 1.0})
    return rows


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    return report.document("Plans: cost and time", found, report.table(HEAD, map(_cells, found["rows"])))


def _cells(row: dict[str, Any]) -> list[str]:
    rate = row["cost"] / row["ms"] / 1e6
    lengths = "{} x {}".format(*row["lengths"])
    return [
        *(row["layer"], str(row["shape"]["S"]), lengths, str(row["tiles"]), f"{row['cost'] / 1e9:.2f}"),
        *(f"{row['ms']:.1f}", f"{rate:.0f}", f"{row['share']:.2f}"),
    ]


if __name__ == "__main__":
    report.run(main)
