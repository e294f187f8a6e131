"""Compare the GPU's transforms with a copy of the bytes that they must move.

    python -m benchmarks.transforms [--lengths N ...] [--mebibytes N] [--json FILE] [--markdown FILE]

For each length N, planes of (N - 4) x (N - 4) pixels are transformed to half spectra of N x N and back. The copy on the
device reads and writes as many bytes. Times are medians of CUDA events after a warm-up.
"""

from dataclasses import replace
from functools import partial

from benchmarks import report
from benchmarks.clock import milliseconds
from benchmarks.report import Options, Report, Row
from tinyfft.backend import Device
from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.gpu import kernel, transforms
from tinyfft.fourier.plan import Plan

HEAD = "N | planes a block | blocks | spectrum ms | signal ms | share of copy bandwidth | copy GB/s"
CELLS = (
    "{N} | {planes} | {blocks} | {spectrum_ms:.3f} | {signal_ms:.3f} | {spectrum_share:.2f} / {signal_share:.2f}"
    " | {copy_gb_per_s:.0f}"
)


def main() -> None:
    options = _options()
    device = report.use_device("cuda")
    found = report.begin("transforms", options, device)
    for N in options.lengths:
        row = measure(device, N, options)
        report.add(found, row, CELLS.format_map(row), options, markdown)


def measure(device: Device, N: int, options: Options) -> Row:
    """Time both transforms of one length, and the copy."""
    xp, size = device.xp, N - 4
    axis = AxisPlan(Axis(size, 9, 1, 4, 4), N)
    bytes_of_plane = 4 * size * size + 8 * Plan(1, 1, 1, axis, axis).Q
    samples, maps = max(1, (options.mebibytes << 20) // bytes_of_plane // 64), 64
    plan = Plan(samples, maps, 1, axis, axis, kind="cuda")
    planes = xp.random.standard_normal((samples, maps, size, size)).astype(xp.float32)
    hat = xp.empty(plan.spectrum_shape("x"), xp.complex64)
    (layout,) = kernel.launches(planes.shape, plan.windows("x"), apart=False)
    limit, row = transforms.shared_limit(device), {"N": N}
    for stem, arguments in (
        ("spectrum", (planes, hat, None, None)),  # without ReLU's mask
        ("signal", (hat, planes, None, xp.float32(1))),  # without bias
    ):
        special = kernel.specialise(stem, plan, "x", (size, size), limit, conjugate=False)
        special = replace(special, planes=options.planes or special.planes, blocks=options.blocks or special.blocks)
        transform = transforms.launcher(special, layout, device)
        row |= {"planes": special.planes, "blocks": special.blocks}
        row[f"{stem}_ms"] = milliseconds(partial(transform, arguments), device, ahead=True)
    moved = samples * maps * bytes_of_plane
    source, target = (xp.empty((moved // 8,), xp.float32) for _ in range(2))
    copy_ms = milliseconds(partial(xp.copyto, target, source), device, ahead=True)
    row |= {f"{stem}_share": copy_ms / row[f"{stem}_ms"] for stem in ("spectrum", "signal")}
    return row | {"copy_gb_per_s": moved / copy_ms / 1e6}


def markdown(found: Report) -> str:
    return report.document("Transforms beside a copy", found, report.table(HEAD, CELLS, found["rows"]))


def _options() -> Options:
    flags = ("lengths", "mebibytes", "planes", "blocks")
    return report.parse(
        "transforms",
        __doc__,
        *flags,
        lengths={"type": int, "nargs": "+", "default": [18, 36, 38, 40, 64, 72], "metavar": "N"},
        mebibytes={"type": int, "default": 256, "help": "bytes to move, reading and writing together"},
        planes={"type": int, "help": "planes for each block, instead of the launcher's choice"},
        blocks={"type": int, "help": "blocks for each multiprocessor, instead of the launcher's choice"},
    )


if __name__ == "__main__":
    report.run(main)
