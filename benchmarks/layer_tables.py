"""The tables of `python -m benchmarks.layers` in Markdown: times, where the peer is faster, errors."""

from collections.abc import Iterator
from typing import Any

from benchmarks import report
from tinyfft.nn.convolution_layer import PASSES

Row = dict[str, Any]

FP32_BOUND = 2.0**-18
"""The design's bound in fp32, for each pass."""

TIMES = (
    "Milliseconds of updateOutput / updateGradInput / accGradParameters, each of ours with all its own transforms, each"
    " of PyTorch's in the better of NCHW and channels_last. Sum: of PyTorch's three passes; of ours with gradOutput"
    ' transformed once; kept: with memory = "keep", where input and weights are transformed once too.'
    " Ratio: PyTorch's time / ours, below 1 where PyTorch is faster."
)
HEAD = (
    *("layer", "minibatch", "precision", "N", "PyTorch ms", "tinyfft ms", "ratios of passes"),
    *("sum, PyTorch / tinyfft", "**ratio**", "kept", "**ratio, kept**"),
)
ERRORS = (
    "max|y - reference| / max|reference| of each pass against float64, PyTorch's in its worse layout."
    f" The design's bound in fp32 is 2^-18 = {FP32_BOUND:.1e}; what is not within it is bold."
)


def markdown(found: dict[str, Any], title: str = "Layers: tinyfft beside PyTorch") -> str:
    """The page for one run."""
    rows = found["rows"]
    lines = [
        *(TIMES, "", *report.table(HEAD, map(_time_cells, rows)), ""),
        *("## Where PyTorch is faster", "", *_peer_wins(rows), ""),
        *("## Errors", "", ERRORS, "", *report.table(("layer", "precision", "tinyfft", "PyTorch"), map(_errors, rows))),
        *_fft_conv_pytorch(rows),
    ]
    return report.document(title, found, lines)


def line(row: Row) -> str:
    """The row of one layer in the table of times."""
    return report.table_row(_time_cells(row))


def _time_cells(row: Row) -> list[str]:
    ours, peer, ratio = row["ours_ms"], row["peer_ms"], row["ratio"]
    tiles = f", {row['tiles']} tiles" if row["tiles"] > 1 else ""
    return [
        *(row["layer"], str(row["shape"]["S"]), row["precision"], "{} x {}".format(*row["lengths"]) + tiles),
        *(" / ".join(f"{times[name]:.3f}" for name in PASSES) for times in (peer, ours)),
        " / ".join(f"{ratio[name]:.2f}" for name in PASSES),
        *(f"{peer['sum']:.3f} / {ours['sum']:.3f}", f"**{ratio['sum']:.2f}**"),
        *(f"{ours['kept']:.3f}", f"**{ratio['kept']:.2f}**"),
    ]


def _peer_wins(rows: list[Row]) -> list[str]:
    """A line for each row with a ratio below 1."""
    lines = []
    for row in rows:
        slower = [f"{name} {ratio:.2f}" for name, ratio in row["ratio"].items() if not ratio >= 1]
        if slower:
            lines.append(f"- {row['layer']}, {row['precision']}: {', '.join(slower)}")
    return lines or ["Nowhere: in no row and no pass."]


def _errors(row: Row) -> list[str]:
    bound = FP32_BOUND if row["precision"] == "fp32" else float("inf")
    cells = (
        " / ".join(f"{errors[name]:.1e}" if errors[name] <= bound else f"**{errors[name]:.1e}**" for name in PASSES)
        for errors in (row["errors"], row["peer_errors"])
    )
    return [row["layer"], row["precision"], *cells]


def _fft_conv_pytorch(rows: list[Row]) -> Iterator[str]:
    timed = [row for row in rows if "fft_conv_pytorch" in row]
    if timed:
        head = ("layer", "forward", "with backward", "error of forward", "tinyfft, forward", "tinyfft, with backward")
        yield from ("", "## fft-conv-pytorch", "", "Milliseconds in fp32; its backward is PyTorch's autograd.", "")
        yield from report.table(head, map(_fft_conv_pytorch_cells, timed))


def _fft_conv_pytorch_cells(row: Row) -> list[str]:
    theirs, ours = row["fft_conv_pytorch"], row["ours_ms"]
    keys = {"forward_ms": ".3f", "forward_backward_ms": ".3f", "error": ".1e"}
    cells = (format(theirs[key], form) if key in theirs else theirs["failure"] for key, form in keys.items())
    return [row["layer"], *cells, f"{ours['updateOutput']:.3f}", f"{ours['sum']:.3f}"]
