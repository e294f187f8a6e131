"""The paper's figure of operations: one pass, direct and through the Fourier domain, against the kernel's size.

    python -m benchmarks.operations [--json FILE] [--markdown FILE] [--plots DIR]

Counted are real additions and multiplications by the plan's own figures: of the direct sums, 2 S f' f k k a pixel of
output; of the FFT method, as a GPU does it, the three transforms of a pass and one complex product a frequency and pair
of maps. Nothing is timed and no device is needed.
Source  Mathieu, Henaff, LeCun 2013, section 2 (f = 96, f' = 256)
"""

from pathlib import Path
from typing import Any

from benchmarks import figures, report
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import plan_convolution

S, C, F, PIXELS = 128, 96, 256, 32
KERNEL_SIZES = (1, 3, 5, 7, 9, 11, 13, 15)
PADDINGS = ("valid", "same")


def main() -> None:
    parser = report.parser("operations", __doc__)
    parser.add_argument("--plots", metavar="DIR", help="draw the figure in DIR, as operations.svg")
    options = parser.parse_args()
    found = {"rows": [count(k, padding) for padding in PADDINGS for k in KERNEL_SIZES]}
    text = markdown(found)
    print(text, end="")
    report.write(options, found, text)
    if options.plots:
        plot(found, Path(options.plots))


def count(k: int, padding: str) -> dict[str, Any]:
    """Operations of one pass with kernels of k x k; the three passes do not differ."""
    margin = (k - 1) // 2 if padding == "same" else 0
    axis = Axis(PIXELS, k, 1, margin, margin)
    plan = plan_convolution(S, C, F, axis, axis, kind="cuda")
    return {
        "kernel_size": k,
        "padding": padding,
        "lengths": plan.lengths,
        "tiles": plan.tiles,
        "direct": plan.direct_operations,
        "fft": plan.pass_operations,
        "products": plan.product_operations,
    }


def markdown(found: dict[str, Any]) -> str:
    """The counts as a table."""
    head = ("padding", "k", "N", "direct", "FFT", "of which products", "direct / FFT")
    title = f"# Operations of one pass: S = {S}, f = {C}, f' = {F}, {PIXELS} x {PIXELS} pixels"
    return "\n".join([title, "", "Units: 10^9.", "", *report.table(head, map(_cells, found["rows"]))]) + "\n"


def plot(found: dict[str, Any], folder: Path) -> None:
    """The figure, a panel for each padding."""
    panels = []
    for padding in PADDINGS:
        rows = [row for row in found["rows"] if row["padding"] == padding]
        of = {key: [row[key] / 1e9 for row in rows] for key in ("direct", "fft", "products")}
        lines = (
            figures.Line("direct", of["direct"], "direct"),
            figures.Line("FFT", of["fft"], "tinyfft"),
            figures.Line("FFT: products alone", of["products"], "tinyfft", dashed=True),
        )
        panels.append(figures.Panel(f'"{padding}" convolution', [row["kernel_size"] for row in rows], lines))
    title = f"Operations of one pass: minibatch {S}, {C} to {F} maps, {PIXELS} x {PIXELS} pixels"
    folder.mkdir(parents=True, exist_ok=True)
    figures.save(folder / "operations.svg", title, "kernel size (pixels)", "real operations (10⁹)", panels)


def _cells(row: dict[str, Any]) -> list[str]:
    tiles = f", {row['tiles']} tiles" if row["tiles"] > 1 else ""
    counts = (f"{row[key] / 1e9:.1f}" for key in ("direct", "fft", "products"))
    lengths = "{} x {}".format(*row["lengths"])
    return [row["padding"], str(row["kernel_size"]), lengths + tiles, *counts, f"{row['direct'] / row['fft']:.2f}"]


if __name__ == "__main__":
    report.run(main)
