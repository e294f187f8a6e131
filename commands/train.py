"""train.py --config NAME: start a training."""

import argparse
from pathlib import Path

from commands import build
from commands.options import overrides
from commands.training import run_training
from tinyfft.runs.config import load_config
from tinyfft.runs.run_folder import choose_folder


def run(options: argparse.Namespace) -> int:
    """Train in a new folder. Return the exit code."""
    config = load_config(options.config, overrides(options))
    folder = choose_folder(options.out, Path(options.config).stem)
    device = build.use_device(options.device, config)
    return run_training(config, device, folder, options.data)
