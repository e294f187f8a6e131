"""train.py --resume: continue a training from a checkpoint."""

import argparse
from pathlib import Path
from typing import Any

from commands import build
from commands.errors import UsageError
from commands.options import LATEST_RUN, overrides
from commands.saved_checkpoint import SavedCheckpoint
from commands.training import run_training
from tinyfft.runs.config import Config, differing_keys, load_config, parse_config, to_toml
from tinyfft.runs.run_folder import LATEST, choose_folder

CHANGEABLE = ("data.workers", "checkpoint.", "tensorboard", "graph")
"""Keys, or beginnings of keys, that may differ from the checkpoint's config: they do not change the result."""


def run(options: argparse.Namespace) -> int:
    """Continue the training. Return the exit code."""
    file = _find_checkpoint(options.resume)
    saved = SavedCheckpoint.read(file)
    config = _changed_config(saved.config, options)
    folder = file.parent
    if options.out is not None:
        folder = choose_folder(options.out, file.parent.name)
    elif file.name != LATEST:
        raise UsageError(f"--resume {file} is not its folder's latest checkpoint, expected a new folder with --out DIR")
    device = build.use_device(options.device, config)
    return run_training(config, device, folder, options.data or saved.data.directory, saved)


def _find_checkpoint(asked: Any) -> Path:
    """Return the checkpoint for the value of --resume: a file, a folder, or LATEST_RUN for the latest run in runs/."""
    if asked is LATEST_RUN:
        found = sorted(Path("runs").glob(f"*/{LATEST}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise UsageError(f"--resume: there is no runs/*/{LATEST} here")
        return found[-1]
    path = Path(asked)
    if path.is_dir():
        path /= LATEST
    if not path.is_file():
        raise UsageError(f"--resume: there is no {path}")
    return path


def _changed_config(saved: Config, options: argparse.Namespace) -> Config:
    """Return the checkpoint's config, changed by the options. Raises UsageError for keys that must not change."""
    base = load_config(options.config) if options.config else saved
    config = parse_config(to_toml(base), overrides(options))
    different = [key for key in differing_keys(saved, config) if not key.startswith(CHANGEABLE)]
    if different:
        raise UsageError(f"--resume: the checkpoint was made with another {', another '.join(different)}")
    return config
