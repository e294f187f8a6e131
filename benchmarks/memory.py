"""Compare the paper's memory table, printed figures and formula, with the bytes that a layer's passes take.

    python -m benchmarks.memory [--device cpu] [--json FILE] [--markdown FILE]

The formula is 4 n (n + 1) (S f + S f' + f f') bytes: the spectra of a minibatch of S, with f input and f' output maps
of n x n pixels. The measured bytes are the arena's high-water mark over a forward and a backward pass of a valid
convolution, whose transforms have length n for any kernel. On a CPU they include the scratch memory of the transforms.
Source  Mathieu, Henaff, LeCun 2013, section 3.2 and its table of memory
"""

from typing import NamedTuple

from benchmarks import report
from benchmarks.report import Report, Row
from tinyfft import arena, nn
from tinyfft.backend import Device

KERNEL_SIZE = 5


class Layer(NamedTuple):
    """A row of the paper's table: minibatch, pixels, input and output maps, megabytes (10^6 bytes)."""

    S: int
    n: int
    C: int
    F: int
    printed_mb: int


TABLE = (
    Layer(128, 16, 96, 256, 76),
    Layer(128, 32, 96, 256, 294),
    Layer(64, 64, 96, 256, 784),
    Layer(128, 64, 96, 256, 1159),
    Layer(128, 16, 256, 384, 151),
    Layer(128, 32, 256, 384, 588),
    Layer(128, 16, 384, 384, 214),
    Layer(128, 32, 384, 384, 830),
)
TEXT = (
    "Megabytes (10^6 bytes) of frequency memory for one layer. The paper prints S = 128 in the rows marked *, where its"
    " own formula gives its figure for S = 64: a misprint, and these rows are measured with S = 64."
)
HEAD = "S | n | f | f' | printed | formula | measured | measured / formula"
CELLS = "{minibatch} | {n} | {C} | {F} | {printed_mb} | {formula_mb:.1f} | {measured_mb:.1f} | {share:.3f}"


def main() -> None:
    options = report.parse("memory", __doc__, "device")
    device = report.use_device(options.device)
    found = report.begin("memory", options, device)
    for layer in TABLE:
        S = minibatch(layer)
        sizes = {"formula_bytes": formula_bytes(layer, S), "measured_bytes": measured_bytes(layer, S, device)}
        row = layer._asdict() | {"measured_S": S} | sizes
        report.add(found, row, CELLS.format_map(_cells(row)), options, markdown)


def formula_bytes(layer: Layer, S: int) -> int:
    """Return the bytes by the paper's formula for a minibatch of S."""
    return 4 * layer.n * (layer.n + 1) * (S * layer.C + S * layer.F + layer.C * layer.F)


def minibatch(layer: Layer) -> int:
    """Return the S for which the formula gives the printed figure: the printed S, or half of it."""
    return min((layer.S, layer.S // 2), key=lambda S: abs(formula_bytes(layer, S) - 1e6 * layer.printed_mb))


def measured_bytes(layer: Layer, S: int, device: Device) -> int:
    """Return the arena's high-water mark over a forward and a backward pass."""
    convolution = nn.FFTConvolution(layer.C, layer.F, KERNEL_SIZE)
    x = device.xp.zeros((S, layer.C, layer.n, layer.n), device.xp.float32)
    arena.reset_high_water(device)
    convolution.backward(x, convolution.forward(x))
    return arena.high_water_bytes(device)


def markdown(found: Report) -> str:
    table = report.table(HEAD, CELLS, map(_cells, found["rows"]))
    return report.document("Frequency memory: the paper's table", found, TEXT, table)


def _cells(row: Row) -> Row:
    S, measured_S = row["S"], row["measured_S"]
    megabytes = {f"{name}_mb": row[f"{name}_bytes"] / 1e6 for name in ("formula", "measured")}
    share = row["measured_bytes"] / row["formula_bytes"]
    return row | megabytes | {"share": share, "minibatch": S if measured_S == S else f"{S} * ({measured_S})"}


if __name__ == "__main__":
    report.run(main)
