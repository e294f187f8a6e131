"""Measure the peak memory of a training on few and on many images, which stay on the disk: the peaks should be close.

    python -m benchmarks.image_memory [--images 1000 100000] [--side 64] [--json FILE] [--markdown FILE]

For each number the benchmark makes so many JPEG files, all different, in a temporary folder. Then
`python train.py --config folder --data FOLDER --device cpu` trains a small network on them for one epoch, twice: the
first start finds an empty cache and decodes the files, the second start finds them decoded. The peak is the
process's, counted by Linux (ru_maxrss).
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import report
from benchmarks.report import Options, Report, Row

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 4
FILES_PER_FOLDER = 1000
# Small layers, since the images' memory counts here and not the network's. "fft", since "auto" would add to the peak
# whatever candidates it times.
SETTINGS = (
    "epochs=1",
    "algorithm=fft",
    "model.channels=[4, 8]",
    "model.kernel_sizes=[5, 3]",
    "model.pool_after=[1, 2]",
)
STARTS = ("first start", "second start")
HEAD = "images | decoded MB | start | seconds | peak MB"
CELLS = "{images} | {decoded_mb:.1f} | {start} | {seconds:.1f} | {peak_mb:.1f}"


def main() -> None:
    options = _options()
    if not sys.platform.startswith("linux"):
        raise report.UsageError(f"image_memory: the platform is {sys.platform}, expected linux, which counts the peak")
    found = report.begin("image_memory", options, report.use_device("cpu")) | {"side": options.side}
    for count in options.images:
        with tempfile.TemporaryDirectory() as folder:
            make_images(Path(folder, "images"), count, options.side)
            for start in STARTS:
                row = {"images": count, "start": start} | train(Path(folder), options.side)
                report.add(found, row, CELLS.format_map(_cells(row, options.side)), options, markdown)
    print(differences(found))


def make_images(folder: Path, count: int, side: int) -> None:
    """Write `count` different JPEG files of side x side below folder/CLASS/: random colours and gradients."""
    rng = np.random.default_rng(1)
    ramp = np.linspace(-1, 1, side)[:, None, None]
    for number in range(count):
        home = folder / f"class{number % CLASSES}" / f"{number // FILES_PER_FOLDER:03}"
        home.mkdir(parents=True, exist_ok=True)
        colours, slope_y, slope_x = rng.uniform(60, 190, 3), *rng.uniform(-60, 60, (2, 3))
        pixels = colours + ramp * slope_y + ramp.transpose(1, 0, 2) * slope_x
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(home / f"{number:06}.jpg")


def train(folder: Path, side: int) -> dict[str, float]:
    """Run train.py for one epoch on folder/images, with the cache in folder/cache. Returns seconds and peak bytes.

    Raises RuntimeError with the last line of a process that failed.
    """
    settings = [*SETTINGS, f"data.size={side}"]
    command = [sys.executable, str(ROOT / "train.py"), "--config", "folder", "--data", str(folder / "images")]
    command += ["--device", "cpu", "--set", *settings, "--out", str(folder / f"run-{time.monotonic_ns()}")]
    environment = {**os.environ, "TINYFFT_CACHE": str(folder / "cache")}
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
    )
    with process.stdout:
        text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # the usage of this process alone, which Popen does not give
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {text.strip().rpartition(chr(10))[2]}")
    return {"seconds": time.monotonic() - began, "peak_bytes": 1024 * usage.ru_maxrss}


def differences(found: Report) -> str:
    """Return a line for each start: how much more memory the most images take than the fewest."""
    lines = []
    for start in STARTS:
        rows = sorted((row for row in found["rows"] if row["start"] == start), key=lambda row: row["images"])
        if len(rows) > 1:
            few, many = rows[0], rows[-1]
            more = (many["peak_bytes"] - few["peak_bytes"]) / 1e6
            lines.append(f"{start}: {many['images']} images take {more:.1f} MB more than {few['images']}.")
    return "\n".join(lines)


def markdown(found: Report) -> str:
    side = found["side"]
    text = f"Peak of a process that trains for one epoch on JPEG files of {side} x {side}. MB: 10^6 bytes."
    table = report.table(HEAD, CELLS, (_cells(row, side) for row in found["rows"]))
    return report.document("Memory: few images and many", found, text, table, differences(found))


def _cells(row: Row, side: int) -> Row:
    return row | {"decoded_mb": row["images"] * 3 * side**2 / 1e6, "peak_mb": row["peak_bytes"] / 1e6}


def _options() -> Options:
    images = {"type": int, "nargs": "+", "default": [1000, 100_000], "metavar": "N", "help": "how many files"}
    side = {"type": int, "default": 64, "metavar": "N", "help": "pixels of an image's side (default: 64)"}
    options = report.parse("image_memory", __doc__, "images", "side", images=images, side=side)
    if min(*options.images, options.side) < 8:
        raise report.UsageError(f"--images {options.images}, --side {options.side}: expected numbers of at least 8")
    return options


if __name__ == "__main__":
    report.run(main)
