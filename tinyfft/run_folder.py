"""What a run leaves behind: a folder with its configuration, its measurements and its network.

config.toml             the resolved configuration: `train.py --config FOLDER/config.toml` runs it again
metrics.jsonl           one JSON object for each epoch, written when the epoch ends
checkpoint.safetensors  the network after the last epoch that ended
"""

import json
import time
from pathlib import Path
from typing import Any

from tinyfft import checkpoint
from tinyfft.config import Config, to_toml
from tinyfft.nn.module import Module

FILES = ("config.toml", "metrics.jsonl", "checkpoint.safetensors")


class RunFolderError(ValueError):
    """A folder that cannot take a new run."""


def choose(out: str | None, name: str) -> Path:
    """Where a run goes: `out` if given, else a new name runs/NAME-TIME. Nothing is made yet.

    Raises RunFolderError if there is a run already or `out` is a file.
    """
    if out is None:
        stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
        return next(path for path in map(Path("runs").joinpath, names) if not path.exists())
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"--out {path} is a file, expected a folder")
    if found := [name for name in FILES if (path / name).exists()]:
        raise RunFolderError(f"--out {path} holds a run already ({', '.join(found)}), expected a new or empty folder")
    return path


class RunFolder:
    def __init__(self, path: Path, config: Config) -> None:
        """Make the folder and write config.toml."""
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._config_text = to_toml(config)
        (path / "config.toml").write_text(self._config_text, encoding="utf-8")

    def add_epoch(self, metrics: dict[str, Any], network: Module) -> None:
        """Append the epoch's measurements, then replace the checkpoint."""
        _append(self.path / "metrics.jsonl", json.dumps(metrics, allow_nan=False) + "\n")
        metadata = {"config": self._config_text, "metrics": json.dumps(metrics, allow_nan=False)}
        checkpoint.save(self.path / "checkpoint.safetensors", network.state(), metadata)


def _append(path: Path, line: str) -> None:
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:  # one from a full disk names no path
        raise OSError(error.errno, error.strerror, str(path)) from error
