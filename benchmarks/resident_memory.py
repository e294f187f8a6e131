"""The most memory of a process that trains on the CPU, and the page faults of an iteration, both by Linux's count.

    python -m benchmarks.resident_memory CONFIG --side tinyfft|NCHW|channels_last [--set KEY=VALUE ...]

prints by how many bytes the process has grown at its peak, over building the network and three iterations; what it
needs before that, libraries above all, does not count. `measure` starts one such process for each side: what one side
has held cannot help the other.
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
from benchmarks.peers import LAYOUTS
from benchmarks.torch_iteration import TorchIteration
from tinyfft.config import load_config
from tinyfft.timing import Iteration

STATUS = Path("/proc/self/status")
ITERATIONS = 3  # in the second one buffers are as large as they get


def measure(config: str, side: str, overrides: Sequence[str]) -> int | None:
    """Bytes, or None where there is no Linux to count them. Raises RuntimeError with what a failed process said."""
    if not STATUS.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.resident_memory", config, "--side", side]
    ran = subprocess.run([*command, *(["--set", *overrides] if overrides else [])], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr.strip().rpartition(chr(10))[2]}")
    return int(ran.stdout)


def page_faults(call: Callable[[], Any]) -> int:
    """Of one call, that needed no reading from a disk: pages of fresh memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main() -> None:
    options = _options()
    if not STATUS.exists():
        raise report.UsageError(f"{STATUS}: there is none, expected Linux")
    tinyfft.use_device("cpu")
    before = _kibibytes("VmRSS")
    config = load_config(options.config, options.set)
    tinyfft.manual_seed(config.seed)
    iteration = Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)
    if options.side in LAYOUTS:
        iteration = TorchIteration(iteration, "fp32", options.side)  # has copies; the original goes
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    for _ in range(ITERATIONS):
        iteration.run()
    print(1024 * (_kibibytes("VmHWM") - before))


def _kibibytes(name: str) -> int:
    (line,) = (line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resident_memory", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("config", metavar="CONFIG", help="from configs/")
    parser.add_argument("--side", choices=("tinyfft", *LAYOUTS), required=True, help="whose; PyTorch's by its layout")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="change keys of the config")
    return parser.parse_args()


if __name__ == "__main__":
    report.run(main)
