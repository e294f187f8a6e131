"""Print the peak memory of a process that trains on the CPU, counted by Linux.

    python -m benchmarks.resident_memory CONFIG --side tinyfft|NCHW|channels_last [--set KEY=VALUE ...]

The number is the growth in bytes while the process builds the network and runs three iterations. Libraries are loaded
before and do not count. `measure` starts a process for each side, so that one side's memory does not help the other.
"""

import argparse
import gc
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import models
import tinyfft
from benchmarks import report
from tinyfft.config import load_config
from tinyfft.timing import Iteration

SIDES = ("tinyfft", "NCHW", "channels_last")
STATUS = Path("/proc/self/status")
ITERATIONS = 3  # buffers reach their full size in the second one


def measure(config: str, side: str, overrides: Sequence[str]) -> int | None:
    """Return the peak in bytes, or None without Linux. Raises RuntimeError with the last line of a failed process."""
    if not STATUS.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.resident_memory", config, "--side", side]
    ran = subprocess.run([*command, *(["--set", *overrides] if overrides else [])], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip().rpartition(chr(10))[2]}")
    return int(ran.stdout)


def page_faults(call: Callable[[], Any]) -> int:
    """Return the page faults of one call without disk access: pages of new memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.resident_memory", description=__doc__.partition("\n")[0])
    parser.add_argument("config", metavar="CONFIG", help="from configs/")
    parser.add_argument("--side", choices=SIDES, required=True, help="tinyfft, or PyTorch in a layout")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change keys of the config")
    options = parser.parse_args()
    if options.side != "tinyfft":
        from benchmarks.torch_iteration import TorchIteration
    if not STATUS.exists():
        raise report.UsageError(f"resident_memory: {STATUS} is missing, expected Linux")
    tinyfft.use_device("cpu")
    before = _kibibytes("VmRSS")
    config = load_config(options.config, options.set)
    tinyfft.manual_seed(config.seed)
    iteration = Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)
    if options.side != "tinyfft":
        iteration = TorchIteration(iteration, "fp32", options.side)  # it has copies, so the original is freed
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the peak
    for _ in range(ITERATIONS):
        iteration.run()
    print(1024 * (_kibibytes("VmHWM") - before))


def _kibibytes(name: str) -> int:
    (line,) = (line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


if __name__ == "__main__":
    report.run(main)
