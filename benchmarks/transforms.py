"""How close the GPU's transforms come to copying the bytes that they must move.

    python -m benchmarks.transforms [--lengths 18 36 40 64 72] [--mebibytes 256] [--planes N] [--blocks N]
                                    [--json FILE] [--markdown FILE]

For each length N: planes of (N - 4) x (N - 4) pixels to half spectra of N x N and back, against a copy on the device of
as many bytes as the transform reads and writes. Times are medians of CUDA events after a warm-up.
"""

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

import tinyfft
from benchmarks import report
from benchmarks.clock import milliseconds
from tinyfft.fourier import kernel, launch
from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.plan import Plan

HEAD = ("N", "planes a block", "blocks", "spectrum ms", "signal ms", "share of copy bandwidth", "copy GB/s")


def main() -> None:
    parser = report.parser("transforms", __doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[18, 36, 38, 40, 64, 72], metavar="N")
    parser.add_argument("--mebibytes", type=int, default=256, help="bytes to move, reading and writing together")
    parser.add_argument("--planes", type=int, help="planes a block, in place of the launcher's choice")
    parser.add_argument("--blocks", type=int, help="blocks a multiprocessor, in place of the launcher's choice")
    options = parser.parse_args()
    device = report.use_device("cuda")
    found = {"machine": report.machine(device), "rows": [measure(device, N, options) for N in options.lengths]}
    found["command"] = report.command("python -m benchmarks.transforms", options)
    text = report.document("Transforms beside a copy", found, report.table(HEAD, map(_cells, found["rows"])))
    print(text, end="")
    report.write(options, found, text)


def measure(device: tinyfft.Device, N: int, options: argparse.Namespace) -> dict[str, Any]:
    """The times of one length."""
    xp, size = device.xp, N - 4
    axis = AxisPlan(Axis(size, 9, 1, 4, 4), N)
    bytes_of_plane = 4 * size * size + 8 * Plan(1, 1, 1, axis, axis).Q
    samples, maps = max(1, (options.mebibytes << 20) // bytes_of_plane // 64), 64
    plan = Plan(samples, maps, 1, axis, axis, kind="cuda")
    planes = xp.random.standard_normal((samples, maps, size, size)).astype(xp.float32)
    hat = xp.empty(plan.spectrum_shape("x"), xp.complex64)
    (layout,) = kernel.launches(planes.shape, plan.windows("x"), apart=False)
    limit, row = launch.shared_limit(device), {"N": N}
    for stem, arguments in (
        ("spectrum", (planes, hat, None, None)),  # without ReLU's mask
        ("signal", (hat, planes, None, xp.float32(1))),  # without bias
    ):
        special = kernel.specialise(stem, plan, "x", (size, size), limit, conjugate=False)
        special = replace(special, planes=options.planes or special.planes, blocks=options.blocks or special.blocks)
        transform = launch.launcher(special, layout, device)
        row |= {"planes": special.planes, "blocks": special.blocks}
        row[f"{stem}_ms"] = milliseconds(partial(transform, arguments), device, ahead=True)
    moved = samples * maps * bytes_of_plane
    source, target = (xp.empty((moved // 8,), xp.float32) for _ in range(2))
    copy_ms = milliseconds(partial(xp.copyto, target, source), device, ahead=True)
    row |= {f"{stem}_share": copy_ms / row[f"{stem}_ms"] for stem in ("spectrum", "signal")}
    return row | {"copy_gb_per_s": moved / copy_ms / 1e6}


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        *(str(row[key]) for key in ("N", "planes", "blocks")),
        *(f"{row[f'{stem}_ms']:.3f}" for stem in ("spectrum", "signal")),
        f"{row['spectrum_share']:.2f} / {row['signal_share']:.2f}",
        f"{row['copy_gb_per_s']:.0f}",
    ]


if __name__ == "__main__":
    report.run(main)
