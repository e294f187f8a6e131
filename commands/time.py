"""train.py --time: one training iteration of a config's network, on random pictures; with --inference its use."""

import argparse

from commands import build
from commands.options import overrides
from tinyfft.files import write_json
from tinyfft.runs import inference, timing
from tinyfft.runs.config import load_config


def measure(options: argparse.Namespace) -> int:
    """Print the table, and write it as JSON if asked; returns the exit code."""
    config = load_config(options.config, overrides(options))
    device = build.use_device(options.device)
    build.prepare(config, device)
    print(f"device {device} ({device.hardware})", flush=True)
    clock = inference if options.inference else timing
    report = clock.measure(build.make_network(config, config.timing.input_shape, config.timing.classes), config)
    print(clock.table(report), flush=True)
    if options.json:
        write_json(options.json, report)
    return 0
