"""The paper's memory table: its printed figures and its formula beside the bytes that a layer's passes really take.

    python -m benchmarks.memory [--device cpu] [--json FILE] [--markdown FILE]

The formula is 4 n (n + 1) (S f + S f' + f f') bytes: the spectra of a minibatch of S, with f input and f' output maps
of n x n pixels. Ours is the high-water mark of the arena over a forward and a backward pass of a valid convolution,
whose transforms have length n whatever the kernel is. On a CPU it includes the transforms' scratch.
Source  Mathieu, Henaff, LeCun 2013, section 3.2 and its table of memory
"""

from typing import Any, NamedTuple

from benchmarks import report
from tinyfft import nn
from tinyfft.backend import Device
from tinyfft.fourier import arena

KERNEL_SIZE = 5


class Row(NamedTuple):
    """One row as printed: minibatch, pixels, input and output maps, megabytes (10^6 bytes)."""

    S: int
    n: int
    C: int
    F: int
    printed_mb: int


TABLE = (
    *(Row(128, 16, 96, 256, 76), Row(128, 32, 96, 256, 294), Row(64, 64, 96, 256, 784), Row(128, 64, 96, 256, 1159)),
    *(Row(128, 16, 256, 384, 151), Row(128, 32, 256, 384, 588)),
    *(Row(128, 16, 384, 384, 214), Row(128, 32, 384, 384, 830)),
)

TEXT = (
    "Megabytes (10^6 bytes) of frequency memory for one layer. The paper prints S = 128 in the rows marked *, where its"
    " own formula gives its figure for S = 64: a misprint, and these rows are measured with S = 64."
)


def main() -> None:
    parser = report.parser("memory", __doc__)
    report.add_device(parser)
    options = parser.parse_args()
    device = report.use_device(options.device)
    found = {"machine": report.machine(device), "rows": []}
    for row in TABLE:
        S = minibatch(row)
        bytes_ = {"formula_bytes": formula_bytes(row, S), "measured_bytes": measured_bytes(row, S, device)}
        found["rows"].append(row._asdict() | {"measured_S": S} | bytes_)
        print(report.table_row(_cells(found["rows"][-1])), flush=True)
    found["command"] = report.command("python -m benchmarks.memory", options)
    report.write(options, found, markdown(found))


def formula_bytes(row: Row, S: int) -> int:
    """The paper's formula for a minibatch of S."""
    return 4 * row.n * (row.n + 1) * (S * row.C + S * row.F + row.C * row.F)


def minibatch(row: Row) -> int:
    """The S for which the formula gives the printed figure: the printed S, or half of it."""
    return min((row.S, row.S // 2), key=lambda S: abs(formula_bytes(row, S) - 1e6 * row.printed_mb))


def measured_bytes(row: Row, S: int, device: Device) -> int:
    """The arena's high-water mark over a forward and a backward pass."""
    layer = nn.FFTConvolution(row.C, row.F, KERNEL_SIZE)
    x = device.xp.zeros((S, row.C, row.n, row.n), device.xp.float32)
    arena.reset_high_water(device)
    layer.backward(x, layer.forward(x))
    return arena.high_water_bytes(device)


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    head = ("S", "n", "f", "f'", "printed", "formula", "measured", "measured / formula")
    return report.document(
        "Frequency memory: the paper's table", found, [TEXT, "", *report.table(head, map(_cells, found["rows"]))]
    )


def _cells(row: dict[str, Any]) -> list[str]:
    S = str(row["S"]) if row["measured_S"] == row["S"] else f"{row['S']} * ({row['measured_S']})"
    megabytes = (f"{row[key] / 1e6:.1f}" for key in ("formula_bytes", "measured_bytes"))
    share = row["measured_bytes"] / row["formula_bytes"]
    return [S, *(str(row[key]) for key in ("n", "C", "F", "printed_mb")), *megabytes, f"{share:.3f}"]


if __name__ == "__main__":
    report.run(main)
