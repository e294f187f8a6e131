"""The table and the picture of `python -m benchmarks.breakdown`: milliseconds of each group of kernels, and floors."""

from pathlib import Path
from typing import Any

from benchmarks import report

Row = dict[str, Any]

HEAD = ("config", "precision", "part", "ms", "floor, ms")
TEXT = (
    "Each part's kernels, timed one by one, and the least that the hardware needs: products at the best rate of large"
    " ones, all else at the bandwidth of a copy. The whole is timed as it runs, recorded."
)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999", "#555555", "#BBBBBB")
"""Okabe and Ito's, and greys."""


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    rows = [cells for row in found["rows"] for cells in _cells(row)]
    copied = f"A copy reads and writes {found['copy_gb_per_s']:.0f} GB/s together."
    lines = [TEXT, copied, "", *report.table(HEAD, rows)]
    return report.document("Where the milliseconds of an iteration go", found, lines)


def line(row: Row) -> str:
    """The whole of one config and precision."""
    return report.table_row(_whole(row))


def plot(found: dict[str, Any], folder: Path) -> None:
    """breakdown.svg: a bar for each row, its parts in one order, with marks where the floors and the whole end.

    The whole, recorded, has no gaps between its kernels, so it may be shorter than its parts one by one.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyfft"  # so that the same measurements give the same file
    from matplotlib import pyplot

    rows = found["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["groups"]))
    figure, ax = pyplot.subplots(figsize=(9, 1.4 + 0.7 * len(rows)), layout="constrained")
    labels = [f"{row['config']}, {row['precision']}" for row in rows]
    left = [0.0] * len(rows)
    for name, colour in zip(names, COLOURS, strict=False):
        widths = [row["groups"].get(name, 0.0) for row in rows]
        ax.barh(labels, widths, 0.6, left, label=name, color=colour)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, row in enumerate(rows):
        for key, style, label in (("floor_ms", "k--", "sum of floors"), ("iteration_ms", "k-", "the whole, recorded")):
            ax.plot([row[key]] * 2, [place - 0.4, place + 0.4], style, label=None if place else label)
    ax.set_xlim(0, 1.05 * ax.dataLim.xmax)  # a part of no width would end the axis at its bar
    ax.invert_yaxis()
    ax.set_xlabel("one training iteration (ms)")
    ax.set_title(report.machine_line(found).split(",")[0], fontsize=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "breakdown.svg", metadata={"Date": None})
    pyplot.close(figure)


def _cells(row: Row) -> list[list[str]]:
    named = [row["config"], row["precision"]]
    parts = [[*named, name, f"{ms:.3f}", f"{row['floors'][name]:.3f}"] for name, ms in row["groups"].items()]
    return [*parts, _whole(row)]


def _whole(row: Row) -> list[str]:
    ms, floor = row["iteration_ms"], row["floor_ms"]
    return [row["config"], row["precision"], f"**whole**, {ms / floor:.2f} of its floors", f"{ms:.3f}", f"{floor:.3f}"]
