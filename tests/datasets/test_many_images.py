"""Many images take hardly more memory than few: they are decoded into a file, and read minibatch by minibatch."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from program import ROOT

# Loads a folder, and reads its training images once. Prints their number and the peak memory in KiB.
PROGRAM = """
import sys
from pathlib import Path
import datasets
from tinyfft.backend import Device

data = datasets.load("folder", sys.argv[1], datasets.FolderOptions(size=48), progress=False)
loader = datasets.Loader(data.train_images, data.train_labels, 64, Device("cpu"), shuffle=True)
print(sum(len(target) for _, target in loader.epoch(0)), *[
    line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")
])
"""
SIDE = 12  # pixels in the files; 48 x 48 when decoded


def write_bitmaps(folder, count, rng):
    """Write folder/{a,b}/NNNNN.bmp, all different."""
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + 3 * SIDE * SIDE, 0, 54, 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number, pixels in enumerate(rng.integers(0, 256, (count, 3 * SIDE * SIDE), dtype=np.uint8)):
        (folder / "ab"[number % 2] / f"{number:05}.bmp").write_bytes(head + pixels.tobytes())


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_images(tmp_path, rng):
    peaks = {}
    for count in (500, 8_000):
        write_bitmaps(tmp_path / str(count), count, rng)
        for start in ("first", "second"):
            command = [sys.executable, "-c", PROGRAM, str(tmp_path / str(count))]
            ran = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr
            images, kibibytes = map(int, ran.stdout.split())
            assert images == count * 4 // 5
            peaks[count, start] = kibibytes / 1024
    # 8,000 decoded images have 53 MiB. The 16 MiB are for names, labels, checksums and sums.
    for start in ("first", "second"):
        assert peaks[8_000, start] - peaks[500, start] <= 16, peaks
