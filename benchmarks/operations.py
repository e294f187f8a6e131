"""Count the operations of one pass, direct and through the Fourier domain, against the kernel size, as the paper does.

    python -m benchmarks.operations [--json FILE] [--markdown FILE] [--plots DIR]

The counts are real additions and multiplications, taken from the plan. Direct convolution needs 2 S f' f k k for each
pixel of the output. The FFT method, as a GPU runs it, needs three transforms and one complex product for each
frequency and pair of maps. Nothing is timed, and no device is needed.
Source  Mathieu, Henaff, LeCun 2013, section 2 (f = 96, f' = 256)
"""

from pathlib import Path

from benchmarks import figures, report
from benchmarks.report import Report, Row
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import plan_convolution

S, C, F, PIXELS = 128, 96, 256, 32
KERNEL_SIZES = (1, 3, 5, 7, 9, 11, 13, 15)
PADDINGS = ("valid", "same")
HEAD = "padding | k | N | direct | FFT | of which products | direct / FFT"
CELLS = "{padding} | {kernel_size} | {N} | {direct:.1f} | {fft:.1f} | {products:.1f} | {ratio:.2f}"


def main() -> None:
    options = report.parse("operations", __doc__, "plots")
    found = {"rows": [count(k, padding) for padding in PADDINGS for k in KERNEL_SIZES]}
    text = markdown(found)
    print(text, end="")
    report.write(options, found, text)
    if options.plots:
        plot(found, Path(options.plots))


def count(k: int, padding: str) -> Row:
    """Count the operations of one pass with kernels of k x k. The three passes do not differ."""
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


def markdown(found: Report) -> str:
    """Return the counts as a page."""
    title = f"# Operations of one pass: S = {S}, f = {C}, f' = {F}, {PIXELS} x {PIXELS} pixels"
    return "\n\n".join([title, "Units: 10^9.", report.table(HEAD, CELLS, map(_cells, found["rows"]))]) + "\n"


def _cells(row: Row) -> Row:
    counts = {key: row[key] / 1e9 for key in ("direct", "fft", "products")}
    return row | counts | report.lengths(row) | {"ratio": row["direct"] / row["fft"]}


def plot(found: Report, folder: Path) -> None:
    """Draw operations.svg, with a panel for each padding."""
    panels = []
    for padding in PADDINGS:
        rows = [row for row in found["rows"] if row["padding"] == padding]
        counts = {key: [row[key] / 1e9 for row in rows] for key in ("direct", "fft", "products")}
        lines = (
            figures.Line("direct", counts["direct"], "direct"),
            figures.Line("FFT", counts["fft"], "tinyfft"),
            figures.Line("FFT: products alone", counts["products"], "tinyfft", dashed=True),
        )
        panels.append(figures.Panel(f'"{padding}" convolution', [row["kernel_size"] for row in rows], lines))
    title = f"Operations of one pass: minibatch {S}, {C} to {F} maps, {PIXELS} x {PIXELS} pixels"
    path = folder / "operations.svg"
    figures.save_panels(path, title, "kernel size (pixels)", "real operations (10⁹)", panels)


if __name__ == "__main__":
    report.run(main)
