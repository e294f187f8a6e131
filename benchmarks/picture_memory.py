"""The most memory of a training on few and on many pictures, which stay on the disk: it should hardly differ.

    python -m benchmarks.picture_memory [--pictures 1000 100000] [--side 64] [--json FILE] [--markdown FILE]

For each number, so many JPEG files that all differ are made in a temporary folder, and
`python train.py --config folder --data FOLDER --device cpu` trains a small network on them for one epoch: once with an
empty cache, where it decodes them first, and once more. The peak is the process's, by Linux's count (ru_maxrss).
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import report

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 4
A_FOLDER = 1000  # files
# Small layers: what is measured is the pictures' memory, not the network's. "fft" because timing both methods would add
# to the peak whatever "auto" happened to try.
SETTINGS = (
    "epochs=1",
    "algorithm=fft",
    "model.channels=[4, 8]",
    "model.kernel_sizes=[5, 3]",
    "model.pool_after=[1, 2]",
)
STARTS = ("first start", "second start")
HEAD = ("pictures", "decoded MB", "start", "seconds", "peak MB")


def main() -> None:
    options = _options()
    if not sys.platform.startswith("linux"):
        raise report.UsageError(f"the peak is counted as on Linux, not as on {sys.platform}")
    found = {"machine": report.machine(report.use_device("cpu")), "side": options.side, "rows": []}
    found["command"] = report.command("python -m benchmarks.picture_memory", options)
    for count in options.pictures:
        with tempfile.TemporaryDirectory() as folder:
            make_pictures(Path(folder, "pictures"), count, options.side)
            for start in STARTS:
                measured = train(Path(folder), options.side)
                found["rows"].append({"pictures": count, "start": start} | measured)
                print(report.table_row(_cells(found, found["rows"][-1])), flush=True)
                report.write(options, found, markdown(found))
    print("\n".join(differences(found)))


def make_pictures(folder: Path, count: int, side: int) -> None:
    """`count` JPEG files of side x side below folder/CLASS/, each of colours and a ramp of its own."""
    rng = np.random.default_rng(1)
    ramp = np.linspace(-1, 1, side)[:, None, None]
    for number in range(count):
        home = folder / f"class{number % CLASSES}" / f"{number // A_FOLDER:03}"
        home.mkdir(parents=True, exist_ok=True)
        colours, slope_y, slope_x = rng.uniform(60, 190, 3), *rng.uniform(-60, 60, (2, 3))
        pixels = colours + ramp * slope_y + ramp.transpose(1, 0, 2) * slope_x
        file = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG")
        (home / f"{number:06}.jpg").write_bytes(file.getvalue())


def train(folder: Path, side: int) -> dict[str, float]:
    """One epoch by train.py on folder/pictures, with the cache in folder/cache: its seconds and its peak in bytes.

    Raises RuntimeError with the last line of a process that failed.
    """
    settings = [*SETTINGS, f"data.size={side}"]
    command = [sys.executable, str(ROOT / "train.py"), "--config", "folder", "--data", str(folder / "pictures")]
    command += ["--device", "cpu", "--set", *settings, "--out", str(folder / f"run-{time.monotonic_ns()}")]
    environment = {**os.environ, "TINYFFT_CACHE": str(folder / "cache")}
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
    )
    with process.stdout:
        text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # the usage of this process alone; Popen would not say it
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {text.strip().rpartition(chr(10))[2]}")
    return {"seconds": time.monotonic() - began, "peak_bytes": 1024 * usage.ru_maxrss}


def differences(found: dict[str, Any]) -> list[str]:
    """A line for each start: how much more memory the most pictures take than the fewest."""
    lines = []
    for start in STARTS:
        rows = sorted((row for row in found["rows"] if row["start"] == start), key=lambda row: row["pictures"])
        if len(rows) > 1:
            few, many = rows[0], rows[-1]
            more = (many["peak_bytes"] - few["peak_bytes"]) / 1e6
            lines.append(f"{start}: {many['pictures']} pictures take {more:.1f} MB more than {few['pictures']}.")
    return lines


def markdown(found: dict[str, Any]) -> str:
    """The page for one run."""
    rows = [_cells(found, row) for row in found["rows"]]
    about = (
        f"Peak of a process that trains one epoch on JPEG files of {found['side']} x {found['side']}. MB: 10^6 bytes."
    )
    lines = [about, "", *report.table(HEAD, rows), "", *differences(found)]
    return report.document("Memory: few pictures and many", found, lines)


def _cells(found: dict[str, Any], row: dict[str, Any]) -> list[str]:
    decoded = row["pictures"] * 3 * found["side"] ** 2 / 1e6
    peak = f"{row['peak_bytes'] / 1e6:.1f}"
    return [str(row["pictures"]), f"{decoded:.1f}", row["start"], f"{row['seconds']:.1f}", peak]


def _options() -> argparse.Namespace:
    parser = report.parser("picture_memory", __doc__)
    parser.add_argument("--pictures", nargs="+", type=int, default=[1000, 100_000], metavar="N", help="how many files")
    parser.add_argument("--side", type=int, default=64, metavar="N", help="pixels of a picture's side (default: 64)")
    options = parser.parse_args()
    if min(*options.pictures, options.side) < 8:
        raise report.UsageError("--pictures and --side must be at least 8")
    return options


if __name__ == "__main__":
    report.run(main)
