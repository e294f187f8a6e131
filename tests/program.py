"""train.py as its users run it: a process of its own, its two streams, its exit code and its files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def network_of(*channels):
    """The keys for a convnet of 5 x 5 convolutions with so many maps, pooling after each of them."""
    layers = range(1, len(channels) + 1)
    lists = {"channels": channels, "kernel_sizes": [5 for _ in layers], "pool_after": layers}
    lists |= {"residual_after": ()}
    return [f"model.{name}={[*values]}" for name, values in lists.items()] + ["model.global_pool=false"]


TINY = ["--set", *network_of(2, 2, 2), "batch_size=4", "epochs=1", "data.crop=1"]
LAST_LINE = r"test accuracy (\d\.\d+), loss (\d+\.\d+), after (\d+) epochs in (\d+\.\d+) s"


def run(folder, *arguments, report=False):
    """The finished process, in `folder`, with no GPU in sight."""
    options = {"cwd": folder, "env": environment(folder, report), "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(command(arguments), **options)


def start(folder, *arguments):
    """The running process, which heeds SIGINT even if this one ignores it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command(arguments), cwd=folder, env=environment(folder), **streams)
    finally:
        signal.signal(signal.SIGINT, handler)


def command(arguments):
    return [sys.executable, str(ROOT / "train.py"), *map(str, arguments)]


def environment(folder, report=False):
    """Without matplotlib, unless `report`: to draw a report takes longer than these runs."""
    hidden = [] if report else [str(Path(__file__).parent / "without_matplotlib")]
    path = os.pathsep.join(filter(None, [*hidden, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "TINYFFT_CACHE": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}


def error_line(process, code=2):
    """The one line of a failed run, without its head."""
    assert process.returncode == code, process
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("train.py: error: ")
    return lines[0].removeprefix("train.py: error: ")


def metrics(folder):
    """What its epochs measured, but for times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: m[key] for key in m if key not in ("seconds", "images_per_second")} for m in lines]
