"""Time single layers: every pass of FFTConvolution beside PyTorch's, at equal precision, in one run.

    python -m benchmarks.layers [--layers NAME ...] [--precisions fp32 ...] [--json FILE] [--markdown FILE] [--resume]

Both sides are compared with a float64 convolution (accuracy.py) before anything is timed. Each pass of tinyfft is timed
with all its own transforms. "sum" is forward and backward, where backward transforms gradOutput once and transforms
input and weights again. "kept" is the same with memory = "keep", where input and weights are transformed once.
"""

import math
from collections.abc import Iterable

from benchmarks import report
from benchmarks.report import Markdown, Options, Report, Row
from benchmarks.shapes import LAYERS, PAPER, SMALL, Layer
from tinyfft.nn.convolution_layer import PASSES

FP32_BOUND = 2.0**-18
"""The largest allowed error of each pass in fp32."""


def three(key: str, form: str) -> str:
    """Return a cell with a number for each of the three passes."""
    return " / ".join(f"{{{key}[{name}]:{form}}}" for name in PASSES)


HEAD = (
    "layer | minibatch | precision | N | PyTorch ms | tinyfft ms | ratios of passes"
    " | sum, PyTorch / tinyfft | **ratio** | kept | **ratio, kept**"
)
TIMES = " | ".join((three("peer_ms", ".3f"), three("ours_ms", ".3f"), three("ratio", ".2f")))
CELLS = (
    "{layer} | {shape[S]} | {precision} | {N} | " + TIMES + " | {peer_ms[sum]:.3f} / {ours_ms[sum]:.3f}"
    " | **{ratio[sum]:.2f}** | {ours_ms[kept]:.3f} | **{ratio[kept]:.2f}**"
)
TEXT = (
    "Milliseconds of updateOutput / updateGradInput / accGradParameters: tinyfft's with all transforms of the pass,"
    " PyTorch's in the better of NCHW and channels_last. Sum: PyTorch's three passes; tinyfft's forward and backward,"
    ' which transforms gradOutput once. Kept: with memory = "keep", where input and weights are transformed once, too.'
    " Ratio: PyTorch's time / tinyfft's, below 1 where PyTorch is faster."
)
ERROR_HEAD = "layer | precision | tinyfft | PyTorch"
ERROR_CELLS = "{layer} | {precision} | {errors} | {peer_errors}"
ERROR_TEXT = (
    "max|y - reference| / max|reference| of each pass against float64, PyTorch's in its worse layout."
    f" The bound in fp32 is 2^-18 = {FP32_BOUND:.1e}; larger errors are bold."
)
FFT_CONV_PYTORCH_HEAD = "layer | forward | with backward | error of forward | tinyfft, forward | tinyfft, with backward"
FFT_CONV_PYTORCH_CELLS = (
    "{layer} | {forward_ms} | {forward_backward_ms} | {error} | {ours_ms[updateOutput]:.3f} | {ours_ms[sum]:.3f}"
)
FFT_CONV_PYTORCH_TEXT = "Milliseconds in fp32; its backward is PyTorch's autograd."


def main() -> None:
    options = _options()
    cases = [({"layer": name}, (LAYERS | SMALL)[name]) for name in options.layers]
    if options.batch_size:
        cases = [(head, layer._replace(S=options.batch_size)) for head, layer in cases]
    measure("layers", cases, options, markdown)


def measure(module: str, cases: Iterable[tuple[Row, Layer]], options: Options, markdown: Markdown) -> Report:
    """Measure each layer at each precision, for a page of `benchmarks.MODULE`. A case is (head of the row, layer)."""
    from benchmarks import fft_conv_pytorch, layer_timing, peers  # PyTorch, which pages and figures do not need

    device = report.use_device(options.device)
    options.precisions = report.precisions(options.precisions, device)
    found = report.begin(module, options, device, peers.prepare(device))
    done = report.resume(options, found)
    for head, layer in cases:
        name = head["layer"]
        precisions = [precision for precision in options.precisions if (name, precision) not in done]
        for times in layer_timing.rows(layer, precisions, device):
            row = head | times
            if row["precision"] == "fp32" and name in getattr(options, "fft_conv_pytorch", ()):
                arrays = layer_timing.arrays(layer, device)
                row["fft_conv_pytorch"] = fft_conv_pytorch.measure(layer, arrays, device)
            report.add(found, row, line(row), options, markdown)
    return found


def line(row: Row) -> str:
    """Return the cells of a row in the table of times."""
    return CELLS.format_map(row | report.lengths(row))


def markdown(found: Report, title: str = "Layers: tinyfft beside PyTorch") -> str:
    rows = found["rows"]
    paragraphs = [
        TEXT,
        report.table(HEAD, CELLS, (row | report.lengths(row) for row in rows)),
        "## Where PyTorch is faster",
        report.slower((f"{row['layer']}, {row['precision']}", row["ratio"]) for row in rows),
        "## Errors",
        ERROR_TEXT,
        report.table(ERROR_HEAD, ERROR_CELLS, map(_errors, rows)),
    ]
    timed = [row for row in rows if "fft_conv_pytorch" in row]
    if timed:
        table = report.table(FFT_CONV_PYTORCH_HEAD, FFT_CONV_PYTORCH_CELLS, map(_fft_conv_pytorch, timed))
        paragraphs += ["## fft-conv-pytorch", FFT_CONV_PYTORCH_TEXT, table]
    return report.document(title, found, *paragraphs)


def _errors(row: Row) -> Row:
    return row | {key: _error_cell(row[key], row["precision"]) for key in ("errors", "peer_errors")}


def _error_cell(errors: dict[str, float], precision: str) -> str:
    bound = FP32_BOUND if precision == "fp32" else math.inf
    cells = (f"{errors[name]:.1e}" if errors[name] <= bound else f"**{errors[name]:.1e}**" for name in PASSES)
    return " / ".join(cells)


def _fft_conv_pytorch(row: Row) -> Row:
    """Return the row with fft-conv-pytorch's cells: numbers, or the failure."""
    measured, forms = row["fft_conv_pytorch"], {"forward_ms": ".3f", "forward_backward_ms": ".3f", "error": ".1e"}
    return row | {
        key: format(measured[key], form) if key in measured else measured["failure"] for key, form in forms.items()
    }


def _options() -> Options:
    names = {"choices": LAYERS | SMALL, "metavar": "NAME"}
    layers_help = f"of {', '.join(LAYERS | SMALL)}; default: all but {' and '.join(SMALL)}"
    fft_conv_pytorch_help = f"time fft-conv-pytorch in fp32 on these layers too; without names on {', '.join(PAPER)}"
    flags = ("device", "layers", "precisions", "resume", "batch-size", "fft-conv-pytorch")
    options = report.parse(
        "layers",
        __doc__,
        *flags,
        layers=names | {"default": list(LAYERS), "help": layers_help},
        fft_conv_pytorch=names | {"nargs": "*", "help": fft_conv_pytorch_help},
    )
    given = options.fft_conv_pytorch
    options.fft_conv_pytorch = list(PAPER) if given == [] else given or []
    return options


if __name__ == "__main__":
    report.run(main)
