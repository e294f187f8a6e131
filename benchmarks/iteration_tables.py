"""The tables of `python -m benchmarks.iteration` in Markdown: times, memory, where the peer is faster, its variants."""

from collections.abc import Iterator
from typing import Any

from benchmarks import report

Row = dict[str, Any]

HEAD = (
    *("config", "minibatch", "precision", "PyTorch ms", "its variant", "tinyfft ms", "**ratio**"),
    *("forward, PyTorch / tinyfft", "**ratio**", "peak MiB, PyTorch / tinyfft", "page faults"),
)
TEXT = (
    "One training iteration. Ratio: PyTorch's time / ours, below 1 where PyTorch is faster. PyTorch is the fastest of"
    " its variants, listed below; its forward pass is the fastest of theirs. Page faults are those of an iteration of"
    " ours."
)

INFERENCE_HEAD = ("config", "precision", "minibatch", "PyTorch ms", "its variant", "tinyfft ms", "**ratio**")
INFERENCE_TEXT = "The forward pass in evaluation, the spectra of the weights being there from an earlier one."


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    rows = found["rows"]
    head = ("config", "precision", "variant", "optimizer", "iteration ms", "forward ms", "peak MiB")
    variants = [_variant_cells(row, peer) for row in rows for peer in row["peers"]]
    lines = [TEXT, "", *report.table(HEAD, map(_cells, rows)), "", "## Where PyTorch is faster", ""]
    lines += [*_peer_wins(rows), "", "## Networks in use", "", INFERENCE_TEXT, ""]
    lines += report.table(INFERENCE_HEAD, (cells for row in rows for cells in _inference_cells(row)))
    lines += ["", "## PyTorch's variants", "", *report.table(head, variants)]
    return report.document("Whole training iterations: tinyfft beside PyTorch", found, lines)


def line(row: Row) -> str:
    """The row of one config and precision in the table of times."""
    return report.table_row(_cells(row))


def _ran(row: Row) -> list[Row]:
    """The variants of PyTorch that ran. Raises RuntimeError if all failed."""
    ran = [peer for peer in row["peers"] if "failure" not in peer]
    if not ran:
        raise RuntimeError(f"{row['config']}, {row['precision']}: every variant failed: {row['peers']}")
    return ran


def _best(row: Row, key: str) -> Row:
    """The variant of PyTorch whose `key` is least."""
    return min(_ran(row), key=lambda peer: peer[key])


def _ratio(row: Row, key: str) -> float:
    """PyTorch's best time / ours."""
    return _best(row, key)[key] / row["ours"][key]


def _cells(row: Row) -> list[str]:
    ours, peer = row["ours"], _best(row, "iteration_ms")
    return [
        *(row["config"], str(row["batch_size"]), row["precision"], f"{peer['iteration_ms']:.2f}"),
        f"{peer['how']}, {peer['layout']}",
        *(f"{ours['iteration_ms']:.2f}", f"**{_ratio(row, 'iteration_ms'):.2f}**"),
        f"{_best(row, 'forward_ms')['forward_ms']:.2f} / {ours['forward_ms']:.2f}",
        f"**{_ratio(row, 'forward_ms'):.2f}**",
        f"{_mebibytes(peer['peak_bytes'])} / {_mebibytes(ours['peak_bytes'])}",
        "-" if ours["page_faults"] is None else str(ours["page_faults"]),
    ]


def _inference_cells(row: Row) -> Iterator[list[str]]:
    """A row for each size of a minibatch."""
    for size, ours in row["ours"]["inference_ms"].items():
        peer = min(_ran(row), key=lambda peer, size=size: peer["inference_ms"][size])
        theirs = peer["inference_ms"][size]
        named = [row["config"], row["precision"], str(size), f"{theirs:.3f}", f"{peer['how']}, {peer['layout']}"]
        yield [*named, f"{ours:.3f}", f"**{theirs / ours:.2f}**"]


def _variant_cells(row: Row, peer: Row) -> list[str]:
    named = [row["config"], row["precision"], f"{peer['how']}, {peer['layout']}"]
    if "failure" in peer:
        return [*named, f"failed: {peer['failure']}", "-", "-", "-"]
    times = (f"{peer[key]:.2f}" for key in ("iteration_ms", "forward_ms"))
    return [*named, peer["optimizer"], *times, _mebibytes(peer["peak_bytes"])]


def _peer_wins(rows: list[Row]) -> list[str]:
    names = {"iteration_ms": "iteration", "forward_ms": "forward"}
    lines = [
        f"- {row['config']}, {row['precision']}: {name} {_ratio(row, key):.2f}"
        for row in rows
        for key, name in names.items()
        if not _ratio(row, key) >= 1
    ]
    return lines or ["Nowhere: in no row."]


def _mebibytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:.0f}"
