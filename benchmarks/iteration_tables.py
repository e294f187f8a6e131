"""The tables of `python -m benchmarks.iteration` in Markdown: times, memory, where the peer is faster, its variants."""

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


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    rows = found["rows"]
    head = ("config", "precision", "variant", "optimizer", "iteration ms", "forward ms", "peak MiB")
    variants = [_variant_cells(row, peer) for row in rows for peer in row["peers"]]
    lines = [TEXT, "", *report.table(HEAD, map(_cells, rows)), "", "## Where PyTorch is faster", ""]
    lines += [*_peer_wins(rows), "", "## PyTorch's variants", "", *report.table(head, variants)]
    return report.document("Whole training iterations: tinyfft beside PyTorch", found, lines)


def line(row: Row) -> str:
    """The row of one config and precision in the table of times."""
    return report.table_row(_cells(row))


def _best(row: Row, key: str) -> Row:
    """The variant of PyTorch's whose `key` is least. Raises RuntimeError if all failed."""
    ran = [peer for peer in row["peers"] if "failure" not in peer]
    if not ran:
        raise RuntimeError(f"{row['config']}, {row['precision']}: every variant failed: {row['peers']}")
    return min(ran, key=lambda peer: peer[key])


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
