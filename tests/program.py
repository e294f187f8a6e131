"""train.py in its own process, as users run it: output, exit code and files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def network_of(*channels):
    """Return the overrides for a convnet of 5 x 5 convolutions with these maps, each followed by pooling."""
    layers = range(1, len(channels) + 1)
    lists = {"channels": channels, "kernel_sizes": [5 for _ in layers], "pool_after": layers}
    lists |= {"residual_after": ()}
    return [f"model.{name}={[*values]}" for name, values in lists.items()] + ["model.global_pool=false"]


TINY = ["--set", *network_of(2, 2, 2), "batch_size=4", "epochs=1", "data.crop=1"]
LAST_LINE = r"test accuracy (\d\.\d+), loss (\d+\.\d+), after (\d+) epochs in (\d+\.\d+) s"


def run(folder, *arguments, report=False, **options):
    """Run train.py in `folder` without a GPU, with options of subprocess.run. Return the finished process."""
    options |= {"cwd": folder, "env": environment(folder, report), "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(command(arguments), **options)


def start(folder, *arguments):
    """Start train.py. Return the running process, which reacts to SIGINT even if this process ignores it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command(arguments), cwd=folder, env=environment(folder), **streams)
    finally:
        signal.signal(signal.SIGINT, handler)


def command(arguments):
    return [sys.executable, str(ROOT / "train.py"), *map(str, arguments)]


def environment(folder, report=False):
    """Return the environment, without matplotlib unless `report`: drawing takes longer than the small runs."""
    hidden = [] if report else [str(Path(__file__).parent / "without_matplotlib")]
    path = os.pathsep.join(filter(None, [*hidden, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "TINYFFT_CACHE": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}


def error_line(process, code=2):
    """Return the message of a failed run, which must be one line."""
    assert process.returncode == code, process
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("train.py: error: ")
    return lines[0].removeprefix("train.py: error: ")


def save_image(path, width=8, height=8, colour="black"):
    """Write an image of one colour, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(path)


def metrics(folder):
    """Return the metrics of a run without its times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: m[key] for key in m if key not in ("seconds", "images_per_second")} for m in lines]
