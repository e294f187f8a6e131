"""train.py --list: the purpose of each config."""

import argparse

from tinyfft.runs.config import CONFIGS


def run(_: argparse.Namespace) -> int:
    """Print each config's name and the first comment of its file up to the colon. Return the exit code."""
    files = sorted(CONFIGS.glob("*.toml"), key=lambda file: file.stem)
    width = max(len(file.stem) for file in files)
    for file in files:
        about = file.read_text(encoding="utf-8").partition(":")[0].removeprefix("#").strip()
        print(f"{file.stem:<{width}}  {about}")
    return 0
