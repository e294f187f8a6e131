"""train.py --time: time one training iteration of a config's network, or with --inference its forward pass."""

import argparse

from commands import build
from commands.options import overrides
from tinyfft.files import write_json
from tinyfft.runs import inference, timing
from tinyfft.runs.config import load_config


def run(options: argparse.Namespace) -> int:
    """Print the times, and write them to the file of --json. Return the exit code."""
    config = load_config(options.config, overrides(options))
    device = build.use_device(options.device, config)
    print(f"device {device} ({device.hardware})", flush=True)
    kind = inference if options.inference else timing
    report = kind.measure(build.make_network(config, config.timing.input_shape, config.timing.classes), config)
    print(kind.table(report), flush=True)
    if options.json:
        write_json(options.json, report)
    return 0
