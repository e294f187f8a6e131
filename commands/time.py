"""train.py --time: one training iteration of a config's network, on random pictures."""

import argparse
import json
from pathlib import Path

from commands import build
from commands.options import overrides
from tinyfft import timing
from tinyfft.config import load_config


def measure(options: argparse.Namespace) -> int:
    """Print the table, and write it as JSON if asked; returns the exit code."""
    config = load_config(options.config, overrides(options))
    device = build.use_device(options.device)
    build.prepare(config, device)
    print(f"device {device} ({device.hardware})", flush=True)
    report = timing.measure(build.make_network(config, config.timing.input_shape, config.timing.classes), config)
    print(timing.table(report), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0
