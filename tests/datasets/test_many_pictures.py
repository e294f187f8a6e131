"""Many pictures take hardly more memory than few: they are decoded into a file, and read a minibatch at a time."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from program import ROOT

# Decodes a folder, or finds it decoded, and goes once through its pictures. Prints their number and the peak in KiB.
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
    """folder/{a,b}/NNNNN.bmp, all different."""
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + 3 * SIDE * SIDE, 0, 54, 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number, pixels in enumerate(rng.integers(0, 256, (count, 3 * SIDE * SIDE), dtype=np.uint8)):
        (folder / "ab"[number % 2] / f"{number:05}.bmp").write_bytes(head + pixels.tobytes())


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is counted as on Linux")
def test_memory_does_not_grow_with_the_pictures(tmp_path, rng):
    peaks = {}
    for count in (500, 8_000):
        write_bitmaps(tmp_path / str(count), count, rng)
        for start in ("first", "second"):
            command = [sys.executable, "-c", PROGRAM, str(tmp_path / str(count))]
            ran = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr
            pictures, kibibytes = map(int, ran.stdout.split())
            assert pictures == count * 4 // 5
            peaks[count, start] = kibibytes / 1024
    # Decoded the 8,000 take 53 MiB. 16 MiB are for their names, labels, checksums and sums.
    for start in ("first", "second"):
        assert peaks[8_000, start] - peaks[500, start] <= 16, peaks
